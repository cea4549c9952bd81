// Two servers that share a cache through one Redis: what one knows the other knows, what one takes back is gone in both, and a
// Redis that is away, slow or full costs no answer.
#include <csignal>

#include "support/redis_server.h"
#include "system/gate.h"
#include "system/slow_line.h"

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class GateL2 : public GateFixture {
  protected:
    void SetUp() override {
        NEED_REDIS_SERVER();
        redis_ = RedisServer::start();
        ASSERT_NE(redis_, nullptr);
        upstream_.on("/a", count);
    }
    static void count(UpstreamCall& call) {
        call.read_body();
        call.answer(200, "run " + std::to_string(call.number()), "Content-Type: text/plain\r\n");
    }
    /// An answer of Redis that is late on a busy machine is still one, unless a test is about late answers.
    static std::string redis_at(std::uint16_t port, int command_max_ms = 5000) {
        return "redis: {url: \"redis://127.0.0.1:" + std::to_string(port) +
               "\", command_max_ms: " + std::to_string(command_max_ms) + "}\n";
    }
    std::string yaml(std::uint16_t redis_port, const std::string& more = {}, int command_max_ms = 5000) const {
        return settings(
            "  all: {path: \"/{rest...}\", upstream: app, cache: {mode: fixed, ttl_s: 600, tags: [news]}}\n",
            redis_at(redis_port, command_max_ms) + more);
    }
    /// Both, sharing answers.
    bool start_two(const std::string& more = {}) {
        boss_of_one_ = admin(folder_);
        boss_of_two_ = admin(other_folder_);
        one_ = start(yaml(redis_->port(), more));
        two_ = start_in(other_folder_.path(), yaml(redis_->port(), more));
        return one_ && two_ && shares(one_->port()) && shares(two_->port());
    }
    static std::string l2(std::uint16_t port, const char* member) {
        const json::Document document = health(port);
        const auto found = document.root().find("cache")->find("l2")->find(member);
        return found ? to_text(*found) : "";
    }
    static bool shares(std::uint16_t port, const std::string& word = "true") {
        return ask_until([&] { return l2(port, "shared"); }, [&](const std::string& now) { return now == word; }) ==
               word;
    }
    /// So many answers.
    bool redis_holds(std::int64_t answers) const {
        return ask_until([&] { return names(redis_->command({"KEYS", "*:e:*"})); },
                         [&](std::int64_t now) { return now >= answers; }) >= answers;
    }
    static std::int64_t names(std::string_view lines) {
        std::int64_t found = 0;
        for (std::size_t at = 0; (at = lines.find(":e:", at)) != std::string_view::npos; at += 3) ++found;
        return found;
    }
    static std::string status(std::uint16_t port) { return to_text(*health(port).root().find("status")); }
    /// The key of an admin of the server of that folder.
    static HeaderList admin(const TemporaryFolder& folder) {
        const RunResult made =
            run_binary({"keys", "create", "--name", "boss", "--admin", "--data-dir=" + folder.path()});
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    }
    static double dropped(const ServerProcess& server, const HeaderList& boss, const std::string& selector) {
        return number(post(server.port(), "/api/v1/cache/invalidate", selector, boss), "dropped");
    }
    static double number(const RawResponse& answer, const char* member) {
        const json::Document document = parse_json(answer.body);
        const auto found = document.root().find(member);
        EXPECT_TRUE(found.has_value()) << answer.body;
        return found ? found->as_double() : -1;
    }

    std::unique_ptr<RedisServer> redis_;
    TemporaryFolder other_folder_;
    HeaderList boss_of_one_, boss_of_two_;  // Made before the servers start.
    Process one_, two_;
};

TEST_F(GateL2, AnotherDeploymentOfTheSameRouteDoesNotGetTheAnswersOfTheFirst) {
    upstream_.on("/b/a", count);
    one_ = start(yaml(redis_->port()));
    two_ = start_in(other_folder_.path(),
                    settings("  all: {path: \"/{rest...}\", upstream: app, add_prefix: /b, cache: {mode: fixed, ttl_s: "
                             "600, tags: [news]}}\n",
                             redis_at(redis_->port())));
    ASSERT_TRUE(one_ && two_ && shares(one_->port()) && shares(two_->port()));
    // The upstream counts for each target by itself; both servers are asked for what is one target to it.
    EXPECT_EQ(get(one_->port(), "/b/a").header("x-cache"), "MISS");
    ASSERT_TRUE(redis_holds(1));
    EXPECT_EQ(get(two_->port(), "/a").header("x-cache"), "MISS");
    EXPECT_EQ(get(two_->port(), "/a").header("x-cache"), "HIT");
}

