// Answers of models, kept where cache.answers says so: given again exactly, on the record, and never those of another file.
#include <filesystem>

#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

constexpr const char* kRow = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";

class InferenceCache : public InferenceSystem {
  protected:
    bool start_keeping() {
        const std::string config = folder_.path() + "/tidegate.yaml";
        write(config,
              "cache: {answers: {infer: {ttl_s: 600}, openai_embeddings: {ttl_s: 600}, embed: {ttl_s: 600}}}\n");
        return start({"--config=" + config, "--models.mode=explicit", "--models.load=linear"});
    }
    RawResponse infer(std::string_view body, const HeaderList& headers = {}) const {
        return post(port(), "/v2/models/linear/infer", body, headers);
    }
};

TEST_F(InferenceCache, TheSameTensorsAreAnsweredFromTheCacheAndRecordedAgain) {
    put_linear();
    if (!start_keeping()) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    const RawResponse first = infer(kRow);
    const RawResponse second = infer(kRow);
    ASSERT_EQ(first.status, 200) << first.body;
    EXPECT_EQ(first.header("x-cache"), "MISS");
    EXPECT_EQ(second.header("x-cache"), "HIT");
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(infer(R"({"id":"7",)" + std::string(kRow).substr(1)).header("x-cache"), "MISS")
        << "the answer has its id";
    const json::Document record =
        parse_json(get(port(), "/api/compliance/request/" + second.header("x-request-id")).body);
    int hits = 0;
    record.root().find("results")->each(
        [&](json::Value one) { hits += one.find("cache")->as_string() == "hit" ? 1 : 0; });
    EXPECT_EQ(hits, 1);
    EXPECT_EQ(infer("{}").status, 400) << "what is wrong is nobody's answer";
    EXPECT_EQ(infer("{}").status, 400);
}

TEST_F(InferenceCache, AnotherFileUnderTheSameNameAndVersionIsAskedAnew) {
    put_linear();
    if (!start_keeping()) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    EXPECT_NE(infer(kRow).body.find(R"("data":[11])"), std::string::npos);
    EXPECT_EQ(infer(kRow).header("x-cache"), "HIT");
    put("linear", onnx_linear(4, 1, {2, 2, 2, 2}, {0}));
    ASSERT_EQ(post(port(), "/v2/repository/models/linear/load", "{}").status, 200);
    const RawResponse after = infer(kRow);
    EXPECT_EQ(after.header("x-cache"), "MISS");
    EXPECT_NE(after.body.find(R"("data":[20])"), std::string::npos) << after.body;
}

TEST_F(InferenceCache, EmbeddingsAreKeptForEachModelThatIsNamed) {
    put_linear();
    if (!start_keeping() && server_ == nullptr) {
        FAIL() << "the server does not start";
    }
    const std::string asked = R"({"model":"tidegate-hash-embed-1","input":["The tide comes in."]})";
    const RawResponse first = post(port(), "/v1/embeddings", asked);
    ASSERT_EQ(first.status, 200) << first.body;
    const RawResponse second = post(port(), "/v1/embeddings", asked);
    EXPECT_EQ(second.header("x-cache"), "HIT");
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(post(port(), "/v1/embeddings", R"({"model":"nobody","input":["The tide comes in."]})").status, 404);
    EXPECT_EQ(post(port(), "/embed", R"({"inputs":["The tide comes in."]})").header("x-cache"), "MISS");
    EXPECT_EQ(post(port(), "/embed", R"({"inputs":["The tide comes in."]})").header("x-cache"), "HIT");
}

}  // namespace
}  // namespace tidegate::testing
