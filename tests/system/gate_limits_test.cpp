// Rates: exactly so many pass, the rest hears when to come back; shared through Redis, and without it when it is gone.
#include "support/redis_server.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateLimits : public GateFixture {
  protected:
    GateLimits() { upstream_.on("/a", 200, "ok"); }
    static constexpr const char* kRoute = "  a: {path: /a, upstream: app, cache: {mode: \"off\"}}\n";
    static std::string rule(const std::string& rate, bool shadow = false) {
        return "limits: {rules: {r: {per: address, routes: [a], rate: \"" + rate +
               "\", shadow: " + (shadow ? "true" : "false") + "}}}\n";
    }
    static std::string shared_through(const RedisServer& redis) {
        // Late on a busy machine is not away: a Redis that is gone refuses at once.
        return "redis: {url: \"redis://127.0.0.1:" + std::to_string(redis.port()) + "\", command_max_ms: 5000}\n";
    }
    /// How many of `count` requests, sent from 8 threads at once over the given ports in turn, got 200.
    static int admitted(const std::vector<std::uint16_t>& ports, int count) {
        std::atomic<int> next{0};
        std::atomic<int> good{0};
        std::vector<std::jthread> threads;
        for (int t = 0; t < 8; ++t) {
            threads.emplace_back([&, t] {
                RawClient client(ports[static_cast<std::size_t>(t) % ports.size()]);
                while (next.fetch_add(1) < count) {
                    const RawResponse answer = client.ask(request_text("GET", "/a"));
                    EXPECT_TRUE(answer.status == 200 || answer.status == 429) << answer.status << answer.body;
                    good += answer.status == 200 ? 1 : 0;
                }
            });
        }
        threads.clear();
        return good.load();
    }
};

TEST_F(GateLimits, ExactlySoManyPassAndTheRestHearsWhenToComeBack) {
    const auto server = start(settings(kRoute, rule("20/1h")));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 100), 20);
    EXPECT_EQ(upstream_.asked("/a"), 20U);
    const RawResponse refused = get(server->port(), "/a");
    expect_problem(refused, 429);
    const auto wait = parse_u64(refused.header("retry-after"));
    ASSERT_TRUE(wait.has_value());
    EXPECT_GE(*wait, 1U);
    EXPECT_LE(*wait, 180U);  // One of 20 comes back each 180 s.
    EXPECT_NE(refused.header("ratelimit-policy").find("\"r\";q=20;w=3600"), std::string::npos);
    EXPECT_NE(refused.header("ratelimit").find("\"r\";r=0"), std::string::npos);
    EXPECT_EQ(refused.header("x-ratelimit-limit"), "20");
    EXPECT_EQ(refused.header("x-ratelimit-remaining"), "0");
    EXPECT_NE(refused.header("x-ratelimit-reset"), "");
    EXPECT_EQ(metric(server->port(), "tidegate_limits_denied_total", "rule=\"r\""), 81);
}

TEST_F(GateLimits, AnAdmittedRequestIsToldWhatIsLeft) {
    const auto server = start(settings(kRoute, rule("20/1h")));
    ASSERT_NE(server, nullptr);
    for (int left = 19; left >= 17; --left) {
        EXPECT_EQ(get(server->port(), "/a").header("x-ratelimit-remaining"), std::to_string(left));
    }
}

TEST_F(GateLimits, TheRateOfARouteHoldsForThatRouteOnly) {
    upstream_.on("/b", 200, "ok");
    const auto server =
        start(settings("  a: {path: /a, upstream: app, rate: 5/1h, cache: {mode: \"off\"}}\n"
                       "  b: {path: /b, upstream: app, cache: {mode: \"off\"}}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 20), 5);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get(server->port(), "/b").status, 200);
}

TEST_F(GateLimits, InShadowAllPassAndAreCounted) {
    const auto whole = start(settings(kRoute, rule("5/1h") + "pipeline: {shadow: [limit]}\n"));
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(admitted({whole->port()}, 20), 20);
    const std::string name = "tidegate_stage_decisions_total{stage=\"limit\",decision=";
    EXPECT_EQ(metric(whole->port(), name + "\"shadowed\"}"), 15);
    EXPECT_EQ(metric(whole->port(), name + "\"refused\"}"), 0);
}

TEST_F(GateLimits, ARuleInShadowLetsPassAndCounts) {
    const auto server = start(settings(kRoute, rule("5/1h", true)));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(admitted({server->port()}, 20), 20);
    EXPECT_EQ(metric(server->port(), "tidegate_limits_shadow_denied_total"), 15);
}

TEST_F(GateLimits, TwoServersWithOneRedisAdmitTogetherWhatOneWould) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    const TemporaryFolder other;
    // The salt is what makes one address one caller for both.
    const std::string yaml = settings(
        kRoute, rule("40/1h") + "identity: {address_salt: one-salt-for-both-servers}\n" + shared_through(*redis));
    const auto one = start(yaml);
    const auto two = start_in(other.path(), yaml);
    ASSERT_NE(one, nullptr);
    ASSERT_NE(two, nullptr);
    for (const auto* server : {one.get(), two.get()}) {
        EXPECT_TRUE(ask_until([&] { return to_text(*health(server->port()).root().find("limits")); },
                              [](const std::string& text) { return text.find("true") != std::string::npos; })
                        .find("true") != std::string::npos);
    }
    const int passed = admitted({one->port(), two->port()}, 200);
    EXPECT_EQ(passed, 40);
}

TEST_F(GateLimits, WithoutRedisItGoesOnSaysSoAndRecovers) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    const auto server = start(settings(kRoute, rule("100000/1h") + shared_through(*redis)));
    ASSERT_NE(server, nullptr);
    const auto shared = [&] {
        EXPECT_EQ(get(server->port(), "/a").status, 200);
        return to_text(*health(server->port()).root().find("limits")).find("\"shared\":true") != std::string::npos;
    };
    const auto status = [&] { return std::string(health(server->port()).root().find("status")->as_string()); };
    EXPECT_TRUE(ask_until(shared, [](bool yes) { return yes; }));
    EXPECT_EQ(ask_until(status, [](const std::string& text) { return text == "ok"; }), "ok");
    redis->kill();
    EXPECT_FALSE(ask_until(shared, [](bool yes) { return !yes; }));
    EXPECT_EQ(status(), "degraded");
    EXPECT_TRUE(ask_until([&] { return server->log().contains("limits_shared"); }, [](bool there) { return there; }));
    ASSERT_TRUE(redis->restart());
    EXPECT_TRUE(ask_until(shared, [](bool yes) { return yes; }));
    EXPECT_EQ(ask_until(status, [](const std::string& text) { return text == "ok"; }), "ok");
}

}  // namespace
}  // namespace tidegate::testing