TEST_F(GateL2, AMissOfOneIsAHitOfTheOther) {
    ASSERT_TRUE(start_two());
    const RawResponse miss = get(one_->port(), "/a");
    EXPECT_EQ(miss.header("x-cache"), "MISS");
    // The write to Redis is waited for by nobody else.
    ASSERT_TRUE(redis_holds(1));
    const RawResponse hit = ask_until([&] { return get(two_->port(), "/a"); },
                                      [](const RawResponse& answer) { return answer.header("x-cache") == "HIT"; });
    EXPECT_EQ(hit.body, "run 1");
    EXPECT_EQ(hit.header("content-type"), miss.header("content-type"));
    EXPECT_NE(hit.header("age"), "");
    EXPECT_EQ(upstream_.asked("/a"), 1U);
    EXPECT_EQ(metric(two_->port(), "tidegate_cache_l2_reads_total", "outcome=\"hit\""), 1);
    EXPECT_EQ(get(two_->port(), "/a").header("x-cache"), "HIT") << "from its own memory";
    EXPECT_EQ(metric(two_->port(), "tidegate_cache_l2_reads_total", "outcome=\"hit\""), 1);
    // POST that is kept by its body, too; a large one is packed.
    std::string large;
    for (int i = 0; large.size() < 60'000; ++i) large += std::to_string(i * 7919) + " ";
    upstream_.on("/big", [&](UpstreamCall& call) {
        call.read_body();
        call.answer(200, large);
    });
    EXPECT_EQ(post(one_->port(), "/big", R"({"x":1})").body, large);
    ASSERT_TRUE(redis_holds(2));
    EXPECT_EQ(post(two_->port(), "/big", R"({ "x" : 1 })").body, large);
    EXPECT_EQ(upstream_.asked("/big"), 1U);
    EXPECT_EQ(l2(one_->port(), "configured"), "true");
    EXPECT_EQ(status(one_->port()), "\"ok\"");
}

TEST_F(GateL2, WhatOneTakesBackIsGoneInBoth) {
    ASSERT_TRUE(start_two());
    int round = 0;
    for (const std::string selector :
         {R"({"tag":"news"})", R"({"path":"/a?r=2"})", R"({"route":"all"})", R"({"prefix":"/a"})", R"({"all":true})"}) {
        const std::string target = "/a?r=" + std::to_string(++round);
        const std::string old = get(one_->port(), target).body;
        ASSERT_TRUE(redis_holds(round));
        ASSERT_EQ(get(two_->port(), target).body, old) << selector;
        EXPECT_GE(dropped(*two_, boss_of_two_, selector), 1) << selector << ": of its own";
        // At once where it was said, although the bytes are in Redis; within a message's way elsewhere.
        EXPECT_NE(get(two_->port(), target).body, old) << selector;
        EXPECT_NE(ask_until([&] { return get(one_->port(), target).body; },
                            [&](const std::string& now) { return now != old; }),
                  old)
            << selector;
    }
    // A write through one.
    std::atomic<bool> put{false};
    upstream_.on("/a", [&](UpstreamCall& call) {
        put = put || call.request().method == "PUT";
        call.answer(200, put ? "after" : "before");
    });
    EXPECT_EQ(get(one_->port(), "/a").body, "before");
    EXPECT_EQ(RawClient(two_->port()).ask(request_text("PUT", "/a", "x")).body, "after");
    EXPECT_EQ(
        ask_until([&] { return get(one_->port(), "/a").body; }, [](const std::string& now) { return now == "after"; }),
        "after");
}

TEST_F(GateL2, FortyEqualQuestionsToBothAskTheUpstreamOnce) {
    std::atomic<bool> let_go{false};
    upstream_.on("/slow", [&](UpstreamCall& call) {
        const std::string text = std::to_string(call.number());
        ask_until([&] { return let_go.load(); }, [](bool go) { return go; });
        call.answer(200, text);
    });
    // A lease that outlives the test: what a machine that stalls takes is not the upstream's time.
    ASSERT_TRUE(start_two("cache: {l2_lease_s: 600}\n"));
    std::vector<std::unique_ptr<RawClient>> herd;
    for (int i = 0; i < 40; ++i) {
        herd.push_back(std::make_unique<RawClient>((i % 2 == 0 ? one_ : two_)->port()));
        herd.back()->send(request_text("GET", "/slow"));
    }
    ASSERT_TRUE(upstream_.wait_asked("/slow", 1));
    const auto elsewhere = [&] {
        return metric(one_->port(), "tidegate_cache_leases_total", "elsewhere") +
               metric(two_->port(), "tidegate_cache_leases_total", "elsewhere");
    };
    EXPECT_EQ(ask_until(elsewhere, [](double waits) { return waits >= 1; }), 1);
    let_go = true;
    for (const auto& client : herd) {
        const RawResponse answer = client->response();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "1");
    }
    EXPECT_EQ(upstream_.asked("/slow"), 1U);
    EXPECT_EQ(metric(one_->port(), "tidegate_cache_leases_total", "served") +
                  metric(two_->port(), "tidegate_cache_leases_total", "served"),
              1);
    const auto leases = [&] { return redis_->command({"KEYS", "*:l:*"}); };
    EXPECT_EQ(ask_until(leases, [](const std::string& names) { return names.empty(); }), "") << "it was released";
}

