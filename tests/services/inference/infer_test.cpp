// The way of an infer request: what is answered, what is recorded, what each broken request is told.
#include "base/strings.h"
#include "services/inference/infer_answer.h"
#include "services/inference/inference_fixture.h"

namespace tidegate::inference {
namespace {

std::string row_of(std::string_view members) {
    return R"({"inputs":[{"name":"x",)" + std::string(members) + "}]}";
}

class Infer : public InferenceFixture {};

TEST_F(Infer, AnswersInJsonWithTheRequestsId) {
    put("double", "double", "3");
    open();
    const auto& answer = infer(
        "double",
        R"({"id":"a \"b","inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[[1,2,3,4],[0.5,-1,0,9]]}]})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
    EXPECT_FALSE(answer.headers.get("Inference-Header-Content-Length").has_value());
    EXPECT_EQ(
        answer.body,
        R"({"model_name":"double","model_version":"3","id":"a \"b","outputs":[{"name":"y","datatype":"FP32","shape":[2,4],"data":[2,4,6,8,1,-2,0,18]}]})");
}

TEST_F(Infer, AnswersInBinaryWhatIsAskedForInBinary) {
    put("add", "add");
    open();
    const std::string json = R"({"inputs":[{"name":"b","shape":[1,2],"datatype":"INT64","data":[3,4]},)"
                             R"({"name":"a","shape":[1,2],"datatype":"INT64","parameters":{"binary_data_size":16}}],)"
                             R"("outputs":[{"name":"product","parameters":{"binary_data":true}},{"name":"sum"}]})";
    const std::int64_t a[] = {10, -9'007'199'254'740'993};
    const auto& answer = infer("add", json + std::string(reinterpret_cast<const char*>(a), 16),
                               {{"inference-header-content-length", std::to_string(json.size())}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/octet-stream");
    const auto size = parse_u64(*answer.headers.get("Inference-Header-Content-Length"));
    ASSERT_TRUE(size);
    EXPECT_EQ(
        answer.body.substr(0, *size),
        R"({"model_name":"add","model_version":"1","outputs":[{"name":"product","datatype":"INT64","shape":[1,2],"parameters":{"binary_data_size":16}},{"name":"sum","datatype":"INT64","shape":[1,2],"data":[13,-9007199254740989]}]})");
    std::int64_t product[2] = {};
    ASSERT_EQ(answer.body.size(), *size + 16);
    std::memcpy(product, answer.body.data() + *size, 16);
    EXPECT_EQ(product[0], 30);
    EXPECT_EQ(product[1], -36'028'797'018'963'972);
}

TEST_F(Infer, EveryTypePassesThroughJsonAndBinary) {
    const std::pair<std::string, std::string> types[] = {
        {"BOOL", "[true,false,true]"},
        {"UINT8", "[0,7,255]"},
        {"UINT16", "[0,7,65535]"},
        {"UINT32", "[0,7,4294967295]"},
        {"UINT64", "[0,7,18446744073709551615]"},
        {"INT8", "[-128,7,127]"},
        {"INT16", "[-32768,7,32767]"},
        {"INT32", "[-2147483648,7,2147483647]"},
        {"INT64", "[-9223372036854775808,7,9223372036854775807]"},
        {"FP16", "[0.5,-65504,\"NaN\"]"},
        {"BF16", "[0.5,-256,\"-Infinity\"]"},
        {"FP32", "[0.1,-3.4028235e+38,\"Infinity\"]"},
        {"FP64", "[0.1,-1.7976931348623157e+308,\"NaN\"]"},
    };
    for (const auto& [type, values] : types) put(to_lower(type), "type:" + type);
    open();
    for (const auto& [type, values] : types) {
        SCOPED_TRACE(type);
        const std::string input = R"("shape":[1,3],"datatype":")" + type + "\"";
        const auto& answer = infer(to_lower(type), row_of(input + ",\"data\":" + values));
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_NE(answer.body.find("\"data\":" + values), std::string::npos) << answer.body;
        // The bytes of an answer asked for in binary, sent back in binary, are the same values.
        const std::string wanted =
            R"({"parameters":{"binary_data_output":true},)" + row_of(input + ",\"data\":" + values).substr(1);
        const http::Response binary = infer(to_lower(type), wanted);
        ASSERT_EQ(binary.status, 200);
        const std::string bytes =
            binary.body.substr(*parse_u64(*binary.headers.get("Inference-Header-Content-Length")));
        const std::string json =
            row_of(input + R"(,"parameters":{"binary_data_size":)" + std::to_string(bytes.size()) + "}");
        const auto& back =
            infer(to_lower(type), json + bytes, {{"Inference-Header-Content-Length", std::to_string(json.size())}});
        ASSERT_EQ(back.status, 200) << back.body;
        EXPECT_NE(back.body.find("\"data\":" + values), std::string::npos) << back.body;
    }
}

TEST_F(Infer, TextsPassThroughJsonAndBinary) {
    put("echo", "echo");
    open();
    const auto& json = infer("echo", R"({"inputs":[{"name":"t","shape":[2,1],"datatype":"BYTES","data":["ä\n",""]}]})");
    EXPECT_NE(json.body.find("\"data\":[\"ä\\n\",\"\"]"), std::string::npos) << json.body;
    const std::string head =
        R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"t","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":11}}]})";
    const std::string packed("\x03\0\0\0\xff\0z\0\0\0\0", 11);
    const auto& binary =
        infer("echo", head + packed, {{"Inference-Header-Content-Length", std::to_string(head.size())}});
    ASSERT_EQ(binary.status, 200) << binary.body;
    EXPECT_TRUE(binary.body.ends_with(packed));
}

