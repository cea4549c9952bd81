// Texts through models: OpenAI's embeddings and the routes of text-embeddings-inference.
#include "audit/proof/base64.h"
#include "services/inference/inference_fixture.h"

namespace tidegate::inference {
namespace {

class TextRoutes : public InferenceFixture {
  protected:
    void SetUp() override {
        put("double", "double");
        put_text("plain", "tokens", "task: embedding\nnormalize: false\nsequence_max: 6");
        put_text("unit", "tokens", "task: embedding\npooling: cls");
        open();
    }
    std::string openai(const std::string& members) {
        const auto& answer = post("/v1/embeddings", "{" + members + "}");
        if (answer.status == 200) return answer.body;
        const auto document = json::parse(answer.body);
        return std::to_string(answer.status) + " " +
               std::string(document->root().find("error")->find("message")->as_string());
    }
};

TEST_F(TextRoutes, AnEmbeddingIsTheMeanOfItsTokensWithTheirCount) {
    // [CLS]=2 the=4 tide=5 [SEP]=3; [CLS] a=8 [SEP].
    EXPECT_EQ(
        openai(R"("model":"plain","input":["the tide","a"])"),
        R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[3.5,1]},{"object":"embedding","index":1,"embedding":[4.3333335,1]}],"model":"plain","usage":{"prompt_tokens":7,"total_tokens":7}})");
    ASSERT_EQ(log_.kept.size(), 1U);
    const audit::Decision& decision = log_.kept.front();
    EXPECT_TRUE(audit::check(decision));
    EXPECT_EQ(decision.operation, "embeddings/text");
    EXPECT_EQ(decision.model, "plain");
    EXPECT_TRUE(decision.model_version.starts_with("1@"));
    EXPECT_EQ(decision.tokens, 7);
    EXPECT_EQ(decision.output, R"({"vectors":2,"dimensions":2})");
}

TEST_F(TextRoutes, TheFirstTokensVectorHasLengthOne) {
    const std::string body = openai(R"("model":"unit","input":"the")");
    // (2, 1) over its length.
    EXPECT_NE(body.find("\"embedding\":[0.8944272,0.4472136]"), std::string::npos) << body;
    const std::string one = openai(R"("model":"unit","input":"the","dimensions":1)");
    EXPECT_NE(one.find("\"embedding\":[1]"), std::string::npos) << one;
}

TEST_F(TextRoutes, Base64IsLittleEndianFloats) {
    const std::string body = openai(R"("model":"plain","input":"the tide","encoding_format":"base64")");
    const auto document = json::parse(body);
    ASSERT_TRUE(document) << body;
    document->root().find("data")->each([](json::Value one) {
        const auto bytes = audit::proof::decode_base64(one.find("embedding")->as_string());
        ASSERT_TRUE(bytes);
        EXPECT_EQ(*bytes, std::string("\0\0\x60\x40\0\0\x80\x3f", 8));
    });
}

TEST_F(TextRoutes, TokenIdsAreTakenAsTheyAre) {
    EXPECT_NE(openai(R"("model":"plain","input":[4,5])").find(R"([4.5,1])"), std::string::npos);
    EXPECT_NE(openai(R"("model":"plain","input":[[4],[5]])").find(R"("index":1,"embedding":[5,1])"), std::string::npos);
    EXPECT_EQ(openai(R"("model":"plain","input":[400])"), "400 token 400 is not one of the model's");
}

TEST_F(TextRoutes, WhatCannotBeEmbeddedIsToldInOpenAisShape) {
    EXPECT_EQ(openai(R"("model":"nothing","input":"x")").substr(0, 3), "404");
    EXPECT_EQ(openai(R"("model":"double","input":"x")"),
              "400 the model `double` has no `task: embedding` in its config");
    EXPECT_EQ(openai(R"("model":"plain","input":[])"), "400 `input` must not be empty");
    EXPECT_EQ(openai(R"("model":"plain","input":"the the the the the the")"),
              "400 a text has 8 tokens, the model takes 6");
    EXPECT_EQ(openai(R"("model":"plain","input":["a","the the the the the the"])"),
              "400 element 1: a text has 8 tokens, the model takes 6");
    const auto passes = [this] { return (*repository_->find("plain"))->statistics().execution_count; };
    const std::uint64_t before = passes();
    EXPECT_EQ(openai(R"("model":"plain","input":"a","dimensions":3)"),
              "400 `dimensions` is 3, the model's vectors have 2");
    EXPECT_EQ(passes(), before) << "nothing is computed for it";
    EXPECT_EQ(openai(R"("input":"x")").substr(0, 3), "422");
    EXPECT_EQ(openai(R"("model":"plain","input":"x","encoding_format":"hex")").substr(0, 3), "422");
    EXPECT_TRUE(log_.kept.empty());
}