TEST_F(GateL2, AServerThatDiesWhileItFetchesForAllHoldsNobodyLong) {
    upstream_.on("/slow", [](UpstreamCall& call) {
        if (call.number() == 1) return static_cast<void>(call.wait_gone());
        call.answer(200, std::to_string(call.number()));
    });
    ASSERT_TRUE(start_two("cache: {l2_lease_s: 0.5}\n"));
    RawClient first(one_->port());
    first.send(request_text("GET", "/slow"));
    ASSERT_TRUE(upstream_.wait_asked("/slow", 1));
    one_->kill_now();
    const auto begin = Clock::now();
    EXPECT_EQ(get(two_->port(), "/slow").body, "2");
    // Until that server's lease is over, and not until its request would be.
    EXPECT_LT(Clock::now() - begin, milliseconds(20'000));
}

TEST_F(GateL2, WithoutRedisAnswersGoOnItIsSaidAndItComesBack) {
    ASSERT_TRUE(start_two());
    const std::uint16_t port = one_->port();
    ASSERT_EQ(get(port, "/a").body, "run 1");
    redis_->kill();
    ASSERT_TRUE(shares(port, "false"));
    EXPECT_EQ(status(port), "\"degraded\"");
    EXPECT_NE(l2(port, "reason"), "");
    // What others take back now would not be heard, so nothing from before is given.
    EXPECT_EQ(get(port, "/a").body, "run 2");
    EXPECT_EQ(get(port, "/a").header("x-cache"), "HIT") << "this server's own memory goes on";
    EXPECT_EQ(dropped(*one_, boss_of_one_, R"({"path":"/a"})"), 1);
    EXPECT_EQ(get(port, "/a").body, "run 3");
    ASSERT_TRUE(redis_->restart());
    ASSERT_TRUE(shares(port));
    ASSERT_TRUE(shares(two_->port()));
    EXPECT_EQ(ask_until([&] { return status(port); }, [](const std::string& now) { return now == "\"ok\""; }),
              "\"ok\"");
    upstream_.on("/b", count);
    EXPECT_EQ(get(port, "/b").body, "run 1");
    ASSERT_TRUE(redis_holds(1));
    EXPECT_EQ(get(two_->port(), "/b").body, "run 1");
    EXPECT_EQ(upstream_.asked("/b"), 1U);
}

TEST_F(GateL2, ASlowRedisCostsItsTimeLimitOnce) {
    SlowLine line(redis_->port());
    one_ = start(yaml(line.port(), {}, 50));
    ASSERT_NE(one_, nullptr);
    ASSERT_TRUE(shares(one_->port()));
    upstream_.on("/n", count);
    line.delay(milliseconds(60'000));
    RawClient client(one_->port());
    Clock::duration most{};
    for (int i = 0; i < 20; ++i) {
        const auto begin = Clock::now();
        EXPECT_EQ(client.ask(request_text("GET", "/n?i=" + std::to_string(i))).status, 200);
        most = std::max(most, Clock::now() - begin);
    }
    // redis.command_max_ms is 50, a timer is 20 late at most; the rest is a busy machine. Redis itself takes 60'000.
    EXPECT_LT(most, milliseconds(30'000));
    EXPECT_EQ(upstream_.asked("/n"), 20U);
    EXPECT_GE(metric(one_->port(), "tidegate_cache_l2_reads_total", "skipped"), 1);
    line.delay(milliseconds(0));
    EXPECT_TRUE(shares(one_->port()));
    EXPECT_EQ(ask_until([&] { return status(one_->port()); }, [](const std::string& now) { return now == "\"ok\""; }),
              "\"ok\"");
}

TEST_F(GateL2, AFullRedisCostsNoAnswerIsCountedAndWhatIsTakenBackStaysTakenBack) {
    ASSERT_TRUE(start_two());
    ASSERT_EQ(get(one_->port(), "/a").body, "run 1");
    ASSERT_TRUE(redis_holds(1));
    ASSERT_EQ(get(two_->port(), "/a").body, "run 1");
    redis_->fill();
    upstream_.on("/n", count);
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(get(one_->port(), "/n?i=" + std::to_string(i)).body, "run " + std::to_string(i));
    }
    EXPECT_GE(ask_until([&] { return metric(one_->port(), "tidegate_cache_l2_writes_total", "outcome=\"failed\""); },
                        [](double failed) { return failed >= 5; }),
              5);
    EXPECT_EQ(dropped(*one_, boss_of_one_, R"({"path":"/a"})"), 1);
    EXPECT_EQ(get(one_->port(), "/a").body, "run 2");
    EXPECT_NE(
        ask_until([&] { return get(two_->port(), "/a").body; }, [](const std::string& now) { return now != "run 1"; }),
        "run 1");
    EXPECT_EQ(
        ask_until([&] { return status(one_->port()); }, [](const std::string& now) { return now == "\"degraded\""; }),
        "\"degraded\"");
    redis_->command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_EQ(ask_until([&] { return status(one_->port()); }, [](const std::string& now) { return now == "\"ok\""; }),
              "\"ok\"");
    EXPECT_NE(get(two_->port(), "/a").body, "run 1");
}

TEST_F(GateL2, OnSeveralLoopsItStopsCleanlyInTheMiddleOfEverything) {
    upstream_.on("/hangs", [](UpstreamCall& call) { call.wait_gone(); });
    const std::string loops = "server: {loops: 4, drain_max_s: 1}\n";
    ASSERT_TRUE(start_two(loops));
    std::vector<std::unique_ptr<RawClient>> clients;
    const auto ask_both = [&](const std::string& target) {
        for (int i = 0; i < 16; ++i) {
            clients.push_back(std::make_unique<RawClient>((i % 2 == 0 ? one_ : two_)->port()));
            clients.back()->send(request_text("GET", target));
        }
    };
    ask_both("/a");
    for (const auto& client : clients) EXPECT_EQ(client->response().status, 200);
    // One fetches, its waiters wait, the other server waits for its lease.
    ask_both("/hangs");
    ASSERT_TRUE(upstream_.wait_asked("/hangs", 1));
    EXPECT_GE(dropped(*two_, boss_of_two_, R"({"tag":"news"})"), 1);
    EXPECT_EQ(two_->stop(SIGTERM, 60), 0) << two_->log();
    EXPECT_EQ(one_->stop(SIGTERM, 60), 0) << one_->log();
}

TEST_F(GateL2, PrivateAnswersAreInNobodysRedis) {
    upstream_.on("/mine", [](UpstreamCall& call) {
        call.answer(200, std::to_string(call.number()), "Cache-Control: private, max-age=600\r\n");
    });
    ASSERT_TRUE(start_two());
    EXPECT_EQ(get(one_->port(), "/mine").body, "1");
    EXPECT_EQ(get(two_->port(), "/mine").body, "2");
    EXPECT_EQ(redis_->command({"KEYS", "*:e:*"}), "");
}

TEST_F(GateL2, SwitchedOffNothingIsSharedAndNothingIsSaidToBeWrong) {
    ASSERT_TRUE(start_two());
    const TemporaryFolder alone;
    two_ = start_in(alone.path(), yaml(redis_->port(), "cache: {l2: false}\n"));
    ASSERT_NE(two_, nullptr);
    EXPECT_EQ(get(one_->port(), "/a").body, "run 1");
    ASSERT_TRUE(redis_holds(1));
    EXPECT_EQ(get(two_->port(), "/a").body, "run 2");
    EXPECT_EQ(l2(two_->port(), "configured"), "false");
    EXPECT_EQ(ask_until([&] { return status(two_->port()); }, [](const std::string& now) { return now == "\"ok\""; }),
              "\"ok\"");
}

class GateWarmup : public GateL2 {
  protected:
    void SetUp() override { upstream_.on("/a", count); }
    std::string plain(const std::string& more = {}) const {
        return settings("  all: {path: \"/{rest...}\", upstream: app, cache: {mode: fixed, ttl_s: 600}}\n", more);
    }
};

TEST_F(GateWarmup, WhatWasAskedMostIsBackAfterTheCacheWasEmptied) {
    const HeaderList boss = admin(folder_);
    const auto server = start(plain());
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    upstream_.on("/predict", count);
    upstream_.on("/gone", [](UpstreamCall& call) { call.number() == 1 ? call.answer(200, "once") : call.close(); });
    {
        // One request in sixteen is noted.
        RawClient client(port);
        for (int i = 0; i < 300; ++i) {
            for (const char* target : {"/a?x=1", "/a?x=2", "/gone"}) {
                ASSERT_EQ(client.ask(request_text("GET", target)).status, 200);
            }
            const HeaderList json{{"Content-Type", "application/json"}};
            ASSERT_EQ(client.ask(request_text("POST", "/predict", R"({"x": 1})", json)).status, 200);
        }
    }
    const json::Document hot = parse_json(get(port, "/api/v1/cache/hot", boss).body);
    EXPECT_EQ(hot.root().find("keys")->size(), 4U);
    const RawResponse idle = post(port, "/api/v1/cache/warmup", R"({"top":10})", boss);
    EXPECT_EQ(number(idle, "fresh"), 4) << idle.body;
    EXPECT_EQ(number(idle, "asked"), 0);
    EXPECT_EQ(upstream_.asked("/a"), 2U);

    ASSERT_EQ(post(port, "/health/cache/clear", {}, boss).status, 200);
    const RawResponse warm = post(port, "/api/v1/cache/warmup", R"({"top":10,"route":"all"})", boss);
    ASSERT_EQ(warm.status, 200) << warm.body;
    EXPECT_EQ(number(warm, "keys"), 4) << warm.body;
    EXPECT_EQ(number(warm, "asked"), 4);
    EXPECT_EQ(number(warm, "stored"), 3);
    EXPECT_EQ(number(warm, "failed"), 1);
    for (const char* target : {"/a?x=1", "/a?x=2"}) {
        EXPECT_EQ(get(port, target).header("x-cache"), "HIT") << target;
    }
    EXPECT_EQ(post(port, "/predict", R"({"x":1})").header("x-cache"), "HIT") << "the same key as a client's";
    EXPECT_EQ(upstream_.asked("/a"), 4U);
    EXPECT_EQ(metric(port, "tidegate_cache_warmup_keys_total", "stored"), 3);
    expect_problem(post(port, "/api/v1/cache/warmup", R"({"route":"none"})", boss), 422);
}

TEST_F(GateWarmup, OnASchedule) {
    const HeaderList boss = admin(folder_);
    const auto server = start(plain("cache: {warmup_interval_s: 1}\n"));
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    RawClient client(port);
    for (int i = 0; i < 300; ++i) {
        ASSERT_EQ(client.ask(request_text("GET", "/a")).status, 200);
    }
    ASSERT_EQ(post(port, "/health/cache/clear", {}, boss).status, 200);
    ASSERT_TRUE(upstream_.wait_asked("/a", 2)) << "by nobody's request";
    EXPECT_EQ(ask_until([&] { return metric(port, "tidegate_cache_warmup_keys_total", "stored"); },
                        [](double stored) { return stored >= 1; }),
              1);
    EXPECT_EQ(get(port, "/a").header("x-cache"), "HIT");
    EXPECT_EQ(upstream_.asked("/a"), 2U);
}

}  // namespace
}  // namespace tidegate::testing
