// What the server tells of its models, and how they are loaded, unloaded and asked in KServe's first protocol.
#include "services/inference/inference_fixture.h"

namespace tidegate::inference {
namespace {

class ModelRoutes : public InferenceFixture {};

TEST_F(ModelRoutes, HealthIsAStatusWithoutABody) {
    put("double", "double");
    open();
    for (const char* path :
         {"/v2/health/live", "/v2/health/ready", "/v2/models/double/ready", "/v2/models/double/versions/1/ready"}) {
        const auto& answer = get(path);
        EXPECT_EQ(answer.status, 200) << path;
        EXPECT_EQ(answer.body, "") << path;
    }
    EXPECT_EQ(get("/v2/models/nothing/ready").status, 404);
}

TEST_F(ModelRoutes, ABrokenModelMakesTheServerNotReadyAndSaysWhy) {
    put("broken", "broken");
    put("double", "double");
    open();
    EXPECT_EQ(get("/v2/health/ready").status, 503);
    EXPECT_EQ(get("/v2/health/live").status, 200);
    EXPECT_EQ(infer("double", kOneRow).status, 200);
    const std::string refused = told(infer("broken", kOneRow));
    EXPECT_TRUE(refused.starts_with("503 ")) << refused;
    EXPECT_NE(refused.find("not a model"), std::string::npos) << refused;
    const auto& index = post("/v2/repository/index", "");
    EXPECT_NE(index.body.find("UNAVAILABLE"), std::string::npos) << index.body;
    EXPECT_NE(index.body.find("not a model"), std::string::npos) << index.body;
    const auto& ready = post("/v2/repository/index", R"({"ready":true})");
    EXPECT_EQ(ready.body.find("UNAVAILABLE"), std::string::npos) << ready.body;
    EXPECT_NE(ready.body.find(R"({"name":"double","version":"1","state":"READY","reason":"")"), std::string::npos)
        << ready.body;
    EXPECT_EQ(post("/v2/repository/index", R"({"ready":1})").status, 400);
}

TEST_F(ModelRoutes, MetadataNamesTensorsAndVersions) {
    put("add", "add", "2");
    open();
    EXPECT_EQ(
        get("/v2/models/add").body,
        R"({"name":"add","versions":["2"],"platform":"onnxruntime_onnx","inputs":[{"name":"a","datatype":"INT64","shape":[-1,2]},{"name":"b","datatype":"INT64","shape":[-1,2]}],"outputs":[{"name":"sum","datatype":"INT64","shape":[-1,2]},{"name":"product","datatype":"INT64","shape":[-1,2]}]})");
    EXPECT_EQ(
        get("/v2").body,
        R"({"name":"tidegate","version":"0.0.1","extensions":["classification","model_repository","schedule_policy","model_configuration","binary_tensor_data","parameters","statistics"]})");
    EXPECT_EQ(get("/v2/").body, get("/v2").body);
    const auto config = json::parse(get("/v2/models/add/config").body);
    ASSERT_TRUE(config);
    for (const char* name : {"max_batch_size", "input", "output"}) EXPECT_TRUE(config->root().find(name)) << name;
}

TEST_F(ModelRoutes, StatisticsCountWhatWasAsked) {
    put("double", "double");
    open();
    for (int i = 0; i < 3; ++i) ASSERT_EQ(infer("double", kOneRow).status, 200);
    ASSERT_EQ(infer("double", "{}").status, 400);
    const http::Response answer = get("/v2/models/double/stats");
    EXPECT_EQ(get("/v2/models/stats").body.substr(0, 40), answer.body.substr(0, 40));
    const auto document = json::parse(answer.body);
    ASSERT_TRUE(document) << answer.body;
    document->root().find("model_stats")->each([](json::Value one) {
        EXPECT_EQ(one.find("name")->as_string(), "double");
        EXPECT_EQ(one.find("inference_count")->as_int(), 3);
        EXPECT_EQ(one.find("execution_count")->as_int(), 3);
        EXPECT_EQ(one.find("inference_stats")->find("success")->find("count")->as_int(), 3);
        EXPECT_EQ(one.find("batch_stats")->size(), 1U);
        EXPECT_EQ(one.find("cuts")->find("idle")->as_int(), 3);
        EXPECT_EQ(one.find("waiting_rows")->as_int(), 0);
    });
}

TEST_F(ModelRoutes, LoadingAndUnloadingFollowTheMode) {
    put("double", "double");
    open();
    EXPECT_TRUE(told(post("/v2/repository/models/double/load", "{}")).starts_with("409 "));
    EXPECT_TRUE(told(post("/v2/repository/models/double/unload", "{}")).starts_with("409 "));
}

TEST_F(ModelRoutes, ALoadTakesAConfigAndNothingElse) {
    put("double", "double");
    open(model::RepositoryMode::kExplicit);
    const std::string path = "/v2/repository/models/double/load";
    EXPECT_EQ(post(path, "{}").status, 200);
    const http::Response changed = post(path, R"({"parameters":{"config":"{\"max_batch_size\":3}"}})");
    EXPECT_EQ(changed.status, 200) << changed.body;
    EXPECT_NE(get("/v2/models/double/config").body.find("\"max_batch_size\":3"), std::string::npos);
    EXPECT_EQ(
        told(post(path, R"({"parameters":{"file:1/model.onnx":"AAAA"}})")),
        "400 the parameter `file:1/model.onnx`: files are not taken from requests; put the model into its folder");
    EXPECT_EQ(told(post(path, R"({"parameters":{"config":7}})")), "400 the parameter `config` must be JSON as a text");
    EXPECT_EQ(told(post(path, R"({"parameters":{"other":7}})")), "400 the parameter `other` is not known; `config` is");
    EXPECT_TRUE(told(post(path, R"({"parameters":{"config":"{\"no_such_word\":3}"}})")).starts_with("400 "));
    EXPECT_EQ(infer("double", kOneRow).status, 200) << "a load that failed has taken the model away";
    EXPECT_EQ(post("/v2/repository/models/double/unload", R"({"parameters":{"unload_dependents":false}})").status, 200);
    EXPECT_NE(infer("double", kOneRow).status, 200);
    EXPECT_EQ(post(path, "{}").status, 200);
    EXPECT_EQ(infer("double", kOneRow).status, 200);
    EXPECT_TRUE(told(post("/v2/repository/models/nothing/load", "{}")).starts_with("404 "));
    EXPECT_EQ(post("/v2/repository/models/../load", "{}").status / 100, 4);
}

class Predict : public InferenceFixture {
  protected:
    std::string predict(const std::string& model, const std::string& body) {
        const auto& answer = post("/v1/models/" + model + ":predict", body);
        if (answer.status != 200) return told(answer);
        const std::size_t end = answer.body.find(",\"model_name\"");
        return answer.body.substr(0, end);
    }
};

TEST_F(Predict, InstancesBecomeRowsAndRowsPredictions) {
    put("double", "double");
    put("add", "add");
    put("echo", "echo");
    put("whole", "whole");
    open();
    EXPECT_EQ(predict("double", R"({"instances":[[1,2,3,4],[5,6,7,8]]})"),
              R"({"predictions":[[2,4,6,8],[10,12,14,16]])");
    EXPECT_EQ(predict("add", R"({"instances":[{"a":[1,2],"b":[3,4]},{"b":[1,1],"a":[5,5]}]})"),
              R"({"predictions":[{"sum":[4,6],"product":[3,8]},{"sum":[6,6],"product":[5,5]}])");
    EXPECT_EQ(predict("echo", R"({"instances":["a","b"]})"), R"({"predictions":[["a"],["b"]])");
    EXPECT_EQ(predict("whole", R"({"instances":[[1,2],[3,4]]})"), R"({"predictions":[[1,2],[3,4]])");
    ASSERT_EQ(log_.kept.size(), 4U);
    EXPECT_EQ(log_.kept[0].operation, "predict/tensor");
}

TEST_F(Predict, WhatIsNotRowsIsToldByPlace) {
    put("double", "double");
    put("add", "add");
    open();
    EXPECT_EQ(predict("double", "{}"), "400 `instances` must be an array with at least one element");
    EXPECT_EQ(predict("double", R"({"instances":[]})"), "400 `instances` must be an array with at least one element");
    EXPECT_EQ(predict("double", R"({"instances":[[1,2,3,4],[1,2]]})"),
              "400 input `x`: instance 1: shape [4] has 4 elements, `data` holds 2");
    // A number stands for a row of one, not for one of four.
    EXPECT_EQ(predict("double", R"({"instances":[[1,2,3,4],5]})"),
              "400 input `x`: instance 1: `data` must be an array");
    EXPECT_EQ(predict("double", R"({"instances":[[],5]})"), "400 input `x`: instance 1: `data` must be an array");
    EXPECT_EQ(
        predict("double", R"({"instances":[[1,2,3,"4"]]})"),
        "400 input `x`: instance 0: element 3 of `data` must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
    EXPECT_EQ(predict("add", R"({"instances":[[1,2]]})"),
              "400 the model has 2 inputs: each of `instances` must be an object with a member for each");
    EXPECT_EQ(predict("add", R"({"instances":[{"a":[1,2]}]})"), "400 input `b`: instance 0 has no member of that name");
    EXPECT_EQ(predict("double", R"({"instances":[[[[[[[[[[1]]]]]]]]]]})"),
              "400 input `x`: `instances` is nested too deeply");
    EXPECT_EQ(predict("nothing", R"({"instances":[1]})").substr(0, 3), "404");
}

}  // namespace
}  // namespace tidegate::inference