TEST_F(Infer, ABodyWithoutJsonIsTheOnlyInput) {
    put("double", "double");
    put("echo", "echo");
    put("add", "add");
    open();
    const float numbers[] = {1, 2, 3, 4};
    const std::string bytes(reinterpret_cast<const char*>(numbers), sizeof numbers);
    const Fields raw{{"Inference-Header-Content-Length", "0"}};
    const http::Response answer = infer("double", bytes, raw);
    ASSERT_EQ(answer.status, 200) << answer.body;
    float out[4] = {};
    std::memcpy(out, answer.body.data() + answer.body.size() - 16, 16);
    EXPECT_EQ(out[3], 8);
    EXPECT_EQ(told(infer("double", bytes.substr(1), raw)), "400 input `x`: the body is no whole number of elements");
    EXPECT_EQ(told(infer("double", bytes.substr(4), raw)),
              "400 input `x`: shape [-1,4] does not fit a body of 3 elements");
    EXPECT_TRUE(infer("echo", "any bytes", raw).body.ends_with("any bytes"));
    EXPECT_EQ(told(infer("add", bytes, raw)), "400 a body without JSON is for a model with one input; this one has 2");
}

TEST(InferWeight, OfTextsCountsTheirBytes) {
    const std::string text(1 << 20, 'a');
    const std::vector<std::string_view> views{text};
    model::InferAnswer answer;
    answer.outputs.push_back(
        {"u", {.type = model::DataType::kBytes, .shape = model::Shape{1}, .bytes = {}, .strings = views}});
    EXPECT_GE(weight_of(InferBody{}, answer), text.size());
}

TEST_F(Infer, TheBestClassesAreTextsWithScoreIndexAndLabel) {
    put("double", "double");
    open();
    const auto& answer = infer(
        "double",
        R"({"inputs":[{"name":"x","shape":[2,4],"datatype":"FP32","data":[1,4,2,4,0,0,0,1]}],"outputs":[{"name":"y","parameters":{"classification":2}}]})");
    EXPECT_NE(answer.body.find(R"("datatype":"BYTES","shape":[2,2],"data":["8:1","8:3","2:3","0:0"])"),
              std::string::npos)
        << answer.body;
}

