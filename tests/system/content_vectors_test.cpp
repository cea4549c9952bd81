// Searches by a model of the model room: who answered is said, and what happens when the model goes.
#include <chrono>

#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

class ContentVectors : public InferenceSystem {
  protected:
    json::Document ask(std::string_view question, std::string_view mode = "dense") const {
        std::string body;
        JsonWriter writer(body);
        writer.begin_object().field("prompt", question).field("mode", mode).end_object();
        const RawResponse answer = post(port(), "/query/rag", body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    json::Document page() const { return parse_json(get(port(), "/api/contents?limit=1").body); }
    static std::string text(json::Value value, std::string_view name) {
        const auto found = value.find(name);
        return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : "(none)";
    }
    static std::string warnings(json::Value answer) {
        std::string out;
        each_in(answer, "warnings", [&](json::Value one) { out += std::string(one.as_string()) + "\n"; });
        return out;
    }
    static std::string first_id(json::Value answer) {
        std::string out;
        each_in(answer, "results", [&](json::Value one) {
            if (out.empty()) out = text(one, "content_id");
        });
        return out;
    }
    /// Until the model answers searches of these texts, or no longer does; at most a minute.
    bool wait_until(bool answers) const {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        for (;;) {
            const json::Document now = page();
            const auto vectors = now.root().find("vectors");
            if (vectors && vectors->kind() == json::Kind::kObject && vectors->find("answers")->as_bool() == answers)
                return true;
            if (std::chrono::steady_clock::now() > give_up) return false;
            rest(std::chrono::milliseconds(20));
        }
    }
};

TEST_F(ContentVectors, TheModelAnswersUntilItIsUnloadedAndTheAnswerSaysWhoDid) {
    put_tokens();
    if (!start({"--content.vectors_model", "tokens", "--models.mode", "explicit", "--models.load", "tokens",
                "--content.cache_ttl_query_s", "0"})) {
        GTEST_SKIP() << kNoRuntime;
    }
    const RawResponse stored =
        post(port(), "/api/contents",
             R"([{"content_id":"tide","body":"the tide comes in"},{"content_id":"tree","body":"a tree . a tree ."}])");
    ASSERT_EQ(stored.status, 200) << stored.body;
    ASSERT_TRUE(wait_until(true)) << get(port(), "/api/contents?limit=1").body;
    const json::Document found = ask("trees . a tree");
    EXPECT_EQ(text(found.root(), "mode"), "dense");
    EXPECT_EQ(text(found.root(), "meaning"), "tokens");
    EXPECT_EQ(warnings(found.root()), "");
    EXPECT_EQ(first_id(found.root()), "tree");
    const json::Document metadata = parse_json(get(port(), "/api/contents?limit=1").body);
    const std::string version = text(*metadata.root().find("vectors"), "version");
    EXPECT_NE(text(found.root(), "model_version").find(" tokens " + version + ".2"), std::string::npos)
        << text(found.root(), "model_version") << " and " << version;
    EXPECT_EQ(text(ask("tree", "lexical").root(), "meaning"), "(none)");
    // Gone: the words answer, and everybody who looks is told.
    ASSERT_EQ(post(port(), "/v2/repository/models/tokens/unload", "{}").status, 200);
    const json::Document without = ask("trees . a tree");
    EXPECT_EQ(text(without.root(), "mode"), "lexical");
    EXPECT_NE(warnings(without.root()).find("The search went by words."), std::string::npos)
        << warnings(without.root());
    EXPECT_EQ(text(without.root(), "model_version").find("tokens"), std::string::npos);
    ASSERT_TRUE(wait_until(false));
    const json::Document health = parse_json(get(port(), "/health").body);
    EXPECT_EQ(text(health.root(), "status"), "degraded");
    ASSERT_EQ(post(port(), "/v2/repository/models/tokens/load", "{}").status, 200);
    ASSERT_TRUE(wait_until(true));
    EXPECT_EQ(first_id(ask("trees . a tree").root()), "tree");
    // What was made of the texts is kept: nothing was made twice.
    EXPECT_NE(get(port(), "/metrics").body.find("tidegate_content_vectors_made_total 2"), std::string::npos);
}

TEST_F(ContentVectors, ANameThatNoModelHasIsToldAndTheWordsAnswer) {
    put_tokens();  // Another one, which is not asked in its place.
    if (!start({"--content.vectors_model", "nobody"})) GTEST_SKIP() << kNoRuntime;
    ASSERT_EQ(post(port(), "/api/contents", R"({"content_id":"tide","body":"the tide comes in"})").status, 200);
    const json::Document found = ask("tide", "hybrid");
    EXPECT_EQ(first_id(found.root()), "tide");
    EXPECT_NE(warnings(found.root()).find("The model nobody does not serve"), std::string::npos)
        << warnings(found.root());
    EXPECT_EQ(text(parse_json(get(port(), "/health").body).root(), "status"), "degraded");
}

}  // namespace
}  // namespace tidegate::testing
