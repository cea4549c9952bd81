// The answers of our own services, kept: given again exactly, on the record, and gone when they should be.
#include "support/redis_server.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr const char* kDetect = "/api/v1/detect/text";

class GateOwnCache : public GateFixture {
  protected:
    HeaderList key(const std::vector<std::string>& words) const {
        std::vector<std::string> command{"keys", "create", "--data-dir=" + folder_.path(), "--name"};
        command.insert(command.end(), words.begin(), words.end());
        const RunResult made = run_binary(command);
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    }
    Process serve(std::vector<std::string> arguments = {}) const { return start("{}\n", std::move(arguments)); }
    static double runs(std::uint16_t port) {
        return metric(port, "tidegate_kept_answers_total", R"(operation="detect_text",outcome="miss")");
    }
    static std::string cache_of(const RawResponse& answer) { return answer.header("x-cache"); }
    static RawResponse detect(std::uint16_t port, std::string_view text, const HeaderList& headers = {}) {
        return post(port, kDetect, text_body(text), headers);
    }
};

TEST_F(GateOwnCache, AHitIsTheMissByteByByteAndSpellingDoesNotMatter) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const RawResponse miss = post(port, kDetect, R"({"text": "I wrote this.", "domain": "essay"})");
    ASSERT_EQ(miss.status, 200) << miss.body;
    EXPECT_EQ(cache_of(miss), "MISS");
    for (const char* same :
         {R"({"text": "I wrote this.", "domain": "essay"})", R"({"domain":"essay","text":"I wrote this."})",
          "{ \"text\" : \"\\u0049 wrote\\u0020this.\",\n \"domain\":\"ess\\u0061y\" }"}) {
        const RawResponse hit = post(port, kDetect, same);
        EXPECT_EQ(cache_of(hit), "HIT") << same;
        EXPECT_EQ(hit.body, miss.body);
        EXPECT_EQ(hit.header("etag"), miss.header("etag"));
        EXPECT_NE(hit.header("age"), "");
        EXPECT_NE(hit.header("cache-status").find("hit"), std::string::npos);
    }
    EXPECT_EQ(cache_of(post(port, kDetect, R"({"text": "I wrote this.", "domain": "news"})")), "MISS");
    EXPECT_EQ(runs(port), 2);
}

TEST_F(GateOwnCache, APackedHitIsTheSameAnswer) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const RawResponse plain = detect(server->port(), kHumanText);
    const RawResponse packed = detect(server->port(), kHumanText, {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(cache_of(packed), "HIT");
    EXPECT_EQ(packed.header("content-encoding"), "gzip");
    EXPECT_NE(packed.header("etag"), plain.header("etag"));
    EXPECT_EQ(detect(server->port(), kHumanText, {{"Accept-Encoding", "gzip"}}).body, packed.body);
    EXPECT_EQ(runs(server->port()), 1);
}

TEST_F(GateOwnCache, EveryHitIsOnTheRecordAndNamesTheFirst) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const RawResponse first = detect(server->port(), kHumanText);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(cache_of(detect(server->port(), kHumanText)), "HIT");
    const std::string id(parse_json(first.body).root().find("analysis_id")->as_string());
    const json::Document history = parse_json(get(server->port(), "/api/v1/analyze/history").body);
    std::size_t hits = 0;
    std::size_t misses = 0;
    history.root().find("items")->each([&](json::Value item) {
        const auto original = item.find("tags")->find("original");
        const bool itself = item.find("analysis_id")->as_string() == id;
        EXPECT_EQ(itself, !original.has_value());
        if (original) {
            EXPECT_EQ(original->as_string(), id);
        }
        ++(itself ? misses : hits);
    });
    EXPECT_EQ(misses, 1U);
    EXPECT_EQ(hits, 4U);
    EXPECT_EQ(to_text(*parse_json(get(server->port(), "/api/v1/analyze/stats").body).root().find("by_cache")),
              R"({"hit":4,"miss":1})");
}