TEST_F(Infer, EveryAnswerIsADecisionWithTheFilesHash) {
    put("double", "double", "7");
    open();
    ASSERT_EQ(infer("double", kOneRow).status, 200);
    ASSERT_EQ(log_.kept.size(), 1U);
    const audit::Decision& decision = log_.kept.front();
    EXPECT_TRUE(audit::check(decision)) << audit::check(decision).error().message;
    EXPECT_EQ(decision.service, "inference");
    EXPECT_EQ(decision.operation, "infer/tensor");
    EXPECT_EQ(decision.model, "double");
    EXPECT_EQ(decision.model_version, "7@" + to_hex(sha256(std::string_view("double"))));
    EXPECT_EQ(decision.status, audit::Status::kSuccess);
    EXPECT_EQ(decision.input_hash, sha256(std::string_view(kOneRow)));
    EXPECT_EQ(decision.output,
              R"({"batch_rows":1,"cut":"idle","outputs":[{"name":"y","datatype":"FP32","shape":[1,4]}]})");
    std::vector<std::string> stages;
    for (const auto& stage : decision.stages) stages.push_back(stage.name);
    for (const char* name : {"parse", "model_queue", "compute"}) {
        EXPECT_NE(std::ranges::find(stages, name), stages.end()) << name;
    }
    EXPECT_EQ(decision.spend_points, Points::whole(1));
    EXPECT_FALSE(decision.tokens_stated) << "nobody counted any";
}

TEST_F(Infer, TheRecordMayKeepTheValues) {
    put("double", "double");
    open();
    settings_.keep_output = "whole";
    ASSERT_EQ(infer("double", kOneRow).status, 200);
    EXPECT_NE(log_.kept.front().output.find(R"("data":[2,4,6,8])"), std::string::npos) << log_.kept.front().output;
}

TEST_F(Infer, ServerTimingTellsQueueComputeAndBatch) {
    put("double", "double");
    open();
    const auto& answer = infer("double", kOneRow, {{"X-Trace", "true"}});
    const auto timing = answer.headers.get("Server-Timing");
    ASSERT_TRUE(timing);
    for (const char* part : {"model_queue;dur=", "compute;dur=", "batch;desc=\"1 rows, idle\""}) {
        EXPECT_NE(timing->find(part), std::string_view::npos) << *timing;
    }
}

TEST_F(Infer, WhatDoesNotFitTheModelIsToldByName) {
    put("double", "double");
    put("add", "add");
    open();
    const auto told_of = [&](const std::string& body) { return told(infer("double", body)); };
    EXPECT_EQ(infer("double", kOneRow).status, 200);
    for (const auto& [body, part] : std::vector<std::pair<std::string, std::string>>{
             {R"({"inputs":[{"name":"z","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})", "z"},
             {R"({"inputs":[]})", "x"},
             {row_of(R"("shape":[1,5],"datatype":"FP32","data":[1,2,3,4,5])"), "x"},
             {row_of(R"("shape":[4],"datatype":"FP32","data":[1,2,3,4])"), "x"},
             {row_of(R"("shape":[1,4],"datatype":"INT32","data":[1,2,3,4])"), "x"},
             {R"({"outputs":[{"name":"nope"}],)" + std::string(kOneRow).substr(1), "nope"}}) {
        const std::string answer = told_of(body);
        EXPECT_TRUE(answer.starts_with("400 ")) << answer;
        EXPECT_NE(answer.find(part), std::string::npos) << answer;
    }
    EXPECT_TRUE(told(infer("add", R"({"inputs":[{"name":"a","shape":[1,2],"datatype":"INT64","data":[1,2]},)"
                                  R"({"name":"a","shape":[1,2],"datatype":"INT64","data":[1,2]}]})"))
                    .starts_with("400 "));
    // Nothing of it is in the record but the one answer.
    EXPECT_EQ(log_.kept.size(), 1U);
}

TEST_F(Infer, UnknownModelsVersionsAndPathsAnswerInTheProtocolsShape) {
    put("double", "double");
    open();
    EXPECT_TRUE(told(infer("nothing", kOneRow)).starts_with("404 ")) << told(infer("nothing", kOneRow));
    EXPECT_TRUE(told(post("/v2/models/double/versions/9/infer", kOneRow)).starts_with("404 "));
    EXPECT_EQ(post("/v2/models/double/versions/1/infer", kOneRow).status, 200);
    for (const char* name : {"..", "%2e%2e", "a b", "double/../double"}) {
        const auto& answer = infer(name, kOneRow);
        EXPECT_EQ(answer.status, 404) << name;
    }
    EXPECT_TRUE(told(get("/v2/nowhere")).starts_with("404 There is no such path"));
    EXPECT_TRUE(told(get("/v2/models/double/infer")).starts_with("405 "));
    EXPECT_EQ(told(post("/v2/models/double/infer", kOneRow, {{"Content-Encoding", "gzip"}})),
              "415 Compressed request bodies are not accepted.");
    EXPECT_EQ(told(infer("double", kOneRow, {{"Inference-Header-Content-Length", "-1"}})),
              "400 Inference-Header-Content-Length must be a number of bytes");
}