TEST_F(TextRoutes, ModelsAreListedOnceAndAlone) {
    const std::string list = get("/v1/models").body;
    for (const char* name : {"double", "plain", "unit"}) {
        EXPECT_NE(list.find(R"({"id":")" + std::string(name) + R"(","object":"model","created":)"), std::string::npos);
    }
    EXPECT_EQ(get("/v1/models/plain").body.find(R"({"id":"plain","object":"model")"), 0U);
    EXPECT_EQ(get("/v1/models/nothing").status, 404);
}

TEST_F(TextRoutes, ManyTextsComeBackInTheirOrder) {
    std::string input;
    for (int i = 0; i < 100; ++i)
        input += (i > 0 ? ",\"" : "\"") + std::string(i % 3 == 0 ? "a" : i % 3 == 1 ? "the tide" : "tree") + "\"";
    const std::string body = openai(R"("model":"plain","input":[)" + input + "]");
    const auto document = json::parse(body);
    ASSERT_TRUE(document) << body.substr(0, 300);
    int index = 0;
    document->root().find("data")->each([&](json::Value one) {
        EXPECT_EQ(one.find("index")->as_int(), index);
        const double sums[] = {13.0 / 3, 14.0 / 4, 14.0 / 3};
        double first = 0;
        one.find("embedding")->each([&](json::Value value) {
            if (first == 0) first = value.as_double();
        });
        EXPECT_NEAR(first, sums[index % 3], 1e-5) << index;
        ++index;
    });
    EXPECT_EQ(index, 100);
    EXPECT_EQ(openai(R"("model":"plain","input":[)" + input + ",\"a\"]"), "400 `input` has more than 100 elements");
}

