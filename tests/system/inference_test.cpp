// Models through the real server: dropped into the folder, asked in every protocol, governed and recorded like everything else.
#include <filesystem>
#include <thread>

#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

constexpr const char* kRow = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";

class Inference : public InferenceSystem {
  protected:
    RawResponse infer(const std::string& model, std::string_view body, const HeaderList& headers = {}) const {
        return post(port(), "/v2/models/" + model + "/infer", body, headers);
    }
    static std::string error_of(const RawResponse& response) {
        const json::Document document = parse_json(response.body);
        const auto error = document.root().find("error");
        if (!error) return "no error: " + response.body;
        return std::string(error->kind() == json::Kind::kString ? error->as_string()
                                                                : error->find("message")->as_string());
    }
    template <class Question>
    static bool comes_true(const Question& question) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!question()) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            rest(std::chrono::milliseconds(20));
        }
        return true;
    }
};

TEST_F(Inference, AModelDroppedIntoTheFolderIsServedRecordedAndCounted) {
    std::filesystem::create_directories(folder());
    if (!start({"--models.poll_interval_s=0.1"})) {
        GTEST_SKIP() << kNoRuntime;
    }
    EXPECT_EQ(infer("linear", kRow).status, 404);
    put_linear();
    ASSERT_TRUE(comes_true([&] { return get(port(), "/v2/models/linear/ready").status == 200; }));
    const RawResponse answer = infer("linear", kRow, {{"X-Trace", "true"}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_NE(answer.body.find(R"("data":[11])"), std::string::npos) << answer.body;
    for (const char* part : {"model_queue;dur=", "compute;dur=", "batch;desc=\"1 rows"}) {
        EXPECT_NE(answer.header("server-timing").find(part), std::string::npos) << answer.header("server-timing");
    }
    // The record.
    const json::Document found =
        parse_json(get(port(), "/api/compliance/request/" + answer.header("x-request-id")).body);
    const json::Document models = parse_json(get(port(), "/health").body);
    std::string sha256;
    models.root().find("models")->find("serving")->each(
        [&](json::Value one) { sha256 = one.find("sha256")->as_string(); });
    ASSERT_EQ(sha256.size(), 64U);
    int seen = 0;
    found.root().find("results")->each([&](json::Value one) {
        ++seen;
        EXPECT_EQ(one.find("model_version")->as_string(), "1@" + sha256);
    });
    EXPECT_EQ(seen, 1);
    const std::string metrics = get(port(), "/metrics").body;
    const std::string labels = R"({model="linear",version="1@)" + sha256.substr(0, 12) + "\"";
    EXPECT_NE(metrics.find("tidegate_model_requests_total" + labels + ",outcome=\"answered\"} 1\n"), std::string::npos);
    EXPECT_NE(metrics.find("tidegate_model_passes_total" + labels + ",rows=\"1\"} 1\n"), std::string::npos);
}

TEST_F(Inference, TheGateAnswersInTheShapeOfTheFamily) {
    put_linear();
    if (!start({"--identity.required=always"}) && server_ == nullptr) {
        FAIL() << "the server does not start";
    }
    const RawResponse unknown = infer("linear", kRow);
    EXPECT_EQ(unknown.status, 401);
    EXPECT_EQ(unknown.body.find(R"({"error":")"), 0U) << unknown.body;
    const RawResponse openai = post(port(), "/v1/embeddings", R"({"model":"m","input":"x"})");
    EXPECT_EQ(openai.status, 401);
    EXPECT_EQ(openai.body.find(R"({"error":{"message":")"), 0U) << openai.body;
    EXPECT_NE(openai.body.find("authentication_error"), std::string::npos);
    EXPECT_EQ(get(port(), "/v2/health/live").status, 200) << "nobody is asked for a key here";
}

TEST_F(Inference, BodiesThatAreTooLargeAreRefusedBeforeTheyAreRead) {
    put_linear();
    if (!start({"--inference.body_bytes_max=1MiB"}) && server_ == nullptr) {
        FAIL() << "the server does not start";
    }
    RawClient client(port());
    ASSERT_TRUE(client.send("POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n"));
    const RawResponse answer = client.response();
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(answer.body.find(R"({"error":")"), 0U) << answer.body;
}

TEST_F(Inference, AHundredMegabytesOfJsonAreAnswered) {
    put_linear();
    if (!start({"--inference.body_bytes_max=128MiB", "--limits.bodies_bytes_max=256MiB"})) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    std::string body = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1)";
    body.reserve(100'000'100);
    while (body.size() < 100'000'000) body += ",1";
    const RawResponse answer = infer("linear", body + "]}]}");
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(error_of(answer).find("shape [1,4] has 4 elements, `data` holds"), std::string::npos) << answer.body;
    EXPECT_EQ(infer("linear", kRow).status, 200);
}

TEST_F(Inference, ACorruptModelIsToldAndHarmsNobody) {
    put_linear();
    put("corrupt", "this is no ONNX file");
    if (!start()) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    EXPECT_EQ(infer("linear", kRow).status, 200);
    EXPECT_EQ(infer("corrupt", kRow).status, 503);
    EXPECT_EQ(get(port(), "/v2/health/ready").status, 503);
    const json::Document health = parse_json(get(port(), "/health").body);
    EXPECT_EQ(health.root().find("status")->as_string(), "degraded");
    bool named = false;
    health.root().find("models")->find("failing")->each(
        [&](json::Value one) { named = named || one.find("name")->as_string() == "corrupt"; });
    EXPECT_TRUE(named);
    EXPECT_EQ(get(port(), "/ready").status, 200) << "the rest of the server is";
}

TEST_F(Inference, APathThatTheSettingsLeadElsewhereIsTheirs) {
    const std::string path = folder_.path() + "/tidegate.yaml";
    write(path,
          "upstreams:\n  app:\n    targets: [{url: \"http://127.0.0.1:1\"}]\n"
          "routes:\n  all: {path: \"/v1/{rest...}\", upstream: app}\n  mine: {path: /predict, upstream: app}\n");
    server_ = ServerProcess::start(folder_.path(), {"--config=" + path});
    ASSERT_NE(server_, nullptr);
    // Nobody listens there: the proxy says so, in its own shape.
    for (const char* target : {"/predict", "/v1/embeddings"}) {
        const RawResponse answer =
            post(port(), target, R"({"model":"tidegate-hash-embed-1","input":"x","inputs":"x"})");
        EXPECT_EQ(answer.status / 100, 5) << target << answer.body;
        EXPECT_EQ(answer.header("content-type"), "application/problem+json") << target;
    }
    EXPECT_EQ(post(port(), "/embed", R"({"inputs":"x"})").status, 200);
    EXPECT_TRUE(comes_true([&] {
        return server_->log().find(R"("path":"/v1/embeddings","operation":"openai_embeddings")") != std::string::npos;
    })) << server_->log();
}

TEST_F(Inference, WithoutAModelTheEmbeddingOfOurOwnAnswersAndHealthNamesIt) {
    server_ = ServerProcess::start(folder_.path());
    ASSERT_NE(server_, nullptr);
    const RawResponse answer =
        post(port(), "/v1/embeddings", R"({"model":"tidegate-hash-embed-1","input":"the tide comes in"})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_NE(get(port(), "/health").body.find(R"("built_in_embedding":"tidegate-hash-embed-1")"), std::string::npos);
    EXPECT_TRUE(std::filesystem::is_directory(folder_.path() + "/models")) << "a place to put a model";
}

TEST_F(Inference, ARuntimeThatWasNamedAndIsNotThereStopsTheStart) {
    const RunResult run = run_binary({"serve", "--port=0", "--data-dir=" + folder_.path(),
                                      "--models.runtime_library=" + folder_.path() + "/nothing.so"});
    EXPECT_GT(run.status, 0);
    EXPECT_NE(run.error.find("models.runtime_library"), std::string::npos) << run.error;
}

TEST_F(Inference, RequestsOfManyClientsAreComputedTogetherAndAnsweredEachItsOwn) {
    put("heavy", onnx_heavy(256, 12));
    if (!start()) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    constexpr int kClients = 16;
    constexpr int kEach = 20;
    std::atomic<int> right{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kClients; ++t) {
            threads.emplace_back([&, t] {
                RawClient client(port());
                std::string body =
                    R"({"parameters":{"binary_data_output":false},"inputs":[{"name":"x","shape":[1,256],"datatype":"FP32","data":[)" +
                    std::to_string(t);
                for (int i = 1; i < 256; ++i) body += ",0";
                body += "]}]}";
                for (int i = 0; i < kEach; ++i) {
                    const RawResponse answer = client.ask(request_text("POST", "/v2/models/heavy/infer", body));
                    if (answer.status == 200 &&
                        answer.body.find("\"data\":[" + std::to_string(t) + ",0") != std::string::npos)
                        ++right;
                }
            });
        }
    }
    EXPECT_EQ(right.load(), kClients * kEach);
    const json::Document stats = parse_json(get(port(), "/v2/models/heavy/stats").body);
    stats.root().find("model_stats")->each([](json::Value one) {
        EXPECT_EQ(one.find("inference_count")->as_int(), kClients * kEach);
        EXPECT_LT(one.find("execution_count")->as_int(), kClients * kEach) << "nothing was put together";
    });
}

TEST_F(Inference, TextsAreEmbeddedInBothProtocols) {
    put_tokens();
    if (!start()) {
        ASSERT_NE(server_, nullptr);
        GTEST_SKIP() << kNoRuntime;
    }
    const RawResponse openai = post(port(), "/v1/embeddings", R"({"model":"tokens","input":["The tides","a"]})");
    ASSERT_EQ(openai.status, 200) << openai.body;
    // [CLS] the tide ##s [SEP], [CLS] a [SEP].
    EXPECT_NE(openai.body.find(R"("usage":{"prompt_tokens":8,"total_tokens":8})"), std::string::npos) << openai.body;
    const RawResponse tei = post(port(), "/embed", R"({"inputs":["The tides","a"]})");
    ASSERT_EQ(tei.status, 200) << tei.body;
    const json::Document vectors = parse_json(tei.body);
    EXPECT_EQ(vectors.root().size(), 2U);
    vectors.root().each([](json::Value one) { EXPECT_EQ(one.size(), 3U); });
    EXPECT_EQ(post(port(), "/predict", R"({"inputs":"a"})").status, 404);
    EXPECT_EQ(get(port(), "/info").body.find(R"({"model_id":"tokens")"), 0U);
    const RawResponse tokens = post(port(), "/tokenize", R"({"inputs":"tides"})");
    EXPECT_NE(tokens.body.find(R"({"id":11,"text":"##s","special":false,"start":4,"stop":5})"), std::string::npos)
        << tokens.body;
}

}  // namespace
}  // namespace tidegate::testing