TEST_F(Infer, AFailureOfTheModelIsAnErrorAndStandsInTheRecord) {
    put("fail", "fail");
    open();
    const auto& answer = infer("fail", kOneRow);
    EXPECT_EQ(answer.status, 500);
    EXPECT_NE(told(answer).find("the operator Explode is tired"), std::string::npos) << told(answer);
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept.front().status, audit::Status::kError);
    EXPECT_EQ(log_.kept.front().model, "fail");
    EXPECT_TRUE(log_.kept.front().output.empty());
    EXPECT_FALSE(log_.kept.front().tokens_stated);
}

TEST_F(Infer, WithoutARecordThereIsNoAnswer) {
    put("double", "double");
    open();
    log_.failing = true;
    const auto& answer = infer("double", kOneRow);
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.body.find("outputs"), std::string::npos);
}

TEST_F(Infer, AModelUnloadedInMidRequestAnswersItAndIsGoneForTheNext) {
    put("double", "double");
    open(model::RepositoryMode::kExplicit);
    door_.close();
    const auto waiting = start(http::Method::kPost, "/v2/models/double/infer", kOneRow);
    door_.wait_for_somebody();
    ASSERT_EQ(post("/v2/repository/models/double/unload", "{}").status, 200);
    const std::string after = told(infer("double", kOneRow));
    EXPECT_TRUE(after.starts_with("404 ") || after.starts_with("503 ")) << after;
    door_.open();
    EXPECT_EQ(wait(waiting).status, 200);
}

TEST_F(Infer, RequestsWhoseClientsHaveLeftAreNotComputed) {
    put("double", "double");
    configure("double", "max_batch_size: 1\ndynamic_batching: {default_queue_policy: {max_queue_size: 20000}}\n");
    open();
    door_.close();
    const auto first = start(http::Method::kPost, "/v2/models/double/infer", kOneRow);
    door_.wait_for_somebody();
    constexpr int kWaiting = 10'000;
    std::vector<std::shared_ptr<Fake>> waiting;
    for (int i = 0; i < kWaiting; ++i)
        waiting.push_back(start(http::Method::kPost, "/v2/models/double/infer", kOneRow));
    for (const auto& exchange : waiting) exchange->hang_up();
    door_.open();
    EXPECT_EQ(wait(first).status, 200);
    int left = 0;
    for (const auto& exchange : waiting) {
        exchange->wait();
        left += exchange->answer().status == 499 || exchange->answer().status == 503 ? 1 : 0;
    }
    // All but the pass that was about to begin.
    EXPECT_GE(left, kWaiting - 2);
    EXPECT_LE(log_.kept.size(), 3U);
}

TEST_F(Infer, AFullQueueRefusesAtOnce) {
    put("double", "double");
    configure("double", "max_batch_size: 1\ndynamic_batching: {default_queue_policy: {max_queue_size: 2}}\n");
    open();
    door_.close();
    const auto first = start(http::Method::kPost, "/v2/models/double/infer", kOneRow);
    door_.wait_for_somebody();
    std::vector<std::shared_ptr<Fake>> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(start(http::Method::kPost, "/v2/models/double/infer", kOneRow));
    int refused = 0;
    for (const auto& exchange : waiting) {
        if (!exchange->responded) continue;
        ++refused;
        EXPECT_EQ(exchange->answer().status, 503);
        EXPECT_TRUE(exchange->answer().headers.get("Retry-After").has_value());
    }
    EXPECT_GE(refused, 2);
    door_.open();
    for (const auto& exchange : waiting) exchange->wait();
    wait(first);
}

}  // namespace
}  // namespace tidegate::inference
