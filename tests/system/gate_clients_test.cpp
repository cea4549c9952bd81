// Who the client is behind a proxy that we trust, and ten thousand of them at once.
#include "support/raw_client.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateClients : public GateFixture {
  protected:
    GateClients() { upstream_.on("/a", 200, "ok"); }
    static constexpr const char* kRoute = "  a: {path: /a, upstream: app, cache: {mode: \"off\"}}\n";
    static std::string rule(const std::string& rate, const std::string& more = {}) {
        return "limits: {" + more + "rules: {r: {per: address, routes: [a], rate: \"" + rate + "\"}}}\n";
    }
    static std::string trusting(const std::string& networks, const std::string& more = {}) {
        return "server: {trusted_proxies: [" + networks + "]" + more + "}\n";
    }
    static int ask_as(std::uint16_t port, const std::string& client) {
        return get(port, "/a", {{"X-Forwarded-For", client}}).status;
    }
};

TEST_F(GateClients, BehindATrustedProxyEachClientHasItsOwnLimit) {
    const auto server = start(settings(kRoute, rule("2/1h") + trusting("127.0.0.0/8")));
    ASSERT_NE(server, nullptr);
    for (const std::string client : {"203.0.113.1", "203.0.113.2", "2a00::1"}) {
        EXPECT_EQ(ask_as(server->port(), client), 200) << client;
        // What the client says of itself stands further left.
        EXPECT_EQ(ask_as(server->port(), "6.6.6.6, " + client), 200) << client;
        EXPECT_EQ(ask_as(server->port(), "7.7.7.7, nonsense, " + client), 429) << client;
    }
    EXPECT_EQ(get(server->port(), "/a", {{"Forwarded", "for=203.0.113.3"}}).status, 200);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.3"), 200);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.3"), 429);
    // Nobody is named, or nobody that can be read: the proxy itself.
    EXPECT_EQ(get(server->port(), "/a").status, 200);
    EXPECT_EQ(ask_as(server->port(), "unknown"), 200);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.9, unknown"), 429);
    // The log is written behind the answers.
    const std::string line = "\"client\":\"203.0.113.2\",\"proxy\":\"127.0.0.1\"";
    const std::string log =
        ask_until([&] { return server->log(); }, [&](const std::string& text) { return text.find(line) != text.npos; });
    EXPECT_NE(log.find(line), std::string::npos) << log;
}

TEST_F(GateClients, FromAnybodyElseTheFieldsSayNothing) {
    const auto server = start(settings(kRoute, rule("2/1h") + trusting("10.0.0.0/8, \"::1\"")));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.1"), 200);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.2"), 200);
    EXPECT_EQ(ask_as(server->port(), "203.0.113.3"), 429);
    EXPECT_EQ(upstream_.last("/a").header("X-Forwarded-For"), "127.0.0.1");
    const std::string log =
        ask_until([&] { return server->log(); },
                  [](const std::string& text) { return text.find("\"client\":\"127.0.0.1\"") != text.npos; });
    EXPECT_NE(log.find("\"client\":\"127.0.0.1\""), std::string::npos) << log;
    EXPECT_EQ(log.find("203.0.113."), std::string::npos);
}

TEST_F(GateClients, TheUpstreamHearsOfTheSameClient) {
    const auto server = start(settings(kRoute, trusting("127.0.0.0/8")));
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(ask_as(server->port(), "203.0.113.1"), 200);
    EXPECT_EQ(upstream_.last("/a").header("X-Forwarded-For"), "203.0.113.1, 127.0.0.1");
    ASSERT_EQ(get(server->port(), "/a", {{"Forwarded", "for=203.0.113.2"}}).status, 200);
    EXPECT_EQ(upstream_.last("/a").header("X-Forwarded-For"), "203.0.113.2, 127.0.0.1");
}

TEST_F(GateClients, ATrustedProxyMayHaveMoreConnectionsThanOneClient) {
    const std::string one_each = "limits: {connections_per_address_max: 1}\n";
    const auto server = start(settings(kRoute, one_each + trusting("127.0.0.0/8")));
    ASSERT_NE(server, nullptr);
    std::vector<RawClient> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back(server->port());
        EXPECT_EQ(clients.back().ask(request_text("GET", "/a")).status, 200) << i;
    }
}

TEST_F(GateClients, ANetworkThatIsNoneStopsTheStart) {
    for (const std::string network : {"10.0.0.1/8", "proxy.example", "10.0.0.0/99"}) {
        const RunResult run =
            run_binary({"serve", "--port=0", "--data-dir=" + folder_.path(), "--server.trusted_proxies=" + network});
        EXPECT_GT(run.status, 0) << network;
        EXPECT_NE(run.error.find("server.trusted_proxies: \"" + network), std::string::npos) << run.error;
    }
}

TEST_F(GateClients, TenThousandInASecondAreAllAnsweredInABoundedTable) {
    constexpr int kClients = 10'000;
    constexpr int kKeysMax = 1024;
    constexpr int kThreads = 8;
    constexpr int kAtOnce = 50;
    const auto server = start(
        settings("  q: {path: /q, upstream: app}\n", "limits: {keys_max: " + std::to_string(kKeysMax) +
                                                         ", rules: {r: {per: address, rate: \"1/1h\"}}}\n" +
                                                         "pipeline: {access_log: false}\n" + trusting("127.0.0.0/8")));
    ASSERT_NE(server, nullptr);
    std::atomic<int> next{0};
    std::atomic<int> answered{0};
    const auto storm = [&](int first) {
        next = 0;
        answered = 0;
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                RawClient client(server->port());
                for (int from = 0; (from = next.fetch_add(kAtOnce)) < kClients;) {
                    std::string requests;
                    for (int i = from; i < from + kAtOnce; ++i) {
                        const int n = first + i;
                        requests += request_text(
                            "GET", "/api/v1/usage", {},
                            {{"X-Forwarded-For", "198." + std::to_string(18 + n / 65536) + "." +
                                                     std::to_string(n / 256 % 256) + "." + std::to_string(n % 256)}});
                    }
                    client.send(requests);
                    for (int i = 0; i < kAtOnce; ++i) answered += client.response().status == 200 ? 1 : 0;
                }
            });
        }
        threads.clear();
        return answered.load();
    };
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(storm(0), kClients);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    RecordProperty("seconds", std::to_string(took));
    const std::uint64_t after_first = server->resident_bytes();
    // Slots for twice keys_max, and no more: everybody else had to go for somebody.
    const double evicted = metric(server->port(), "tidegate_limits_evicted_total");
    EXPECT_GE(evicted, kClients - 2 * kKeysMax);
    EXPECT_LE(evicted, kClients - kKeysMax);
    // As many others: nothing is kept of them that was not given back for them.
    EXPECT_EQ(storm(kClients), kClients);
    EXPECT_EQ(storm(2 * kClients), kClients);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::uint64_t kGrowthMax = 400;
#elif defined(__has_feature)
    // A sanitizer keeps 256 MiB of what was freed.
    constexpr std::uint64_t kGrowthMax = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 400 : 8;
#else
    constexpr std::uint64_t kGrowthMax = 8;
#endif
    EXPECT_LT(server->resident_bytes(), after_first + (kGrowthMax << 20U));
    EXPECT_EQ(metric(server->port(), "tidegate_limits_denied_total"), 0);
}

}  // namespace
}  // namespace tidegate::testing
