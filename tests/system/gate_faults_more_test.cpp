// Faults around the gate, each with its outcome: a Redis that is slow, full or gone under load; floods of distinct targets;
// an upstream without end, half broken, or away with all its targets.
#include <algorithm>

#include "support/redis_server.h"
#include "system/gate.h"
#include "system/slow_line.h"

namespace tidegate::testing {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class GateFaultsMore : public GateFixture {
  protected:
    GateFaultsMore() { upstream_.on("/a", 200, "ok"); }
    static constexpr const char* kOff = "  all: {path: \"/{rest...}\", upstream: app, cache: {mode: \"off\"}}\n";
    static constexpr const char* kShared = "  a: {path: /a, upstream: app, cost: \"0.1\", cache: {mode: \"off\"}}\n";

    Process start_shared(std::uint16_t redis_port) const {
        return start(settings(kShared,
                              "limits: {rules: {r: {per: address, routes: [a], rate: 100000/1h}}}\n"
                              "spend: {address_daily_cap: \"90000\"}\n"
                              "redis: {url: \"redis://127.0.0.1:" +
                                  std::to_string(redis_port) + "\"}\n"));
    }
    static std::string member(std::uint16_t port, const char* name) { return to_text(*health(port).root().find(name)); }
    static std::string status(std::uint16_t port) { return member(port, "status"); }
    static bool is_ok(const std::string& text) { return text == "\"ok\""; }
    /// Asks once, then says whether limits and spend are shared now: `both`, `none` or `some`.
    static std::string shared(std::uint16_t port) {
        EXPECT_EQ(get(port, "/a").status, 200) << "whatever Redis does, requests go on";
        const bool limits = member(port, "limits").find("\"shared\":true") != std::string::npos;
        const bool spend = member(port, "spend").find("\"shared\":true") != std::string::npos;
        return limits == spend ? (limits ? "both" : "none") : "some";
    }
    static std::string until(std::uint16_t port, std::string_view wanted) {
        return ask_until([&] { return shared(port); }, [&](const std::string& now) { return now == wanted; });
    }
};

TEST_F(GateFaultsMore, ASlowRedisCostsItsTimeLimitAndNotMoreIsSaidAndIsUsedAgain) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    SlowLine line(redis->port());
    const auto server = start_shared(line.port());
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    ASSERT_EQ(until(port, "both"), "both");
    EXPECT_EQ(ask_until([&] { return status(port); }, is_ok), "\"ok\"");
    line.delay(milliseconds(60'000));
    RawClient client(port);
    for (int i = 0; i < 30; ++i) {
        const auto begin = Clock::now();
        EXPECT_EQ(client.ask(request_text("GET", "/a")).status, 200);
        // redis.command_max_ms is 50 and two stages ask; the rest is a busy machine. Redis itself takes 60'000.
        EXPECT_LT(Clock::now() - begin, milliseconds(30'000)) << i;
    }
    EXPECT_EQ(until(port, "none"), "none");
    EXPECT_EQ(status(port), "\"degraded\"");
    EXPECT_GE(metric(port, "tidegate_limits_degraded"), 1);
    EXPECT_GE(metric(port, "tidegate_spend_degraded_loops"), 1);
    EXPECT_GE(metric(port, "tidegate_redis_commands_total", "timed_out"), 1);
    line.delay(milliseconds(0));
    EXPECT_EQ(until(port, "both"), "both");
    EXPECT_EQ(ask_until([&] { return status(port); }, is_ok), "\"ok\"");
}

TEST_F(GateFaultsMore, AFullRedisIsSaidAndUsedAgainOnceItHasRoom) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    const auto server = start_shared(redis->port());
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    ASSERT_EQ(until(port, "both"), "both");
    redis->fill();
    const std::string after =
        ask_until([&] { return shared(port); }, [](const std::string& now) { return now != "both"; });
    EXPECT_NE(after, "both");
    const auto ask = [&] { return get(port, "/a").status == 200 ? status(port) : ""; };
    EXPECT_EQ(ask_until(ask, [](const std::string& now) { return now == "\"degraded\""; }), "\"degraded\"");
    EXPECT_GE(metric(port, "tidegate_redis_error_replies_total"), 1);
    redis->command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_EQ(until(port, "both"), "both");
}

TEST_F(GateFaultsMore, ARedisThatDiesAndComesBackUnderLoadFailsNoRequest) {
    NEED_REDIS_SERVER();
    const auto redis = RedisServer::start();
    ASSERT_NE(redis, nullptr);
    const auto server = start_shared(redis->port());
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    ASSERT_EQ(until(port, "both"), "both");
    std::atomic<bool> over{false};
    std::atomic<int> good{0};
    std::atomic<int> bad{0};
    std::vector<std::jthread> load;
    for (int t = 0; t < 4; ++t) {
        load.emplace_back([&] {
            RawClient client(port);
            while (!over) (client.ask(request_text("GET", "/a")).status == 200 ? good : bad).fetch_add(1);
        });
    }
    for (int round = 0; round < 3; ++round) {
        redis->kill();
        EXPECT_EQ(until(port, "none"), "none");
        const int before = good;
        EXPECT_TRUE(redis->restart());
        EXPECT_EQ(until(port, "both"), "both");
        EXPECT_GT(good.load(), before);
    }
    over = true;
    load.clear();
    EXPECT_EQ(bad.load(), 0);
    EXPECT_GT(good.load(), 0);
}

TEST_F(GateFaultsMore, TenThousandDistinctTargetsAreAllAnsweredInBoundedMemory) {
    const std::string body(4096, 'x');
    upstream_.on("/c", 200, body, "Cache-Control: max-age=600\r\n");
    const auto server = start(settings("  c: {path: /c, upstream: app, cache: {mode: http}}\n"));
    ASSERT_NE(server, nullptr);
    const std::uint64_t before = server->resident_bytes();
    std::atomic<int> next{0};
    std::atomic<int> good{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            RawClient client(server->port());
            for (int i = 0; (i = next.fetch_add(1)) < 10'000;) {
                const RawResponse answer = client.ask(request_text("GET", "/c?n=" + std::to_string(i)));
                good += answer.status == 200 && answer.body.size() == body.size() ? 1 : 0;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(good.load(), 10'000);
    EXPECT_EQ(upstream_.asked("/c"), 10'000U);
    // 44 MB of answers at most, and what the sanitizer's build keeps of what was freed.
    EXPECT_LT(server->resident_bytes(), before + (512U << 20U));
    EXPECT_LE(metric(server->port(), "tidegate_cache_bytes "), metric(server->port(), "tidegate_cache_bytes_max "));
    EXPECT_GE(metric(server->port(), "tidegate_cache_entries "), 9'000);
}

TEST_F(GateFaultsMore, TwoGigabytesPassThroughAndStayNowhere) {
    constexpr std::uint64_t kBytes = std::uint64_t{2} << 30U;
    upstream_.on("/large", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n");
        const std::string piece(1 << 20, 'x');
        for (std::uint64_t sent = 0; sent < kBytes && call.send(piece); sent += piece.size()) {
        }
    });
    const auto server = start(settings(kOff));
    ASSERT_NE(server, nullptr);
    const std::uint64_t before = server->resident_bytes();
    std::uint64_t most = before;
    RawClient client(server->port());
    client.send(request_text("GET", "/large"));
    ASSERT_TRUE(client.wait_for("\r\n\r\n"));
    const std::string first = client.receive();
    std::uint64_t got = first.size() - (first.find("\r\n\r\n") + 4);
    while (got < kBytes) {
        const std::uint64_t piece = client.receive().size();
        if (piece == 0) break;
        if ((got >> 28U) != ((got + piece) >> 28U)) most = std::max(most, server->resident_bytes());
        got += piece;
    }
    EXPECT_EQ(got, kBytes);
    // A sanitizer keeps 256 MB of what was freed.
    EXPECT_LT(most, before + (384U << 20U));
}

TEST_F(GateFaultsMore, HalfOfTheAnswersA500OpensTheBreakerByItsShare) {
    upstream_.on("/half", [](UpstreamCall& call) { call.answer(call.number() % 2 == 0 ? 500 : 200, "x"); });
    const auto server = start(settings(kOff, {}, "    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    int passed = 0;
    while (passed < 200 && client.ask(request_text("GET", "/half")).status != 503) ++passed;
    // breaker.calls_min is 20: fewer say nothing about a share; with 20 the half is reached.
    EXPECT_EQ(passed, 20);
    EXPECT_EQ(upstream_.asked("/half"), 20U);
    EXPECT_EQ(status(server->port()), "\"degraded\"");
}

TEST_F(GateFaultsMore, AllTargetsDownIs503WithAWaitAndNothingQueues) {
    const auto target = [] { return "{url: \"http://127.0.0.1:" + std::to_string(closed_port()) + "\"}"; };
    const auto server =
        start("upstreams: {app: {targets: [" + target() + ", " + target() + ", " + target() +
              "], breaker: {open_s: 600, open_max_s: 600}, retries: {attempts_max: 1}}}\nroutes:\n" + kOff);
    ASSERT_NE(server, nullptr);
    ask_until([&] { return get(server->port(), "/a").status; }, [](int got) { return got == 503; });
    std::atomic<int> refused{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            RawClient client(server->port());
            for (int i = 0; i < 50; ++i) {
                const RawResponse answer = client.ask(request_text("GET", "/a"));
                refused += answer.status == 503 && parse_u64(answer.header("retry-after")).value_or(0) >= 1 ? 1 : 0;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(refused.load(), 400);
    const std::string body = get(server->port(), "/health").body;
    EXPECT_NE(body.find("\"waiting\":0"), std::string::npos) << body;
    EXPECT_EQ(metric(server->port(), "tidegate_client_calls_waiting "), 0);
    EXPECT_EQ(status(server->port()), "\"degraded\"");
}

TEST_F(GateFaultsMore, AnAnswerWithTwoLengthsIs502AndDoesNotReachTheNextRequest) {
    upstream_.on("/both", [](UpstreamCall& call) {
        call.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    });
    upstream_.on("/extra", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    });
    const auto server = start(settings(kOff, {}, "    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    expect_problem(client.ask(request_text("GET", "/both")), 502, "upstream_protocol");
    EXPECT_EQ(client.ask(request_text("GET", "/a")).body, "ok");
    EXPECT_EQ(client.ask(request_text("GET", "/extra")).body, "ok");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(client.ask(request_text("GET", "/a")).body, "ok");
}

}  // namespace
}  // namespace tidegate::testing