TEST_F(GateOwnCache, AnotherTenantDoesNotGetTheAnswer) {
    const HeaderList north = key({"north", "--tenant", "north"});
    const HeaderList south = key({"south", "--tenant", "south"});
    const HeaderList north_too = key({"more", "--tenant", "north"});
    const auto server = serve({"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    const RawResponse first = detect(server->port(), kHumanText, north);
    EXPECT_EQ(cache_of(first), "MISS");
    const RawResponse other = detect(server->port(), kHumanText, south);
    EXPECT_EQ(cache_of(other), "MISS");
    EXPECT_NE(other.body, first.body);
    EXPECT_EQ(detect(server->port(), kHumanText, north_too).body, first.body);
}

TEST_F(GateOwnCache, AHitCostsNothingUnlessTheSettingsSayItDoes) {
    for (const bool charged : {false, true}) {
        TemporaryFolder folder;
        const auto server =
            start_in(folder.path(), std::string("spend: {address_daily_cap: \"5\", charge_cache_hits: ") +
                                        (charged ? "true" : "false") + "}\n");
        ASSERT_NE(server, nullptr);
        EXPECT_EQ(detect(server->port(), kHumanText).header("x-spend-remaining"), "4");
        const RawResponse hit = detect(server->port(), kHumanText);
        EXPECT_EQ(cache_of(hit), "HIT");
        EXPECT_EQ(hit.header("x-spend-cost"), charged ? "1" : "0");
        EXPECT_EQ(hit.header("x-spend-remaining"), charged ? "3" : "4");
    }
}

TEST_F(GateOwnCache, FiftyAtOnceCostOneExecution) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    // As long as it may be: its execution takes longer than the others need to come.
    std::string text;
    while (text.size() < 45'000) text += std::string(kHumanText) + " ";
    std::vector<std::unique_ptr<RawClient>> herd;
    const std::string request = request_text("POST", kDetect, text_body(text), {{"Content-Type", "application/json"}});
    for (int i = 0; i < 50; ++i) herd.push_back(std::make_unique<RawClient>(server->port()));
    for (const auto& client : herd) client->send(request);
    std::string body;
    for (const auto& client : herd) {
        const RawResponse answer = client->response();
        ASSERT_EQ(answer.status, 200) << answer.body;
        if (body.empty()) body = answer.body;
        EXPECT_EQ(answer.body, body);
    }
    EXPECT_EQ(runs(server->port()), 1);
    EXPECT_EQ(parse_json(get(server->port(), "/api/v1/analyze/stats").body).root().find("total_requests")->as_int(),
              50);
}

TEST_F(GateOwnCache, AnAdministratorDropsAnswersAndIsToldHowMany) {
    const HeaderList admin = key({"boss", "--admin"});
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const auto dropped = [&](const std::string& body) {
        return post(port, "/api/v1/cache/invalidate", body, admin).body;
    };
    double made = 0;
    const auto expect_made = [&](const char* by) {
        EXPECT_EQ(cache_of(detect(port, kHumanText)), "MISS") << by;
        EXPECT_EQ(cache_of(detect(port, kHumanText)), "HIT") << by;
        EXPECT_EQ(runs(port), ++made) << by;
    };
    expect_made("first");
    RawClient client(port);
    EXPECT_EQ(client.ask(request_text("DELETE", "/api/v1/models/text_detector/cache", {}, admin)).body,
              R"({"dropped":1})");
    expect_made("model");
    for (const char* selector :
         {R"({"route":"detect_text"})", R"({"tag":"model:text_detector"})", R"({"path":"/api/v1/detect/text"})",
          R"({"prefix":"/api/v1/detect"})", R"({"all":true})"}) {
        EXPECT_EQ(dropped(selector), R"({"dropped":1})") << selector;
        expect_made(selector);
    }
    EXPECT_EQ(dropped(R"({"route":"batch_text"})"), R"({"dropped":0})");
    expect_problem(post(port, "/api/v1/cache/invalidate", R"({"route":"analyze_history"})", admin), 422);
    EXPECT_EQ(cache_of(detect(port, kHumanText)), "HIT");
}

TEST_F(GateOwnCache, AnAnswerEndsWithItsTimeAndZeroKeepsNone) {
    const auto server = serve({"--provenance.cache_ttl_s=1"});
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(cache_of(detect(server->port(), kHumanText)), "MISS");
    EXPECT_EQ(cache_of(ask_until([&] { return detect(server->port(), kHumanText); },
                                 [](const RawResponse& answer) { return cache_of(answer) == "MISS"; })),
              "MISS");
    TemporaryFolder folder;
    const auto off = start_in(folder.path(), "provenance: {cache_ttl_s: 0}\n");
    ASSERT_NE(off, nullptr);
    const RawResponse first = detect(off->port(), kHumanText);
    const RawResponse second = detect(off->port(), kHumanText);
    EXPECT_EQ(cache_of(first), "");
    EXPECT_NE(first.body, second.body);
    EXPECT_EQ(first.header("cache-control"), "no-store");
}

TEST_F(GateOwnCache, AClientsWishesAreHeardWhereTheSettingsLetThem) {
    const auto server = serve();
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    expect_problem(detect(port, kHumanText, {{"Cache-Control", "only-if-cached"}}), 504, "not_cached");
    EXPECT_EQ(cache_of(detect(port, kHumanText, {{"Cache-Control", "no-store"}})), "BYPASS");
    EXPECT_EQ(cache_of(detect(port, kHumanText)), "MISS");
    EXPECT_EQ(cache_of(detect(port, kHumanText, {{"Cache-Control", "no-cache"}})), "MISS");
    EXPECT_EQ(cache_of(detect(port, kHumanText, {{"Cache-Control", "only-if-cached"}})), "HIT");
    TemporaryFolder folder;
    const auto strict =
        start_in(folder.path(), "cache: {answers: {detect_text: {ttl_s: 60, client_may_bypass: false}}}\n");
    ASSERT_NE(strict, nullptr);
    EXPECT_EQ(cache_of(detect(strict->port(), kHumanText)), "MISS");
    for (const char* wish : {"no-cache", "no-store", "max-age=0"}) {
        EXPECT_EQ(cache_of(detect(strict->port(), kHumanText, {{"Cache-Control", wish}})), "HIT") << wish;
    }
}

TEST_F(GateOwnCache, SettingsKeepOtherRoutesAndAGetIsRevalidated) {
    const auto server = start("cache: {answers: {analyze_stats: {ttl_s: 600}, batch_text: {ttl_s: 600}}}\n");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const RawResponse stats = get(port, "/api/v1/analyze/stats?days=7");
    EXPECT_EQ(cache_of(stats), "MISS");
    EXPECT_EQ(stats.header("cache-control"), "private, no-cache");
    EXPECT_EQ(get(port, "/api/v1/analyze/stats?days=7", {{"If-None-Match", stats.header("etag")}}).status, 304);
    EXPECT_EQ(cache_of(get(port, "/api/v1/analyze/stats?days=8")), "MISS");
    const std::string batch = R"({"items":[{"item_id":"a","text":"One."},{"item_id":"b","text":"Two."}]})";
    const RawResponse miss = post(port, "/api/v1/batch/text", batch);
    const RawResponse hit = post(port, "/api/v1/batch/text", batch);
    EXPECT_EQ(cache_of(hit), "HIT");
    EXPECT_EQ(hit.body, miss.body);
    EXPECT_EQ(hit.header("x-spend-cost"), "0");
    // Each item of a batch leaves its own decision, each time.
    EXPECT_EQ(parse_json(get(port, "/api/v1/analyze/stats?days=9").body).root().find("total_requests")->as_int(), 4);
}

/// Two servers over one Redis, each sure to hear what the other drops.
class GateOwnCacheShared : public GateOwnCache {
  protected:
    void start_both() {
        redis_ = RedisServer::start();
        ASSERT_NE(redis_, nullptr);
        // Patient with Redis, and leases that outlive the test: what a busy machine takes is nobody's failure.
        const std::string yaml = "redis: {url: \"redis://127.0.0.1:" + std::to_string(redis_->port()) +
                                 "\", command_max_ms: 5000}\ncache: {l2_lease_s: 600}\n";
        first_ = start_in(folder_.path(), yaml);
        second_ = start_in(other_folder_.path(), yaml);
        ASSERT_NE(first_, nullptr);
        ASSERT_NE(second_, nullptr);
        // Shared as soon as what one has made is found by the other.
        int number = 0;
        ask_until(
            [&] {
                const std::string text = "Question number " + std::to_string(++number) + ".";
                detect(first_->port(), text);
                const bool one_way = cache_of(detect(second_->port(), text)) == "HIT";
                const std::string back = "Back: " + text;
                detect(second_->port(), back);
                return one_way && cache_of(detect(first_->port(), back)) == "HIT";
            },
            [](bool both) { return both; });
        runs_before_ = runs(first_->port()) + runs(second_->port());
    }
    /// Names of answers in Redis, and of nothing else.
    std::size_t redis_holds() const {
        const std::string names = redis_->command({"KEYS", "*:e:*"});
        std::size_t found = 0;
        for (std::size_t at = 0; (at = names.find(":e:", at)) != std::string::npos; at += 3) ++found;
        return found;
    }
    double made() const { return runs(first_->port()) + runs(second_->port()) - runs_before_; }

    TemporaryFolder other_folder_;
    std::unique_ptr<RedisServer> redis_;
    Process first_, second_;
    double runs_before_ = 0;
};

TEST_F(GateOwnCacheShared, WhatOneHasMadeTheOtherGivesAndRecords) {
    NEED_REDIS_SERVER();
    start_both();
    const std::size_t before = redis_holds();
    const RawResponse miss = detect(first_->port(), kHumanText);
    EXPECT_EQ(cache_of(miss), "MISS");
    // The write to Redis is waited for by nobody else.
    ASSERT_GT(ask_until([&] { return redis_holds(); }, [&](std::size_t now) { return now > before; }), before);
    const RawResponse hit = ask_until([&] { return detect(second_->port(), kHumanText); },
                                      [](const RawResponse& answer) { return cache_of(answer) != "MISS"; });
    EXPECT_EQ(cache_of(hit), "HIT");
    EXPECT_EQ(hit.body, miss.body);
    EXPECT_EQ(hit.header("etag"), miss.header("etag"));
    EXPECT_EQ(made(), 1);
    const std::string id(parse_json(miss.body).root().find("analysis_id")->as_string());
    EXPECT_NE(get(second_->port(), "/api/v1/analyze/history?limit=1").body.find("\"original\":\"" + id),
              std::string::npos);
}

TEST_F(GateOwnCacheShared, EqualQuestionsToBothAtOnceAreAnsweredOnce) {
    NEED_REDIS_SERVER();
    start_both();
    std::string text;
    while (text.size() < 45'000) text += std::string(kHumanText) + " ";
    const std::string request = request_text("POST", kDetect, text_body(text), {{"Content-Type", "application/json"}});
    std::vector<std::unique_ptr<RawClient>> herd;
    for (int i = 0; i < 20; ++i) {
        herd.push_back(std::make_unique<RawClient>(i % 2 == 0 ? first_->port() : second_->port()));
    }
    for (const auto& client : herd) client->send(request);
    std::string body;
    for (const auto& client : herd) {
        const RawResponse answer = client->response();
        ASSERT_EQ(answer.status, 200) << answer.body;
        if (body.empty()) body = answer.body;
        EXPECT_EQ(answer.body, body);
    }
    EXPECT_EQ(made(), 1);
}

TEST_F(GateOwnCache, AnUnknownRouteInCacheAnswersStopsTheStart) {
    const std::string path = folder_.path() + "/t.yaml";
    std::ofstream(path) << "cache: {answers: {detect_txt: {ttl_s: 60}}}\n";
    const RunResult run = run_binary({"serve", "--port=0", "--data-dir=" + folder_.path(), "--config=" + path});
    EXPECT_NE(run.status, 0);
    EXPECT_NE(run.error.find("did you mean detect_text"), std::string::npos) << run.error;
}

}  // namespace
}  // namespace tidegate::testing
