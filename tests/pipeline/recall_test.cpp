// What is kept is given again byte by byte, to whoever asks the same, for as long as it holds, and each time on the record.
#include "recall_fixture.h"

namespace tidegate::pipeline {
namespace {

class Recalls : public RecallFixture {};

TEST_F(Recalls, AHitIsTheMissByteByByteAndSpellingDoesNotMatter) {
    const http::Response miss = ask(R"({"b": "xy", "a": 1.50})");
    ASSERT_EQ(miss.status, 200);
    EXPECT_EQ(field(miss, "X-Cache"), "MISS");
    EXPECT_EQ(field(miss, "Cache-Status"), "tidegate; fwd=uri-miss; stored");
    EXPECT_EQ(field(miss, "Age"), "");
    for (const char* same :
         {R"({"b": "xy", "a": 1.50})", R"({"a":1.5,"b":"xy"})", "{\"a\" : 15e-1,\n\"b\":\"x\\u0079\"}"}) {
        const http::Response& hit = ask(same);
        EXPECT_EQ(hit.status, 200);
        EXPECT_EQ(field(hit, "X-Cache"), "HIT") << same;
        EXPECT_EQ(body_of(hit), body_of(miss));
        EXPECT_EQ(field(hit, "ETag"), field(miss, "ETag"));
        EXPECT_EQ(field(hit, "Content-Type"), "application/json");
        EXPECT_EQ(field(hit, "Age"), "0");
        EXPECT_EQ(field(hit, "Cache-Status").find("tidegate; hit; ttl="), 0U) << field(hit, "Cache-Status");
        EXPECT_EQ(field(hit, "Tidegate-Decisions"), "");
    }
    EXPECT_EQ(field(ask(R"({"a": 2, "b": "xy"})"), "X-Cache"), "MISS");
    EXPECT_EQ(field(ask(R"({"a": 1.5, "b": "xy", "more": 1})"), "X-Cache"), "MISS");
    EXPECT_EQ(runs_, 3);
}

TEST_F(Recalls, EveryHitLeavesADecisionOfItsOwnThatNamesTheFirst) {
    ask("{}", {{"X-Request-Id", "first"}});
    ask("{}", {{"X-Request-Id", "second"}});
    ASSERT_EQ(log_.kept.size(), 2U);
    const audit::Decision& miss = log_.kept[0];
    const audit::Decision& hit = log_.kept[1];
    EXPECT_EQ(miss.cache, audit::CacheState::kMiss);
    EXPECT_EQ(hit.cache, audit::CacheState::kHit);
    EXPECT_EQ(hit.request_id, "second");
    EXPECT_NE(hit.id, miss.id);
    EXPECT_EQ(hit.input_hash, miss.input_hash);
    EXPECT_EQ(hit.output, miss.output);
    EXPECT_EQ(hit.band, "human");
    EXPECT_NE(hit.trace_id, miss.trace_id);
    EXPECT_EQ(hit.tags, (std::vector<audit::Tag>{{"domain", "essay"}, {"original", to_string(miss.id)}}));
}

TEST_F(Recalls, AHitThatCannotBeRecordedIsNotGiven) {
    ask("{}");
    log_.failing = true;
    const http::Response& refused = ask("{}");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(body_of(refused).find("run"), std::string::npos);
}

TEST_F(Recalls, WhatWasNotRecordedIsNotKept) {
    log_.failing = true;
    EXPECT_EQ(ask("{}").status, 503);
    log_.failing = false;
    EXPECT_EQ(body_of(ask("{}")), "{\"run\":2}");
}

TEST_F(Recalls, OnlyAWholeAnswerWithStatus200IsKept) {
    for (const char* asked : {R"({"fail":1})", R"({"status":1})", R"({"stream":1})", R"({"drop":1})"}) {
        const int before = runs_;
        ask(asked);
        const http::Response& again = ask(asked);
        EXPECT_EQ(field(again, "X-Cache"), "") << asked;
        EXPECT_EQ(runs_, before + 2) << asked;
    }
}

TEST_F(Recalls, ARejectedQuestionIsNeitherKeptNorRun) {
    EXPECT_EQ(ask("{").status, 400);
    EXPECT_EQ(ask("[]").status, 422);
    EXPECT_EQ(runs_, 0);
}

TEST_F(Recalls, NumbersWithinTheDeclaredPrecisionAreOneQuestion) {
    const auto rounded = [&](const std::string& body) {
        asked_.push_back(start(http::Method::kPost, "/rounded", body));
        return body_of(wait(asked_.back()));
    };
    EXPECT_EQ(rounded(R"({"lat":1.234})"), "{\"run\":1}");
    EXPECT_EQ(rounded(R"({"lat":1.2301})"), "{\"run\":1}");
    EXPECT_EQ(rounded(R"({"lat":1.236})"), "{\"run\":2}");
    // Another route, another key.
    EXPECT_EQ(body_of(ask(R"({"lat":1.234})")), "{\"run\":3}");
}

TEST_F(Recalls, ALongQuestionIsFoundToo) {
    const std::string body = "{\"text\":\"" + std::string(40'000, 'a') + "\"}";
    EXPECT_EQ(field(ask(body), "X-Cache"), "MISS");
    EXPECT_EQ(field(ask(body), "X-Cache"), "HIT");
    EXPECT_EQ(runs_, 1);
}

TEST_F(Recalls, AnAnswerEndsWithItsLifetime) {
    ask("{}");
    clock_.ahead_ms = 50'000;
    const http::Response& hit = ask("{}");
    EXPECT_EQ(field(hit, "X-Cache"), "HIT");
    EXPECT_EQ(field(hit, "Age"), "50");
    clock_.ahead_ms = 64'000;  // Lifetimes are spread by 5 %.
    EXPECT_EQ(body_of(ask("{}")), "{\"run\":2}");
}

TEST_F(Recalls, AClientsWishesAreHeard) {
    ask("{}");
    const http::Response& fresh = ask("{}", {{"Cache-Control", "no-cache"}});
    EXPECT_EQ(body_of(fresh), "{\"run\":2}");
    EXPECT_EQ(field(fresh, "Cache-Status"), "tidegate; fwd=request; stored");
    EXPECT_EQ(body_of(ask("{}")), "{\"run\":2}");
    const http::Response& bypass = ask("{}", {{"Cache-Control", "no-store"}});
    EXPECT_EQ(body_of(bypass), "{\"run\":3}");
    EXPECT_EQ(field(bypass, "X-Cache"), "BYPASS");
    EXPECT_EQ(body_of(ask("{}")), "{\"run\":2}");
    EXPECT_EQ(ask("{}", {{"Cache-Control", "only-if-cached"}}).status, 200);
    EXPECT_EQ(ask(R"({"n":1})", {{"Cache-Control", "only-if-cached"}}).status, 504);
    EXPECT_EQ(ask(R"({"n":2})", {{"Cache-Control", "no-store"}}).status, 200);
    EXPECT_EQ(field(ask(R"({"n":2})"), "X-Cache"), "MISS");
}

TEST_F(Recalls, AGetIsRevalidatedInTheCodingItCameIn) {
    const http::Response plain = get("/list/1?b=2&a=1");
    ASSERT_EQ(plain.status, 200);
    EXPECT_EQ(field(plain, "Cache-Control"), "no-cache");
    const std::string tag = field(plain, "ETag");
    const http::Response& same = get("/list/1?a=1&b=2", {{"If-None-Match", tag}});
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(field(same, "ETag"), tag);
    EXPECT_EQ(body_of(same), "");
    EXPECT_EQ(field(same, "X-Cache"), "HIT");
    const http::Response packed = get("/list/1?a=1&b=2", {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(field(packed, "Content-Encoding"), "gzip");
    EXPECT_EQ(field(packed, "X-Cache"), "HIT");
    EXPECT_NE(field(packed, "ETag"), tag);
    EXPECT_EQ(field(packed, "Vary"), "Accept-Encoding");
    EXPECT_EQ(get("/list/1?a=1&b=2", {{"Accept-Encoding", "gzip"}, {"If-None-Match", field(packed, "ETag")}}).status,
              304);
    EXPECT_EQ(get("/list/1?a=1&b=2", {{"Accept-Encoding", "gzip"}, {"If-None-Match", tag}}).status, 200);
    EXPECT_EQ(field(get("/list/1?a=1&b=2", {}, http::Method::kHead), "X-Cache"), "HIT");
    EXPECT_EQ(runs_, 1);
    EXPECT_EQ(field(get("/list/2?a=1&b=2"), "X-Cache"), "MISS");
    EXPECT_EQ(field(get("/list/1?a=1"), "X-Cache"), "MISS");
}

TEST_F(Recalls, APostIsAnsweredWholeWhateverTagItNames) {
    const std::string tag = field(ask("{}"), "ETag");
    const http::Response& again = ask("{}", {{"If-None-Match", tag}});
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(field(again, "Cache-Control"), "no-store");
}

TEST_F(Recalls, WhatIsInvalidatedIsMadeAnew) {
    int run = 0;
    const auto expect_new = [&](const char* by) {
        EXPECT_EQ(body_of(ask("{}")), "{\"run\":" + std::to_string(++run) + "}") << by;
    };
    const auto now = [&] { return clock_.unix_ms(); };
    expect_new("first");
    EXPECT_EQ(store_.erase_tag(cache::tag_hash("model:m"), now()), 1U);
    expect_new("model");
    EXPECT_EQ(store_.erase_tag(cache::tag_hash("route:answer"), now()), 1U);
    expect_new("route");
    EXPECT_EQ(store_.erase_tag(cache::tag_hash("target:/answer"), now()), 1U);
    expect_new("path");
    EXPECT_EQ(store_.erase_prefix("/ans", now()), 1U);
    expect_new("prefix");
    EXPECT_EQ(store_.clear(now()), 1U);
    expect_new("all");
    EXPECT_EQ(store_.erase_tag(cache::tag_hash("model:other"), now()), 0U);
    EXPECT_EQ(field(ask("{}"), "X-Cache"), "HIT");
}

TEST_F(Recalls, CountsWhatBecameOfEachQuestion) {
    ask("{}");
    ask("{}");
    ask("{}", {{"Cache-Control", "no-store"}});
    const std::string text = metrics_.render(observe::Exposition::kPrometheusText);
    for (const char* line : {R"(operation="answer",outcome="hit"} 1)", R"(operation="answer",outcome="miss"} 1)",
                             R"(operation="answer",outcome="bypass"} 1)"}) {
        EXPECT_NE(text.find(std::string("tidegate_kept_answers_total{") + line), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace tidegate::pipeline
