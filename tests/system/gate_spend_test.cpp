// Points: exactly as many answers as the cap pays for, whatever runs at once, fails, is killed or comes from the cache.
#include <signal.h>

#include "support/redis_server.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateSpend : public GateFixture {
  protected:
    GateSpend() { upstream_.on("/a", 200, "ok"); }
    static constexpr const char* kRoute = "  a: {path: /a, upstream: app, cost: \"0.1\", cache: {mode: \"off\"}}\n";
    const std::string kCap = "spend: {address_daily_cap: \"5\", time_zone: " + zone_far_from_midnight() + "}\n";

    /// Asks `count` times from 16 threads, over the ports in turn; how many got 200. Who finds its server gone stops.
    template <class Each>
    static int admitted(const std::vector<std::uint16_t>& ports, int count, const Each& each) {
        std::atomic<int> next{0};
        std::atomic<int> good{0};
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < 16; ++t) {
            threads.emplace_back([&, t] {
                RawClient client(ports[t % ports.size()]);
                int number = 0;
                while ((number = next.fetch_add(1)) < count) {
                    each(number);
                    const RawResponse answer = client.ask(request_text("GET", "/a"));
                    good += answer.status == 200 ? 1 : 0;
                    if (!answer.complete) return;
                }
            });
        }
        threads.clear();
        return good.load();
    }
    static int admitted(const std::vector<std::uint16_t>& ports, int count) {
        return admitted(ports, count, [](int) {});
    }
};

TEST_F(GateSpend, ACapOfFivePaysForExactlyFiftyAnswersAtATenth) {
    const auto server = start(settings(kRoute, kCap));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 1000), 50);
    EXPECT_EQ(upstream_.asked("/a"), 50U);
    const RawResponse refused = get(server->port(), "/a");
    expect_problem(refused, 429);
    EXPECT_EQ(refused.header("x-should-retry"), "false");
    EXPECT_NE(refused.header("retry-after"), "");
    EXPECT_EQ(refused.header("x-spend-remaining"), "0");
}

TEST_F(GateSpend, EachAnswerSaysWhatItCostAndWhatIsLeft) {
    const auto server = start(settings(kRoute, kCap));
    ASSERT_NE(server, nullptr);
    const RawResponse first = get(server->port(), "/a");
    EXPECT_EQ(first.header("x-spend-cost"), "0.1");
    EXPECT_EQ(first.header("x-spend-remaining"), "4.9");
    EXPECT_EQ(get(server->port(), "/a").header("x-spend-remaining"), "4.8");
}

TEST_F(GateSpend, WhatTheUpstreamFailedToAnswerIsRefunded) {
    upstream_.on("/a", [](UpstreamCall& call) { call.number() <= 60 ? call.close() : call.answer(200, "ok"); });
    const auto server = start(settings(kRoute, kCap,
                                       "    breaker: {enabled: false}\n    retries: {attempts_max: 1}\n"
                                       "    outlier: {enabled: false}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 60), 0);
    EXPECT_EQ(admitted({server->port()}, 100), 50);
}

TEST_F(GateSpend, AnAnswerFromTheCacheCostsNothing) {
    const auto server =
        start(settings("  a: {path: /a, upstream: app, cost: \"0.1\", cache: {mode: fixed, ttl_s: 600}}\n", kCap));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/a").header("x-spend-cost"), "0.1");
    EXPECT_EQ(admitted({server->port()}, 200), 200);
    const RawResponse hit = get(server->port(), "/a");
    EXPECT_EQ(hit.header("x-spend-cost"), "0");
    EXPECT_EQ(hit.header("x-spend-remaining"), "4.9");
    EXPECT_EQ(upstream_.asked("/a"), 1U);
}

TEST_F(GateSpend, WhatWasSpentOutlivesTheServer) {
    // The address is hashed with a salt that is made with the database: the same one after a start.
    {
        const auto server = start(settings(kRoute, kCap));
        ASSERT_NE(server, nullptr);
        EXPECT_EQ(admitted({server->port()}, 30), 30);
        server->kill_now();
    }
    const auto server = start(settings(kRoute, kCap));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 100), 20);
}

TEST_F(GateSpend, FourServersOneOfThemKilledNeverChargeMoreThanTheCap) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    const std::string yaml = settings(kRoute, kCap) +
                             "identity: {address_salt: one-salt-for-all-servers}\nredis: {url: \"redis://127.0.0.1:" +
                             std::to_string(redis->port()) + "\", command_max_ms: 5000}\n";
    std::vector<std::unique_ptr<TemporaryFolder>> folders;
    std::vector<Process> servers;
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 4; ++i) {
        folders.push_back(std::make_unique<TemporaryFolder>());
        servers.push_back(start_in(folders.back()->path(), yaml));
        ASSERT_NE(servers.back(), nullptr);
        ports.push_back(servers.back()->port());
        const bool shared = ask_until(
            [&] { return to_text(*health(ports.back()).root().find("spend")).find("true") != std::string::npos; },
            [](bool yes) { return yes; });
        ASSERT_TRUE(shared);
    }
    const pid_t victim = servers[3]->pid();
    const int passed = admitted(ports, 1000, [&](int number) {
        if (number == 25) ::kill(victim, SIGKILL);
    });
    EXPECT_LE(passed, 50);
    // What the dead one had in hand and had not answered, at most one for each of its four clients, waits to be given back.
    EXPECT_GE(passed, 50 - 4);
    EXPECT_LE(upstream_.asked("/a"), 50U);
    expect_problem(get(ports[0], "/a"), 429);
}

}  // namespace
}  // namespace tidegate::testing