TEST_F(TextRoutes, EmbedIsABareListAndNormalisesUnlessToldNotTo) {
    EXPECT_EQ(post("/embed", R"({"inputs":"the tide","model":"plain","normalize":false})").body, "[[3.5,1]]");
    EXPECT_EQ(post("/embed", R"({"inputs":["the"],"model":"unit"})").body, "[[0.8944272,0.4472136]]");
    // The first by name.
    EXPECT_EQ(post("/embed", R"({"inputs":"a","normalize":false})").body, "[[4.3333335,1]]");
    EXPECT_EQ(post("/embed", R"({"inputs":"the the the the the the"})").status, 400);
    const auto& cut = post("/embed", R"({"inputs":"the the the the the the","truncate":true,"normalize":false})");
    EXPECT_EQ(cut.body, "[[3.5,1]]") << "[CLS] the the the the [SEP]";
    const auto& refused = post("/embed", R"({"inputs":7})");
    EXPECT_EQ(refused.body.find(R"({"error":"`inputs` must be)"), 0U) << refused.body;
    EXPECT_NE(refused.body.find(R"("error_type":"Validation"})"), std::string::npos);
}

TEST_F(TextRoutes, TokensHaveTextAndPlace) {
    EXPECT_EQ(
        post("/tokenize", R"({"inputs":"The tides","model":"plain"})").body,
        R"([[{"id":2,"text":"[CLS]","special":true,"start":null,"stop":null},{"id":4,"text":"the","special":false,"start":0,"stop":3},{"id":5,"text":"tide","special":false,"start":4,"stop":8},{"id":11,"text":"##s","special":false,"start":8,"stop":9},{"id":3,"text":"[SEP]","special":true,"start":null,"stop":null}]])");
    EXPECT_EQ(post("/tokenize", R"({"inputs":"a","add_special_tokens":false})").body,
              R"([[{"id":8,"text":"a","special":false,"start":0,"stop":1}]])");
}

TEST_F(TextRoutes, InfoTellsOfTheModelThatAnswersUnnamed) {
    const std::string info = get("/info").body;
    EXPECT_NE(info.find(R"("model_id":"plain")"), std::string::npos) << info;
    EXPECT_NE(info.find(R"("model_type":{"embedding":{"pooling":"mean"}},"max_input_length":6)"), std::string::npos)
        << info;
}

class Classes : public InferenceFixture {};

TEST_F(Classes, AreScoredLabelledAndRecorded) {
    put_text("classes", "classes", "task: classification\nlabels: [wet, dry]\nactivation: sigmoid");
    open();
    // [CLS] a [SEP]: 13.
    EXPECT_EQ(post("/predict", R"({"inputs":"a","raw_scores":true})").body,
              R"([{"score":13,"label":"wet"},{"score":0,"label":"LABEL_2"},{"score":-13,"label":"dry"}])");
    const http::Response one = post("/predict", R"({"inputs":"a"})");
    EXPECT_EQ(one.body.find(R"([{"score":0.99999774,"label":"wet"},{"score":0.5,"label":"LABEL_2"})"), 0U) << one.body;
    EXPECT_EQ(log_.kept.back().band, "wet");
    EXPECT_NEAR(log_.kept.back().confidence.value_or(0), 0.9999977, 1e-6);
    const http::Response several = post("/predict", R"({"inputs":[["a"],["a","tree"]],"raw_scores":true})");
    // [CLS] a [SEP] tree [SEP]: 25.
    EXPECT_NE(several.body.find(R"([{"score":25,"label":"wet"})"), std::string::npos) << several.body;
    EXPECT_TRUE(several.body.starts_with("[[{"));
    EXPECT_EQ(post("/rerank", R"({"query":"a","texts":["b"]})").status, 404);
}

TEST_F(Classes, UnnamedTheNewestVersionAnswersAsNamed) {
    put_text("classes", "classes", "task: classification\nversion_policy: {all: {}}");
    put("classes", "classes", "2");
    open();
    ASSERT_EQ(post("/predict", R"({"inputs":"a","model":"classes"})").status, 200);
    ASSERT_EQ(post("/predict", R"({"inputs":"a"})").status, 200);
    ASSERT_EQ(log_.kept.size(), 2U);
    EXPECT_TRUE(log_.kept[0].model_version.starts_with("2@")) << log_.kept[0].model_version;
    EXPECT_EQ(log_.kept[1].model_version, log_.kept[0].model_version);
}

TEST_F(Classes, RowsOfTokensAreNoScores) {
    put_text("tokens", "tokens", "task: classification");
    open();
    const http::Response answer = post("/predict", R"({"inputs":"a"})");
    EXPECT_EQ(answer.status, 500) << answer.body;
    EXPECT_NE(answer.body.find("another shape than a text's scores"), std::string::npos) << answer.body;
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept[0].status, audit::Status::kError);
}

TEST_F(Classes, WithoutAModelTheEmbeddingOfOurOwnAnswersUnderItsName) {
    open();
    const http::Response answer = post(
        "/v1/embeddings", R"({"model":"tidegate-hash-embed-1","input":["The tide comes in.","the tides come in"]})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_NE(answer.body.find(R"("model":"tidegate-hash-embed-1","usage":{"prompt_tokens":8)"), std::string::npos)
        << answer.body.substr(answer.body.size() - 120);
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept.front().model, "tidegate-hash-embed-1");
    EXPECT_TRUE(log_.kept.front().model_version.starts_with("1@"));
    EXPECT_EQ(log_.kept.front().output, R"({"vectors":2,"dimensions":384})");
    const http::Response bare = post("/embed", R"({"inputs":"The tide comes in.","dimensions":3})");
    const auto document = json::parse(bare.body);
    ASSERT_TRUE(document) << bare.body;
    document->root().each([](json::Value one) { EXPECT_EQ(one.size(), 3U); });
    EXPECT_EQ(post("/embed", R"({"inputs":[1,2]})").status, 400);
    EXPECT_NE(get("/v1/models").body.find("tidegate-hash-embed-1"), std::string::npos);
    EXPECT_EQ(get("/v1/models/tidegate-hash-embed-1").status, 200);
    EXPECT_NE(get("/info").body.find("tidegate-hash-embed-1"), std::string::npos);
    EXPECT_EQ(post("/tokenize", R"({"inputs":"a"})").status, 404);
}

TEST_F(Classes, RanksStandInTheOrderOfTheirScores) {
    put_text("rank", "rank", "task: rerank");
    open();
    // [CLS] the [SEP] x [SEP]: 2 + 4 + 3 + x + 3.
    EXPECT_EQ(post("/rerank", R"({"query":"the","texts":["a","tree","tide"],"raw_scores":true})").body,
              R"([{"index":1,"score":21},{"index":0,"score":20},{"index":2,"score":17}])");
    EXPECT_EQ(post("/rerank", R"({"query":"the","texts":["a"],"raw_scores":true,"return_text":true})").body,
              R"([{"index":0,"score":20,"text":"a"}])");
    EXPECT_EQ(log_.kept.back().operation, "rerank/text");
    EXPECT_EQ(log_.kept.back().tokens, 5);
    EXPECT_EQ(post("/rerank", R"({"query":"the","texts":[]})").status, 422);
}

TEST_F(Classes, AModelThatTakesOtherInputsIsRefusedByName) {
    put_text("odd", "double", "task: embedding");
    open();
    const auto& answer = post("/embed", R"({"inputs":"a"})");
    EXPECT_NE(answer.status, 200);
    EXPECT_TRUE(log_.kept.empty());
}

}  // namespace
}  // namespace tidegate::inference
