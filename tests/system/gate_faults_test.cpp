// An upstream that fails, each fault with its outcome; breakers that open, refuse early and close again.
#include <algorithm>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateFaults : public GateFixture {
  protected:
    static constexpr const char* kRoute = "  all: {path: \"/{rest...}\", upstream: app, cache: {mode: \"off\"}}\n";
    /// What /health says of the upstreams, from there on.
    static std::string upstreams(std::uint16_t port) {
        const std::string body = get(port, "/health").body;
        return body.substr(std::min(body.find("\"upstreams\""), body.size()));
    }
    static bool says(std::uint16_t port, std::string_view text) {
        return upstreams(port).find(text) != std::string::npos;
    }
};

TEST_F(GateFaults, ATargetThatRefusesIs502) {
    const auto server = start("upstreams: {app: {targets: [{url: \"http://127.0.0.1:" + std::to_string(closed_port()) +
                              "\"}]}}\nroutes:\n" + kRoute);
    ASSERT_NE(server, nullptr);
    expect_problem(get(server->port(), "/a"), 502, "upstream_refused");
}

TEST_F(GateFaults, ANameThatNobodyKnowsIs502) {
    const auto server = start(
        std::string("upstreams: {app: {targets: [{url: \"http://no-such-host.invalid:80\"}]}}\nroutes:\n") + kRoute);
    ASSERT_NE(server, nullptr);
    const RawResponse answer = get(server->port(), "/a");
    expect_problem(answer, 502, "upstream_unknown");
}

TEST_F(GateFaults, ATargetThatHangsIs504InTime) {
    upstream_.on("/hang", [](UpstreamCall& call) { call.wait_gone(); });
    const auto server =
        start(settings(kRoute, {}, "    timeouts: {first_byte_ms: 300}\n    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    const auto begin = std::chrono::steady_clock::now();
    expect_problem(get(server->port(), "/hang"), 504, "upstream_timeout");
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, std::chrono::milliseconds(280));
    EXPECT_LT(took, std::chrono::seconds(30));  // A minute is the default.
    EXPECT_TRUE(upstream_.wait_left(1)) << "the call was not given up";
}

TEST_F(GateFaults, HalfABodyIs502WhenItWasHeldAndCutWhenItHadBegun) {
    upstream_.on("/held", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        call.close();
    });
    upstream_.on("/streamed", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        call.close();
    });
    const auto server = start(settings(kRoute));
    ASSERT_NE(server, nullptr);
    expect_problem(get(server->port(), "/held"), 502, "upstream_broke_off");
    const RawResponse streamed = get(server->port(), "/streamed");
    EXPECT_EQ(streamed.status, 200);
    EXPECT_FALSE(streamed.complete) << "half a body must not look like a whole one";
}

TEST_F(GateFaults, WhoClosesInsteadOfAnsweringOrSpeaksBadHttpIs502) {
    upstream_.on("/head", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        call.close();
    });
    upstream_.on("/nothing", [](UpstreamCall& call) { call.close(); });
    upstream_.on("/reset", [](UpstreamCall& call) { call.reset(); });
    const std::vector<std::string> wrong{
        "NOT HTTP AT ALL\r\n\r\n",
        "HTTP/1.1 999999 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    };
    upstream_.on("/bad", [&](UpstreamCall& call) {
        call.send(wrong[parse_u64(call.request().target.substr(6)).value_or(0)]);
        call.close();
    });
    const auto server = start(settings(kRoute, {}, "    breaker: {enabled: false}\n    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    for (const char* path : {"/head", "/nothing", "/reset"}) {
        expect_problem(get(server->port(), path), 502, "upstream_broke_off");
    }
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        SCOPED_TRACE(wrong[i]);
        expect_problem(get(server->port(), "/bad?n" + std::to_string(i)), 502, "upstream_protocol");
    }
}

TEST_F(GateFaults, A500IsPassedOnAsItIsAndOnlyWhenItCame) {
    upstream_.on("/half", [](UpstreamCall& call) {
        call.number() % 2 == 0 ? call.answer(500, "own words") : call.answer(200, "good");
    });
    const auto server = start(settings(kRoute, {}, "    breaker: {failures_max: 100, calls_min: 100}\n"));
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    for (int i = 1; i <= 20; ++i) {
        const RawResponse answer = client.ask(request_text("GET", "/half"));
        EXPECT_EQ(answer.status, i % 2 == 0 ? 500 : 200);
        EXPECT_EQ(answer.body, i % 2 == 0 ? "own words" : "good");
    }
    EXPECT_EQ(upstream_.asked("/half"), 20U);
}

TEST_F(GateFaults, AnUpstreamThatIsDownIsLeftAloneAndFoundAgain) {
    std::atomic<bool> down{true};
    upstream_.on("/a", [&](UpstreamCall& call) { down ? call.close() : call.answer(200, "ok"); });
    // Eight seconds of quiet: a machine that stalls for less still finds it open; five failures as by default.
    const auto server = start(settings(kRoute, {},
                                       "    breaker: {failures_max: 5, open_s: 8, open_max_s: 8, probes: 1}\n"
                                       "    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(health(server->port()).root().find("status")->as_string(), "ok");
    RawClient client(server->port());
    for (int i = 0; i < 5; ++i) expect_problem(client.ask(request_text("GET", "/a")), 502, "upstream_broke_off");
    const RawResponse refused = client.ask(request_text("GET", "/a"));
    expect_problem(refused, 503, "upstream_unavailable");
    EXPECT_GE(parse_u64(refused.header("retry-after")).value_or(0), 1U);
    EXPECT_TRUE(says(server->port(), R"("breaker":"open")")) << upstreams(server->port());
    EXPECT_EQ(health(server->port()).root().find("status")->as_string(), "degraded");
    // Nothing waits for a target that is not asked.
    EXPECT_TRUE(says(server->port(), R"("in_flight":0,)")) << upstreams(server->port());
    EXPECT_TRUE(says(server->port(), R"("waiting":0,)")) << upstreams(server->port());

    down = false;
    const int status =
        ask_until([&] { return client.ask(request_text("GET", "/a")).status; }, [](int got) { return got == 200; });
    EXPECT_EQ(status, 200);
    EXPECT_TRUE(says(server->port(), R"("breaker":"closed")")) << upstreams(server->port());
    EXPECT_EQ(health(server->port()).root().find("status")->as_string(), "ok");
}

TEST_F(GateFaults, WhileOpenNoRequestReachesTheUpstreamOrWaits) {
    upstream_.on("/a", [](UpstreamCall& call) { call.close(); });
    const auto server = start(settings(
        kRoute, {}, "    breaker: {failures_max: 5, open_s: 600, open_max_s: 600}\n    retries: {attempts_max: 1}\n"));
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    for (int i = 0; i < 5; ++i) client.ask(request_text("GET", "/a"));
    const unsigned before = upstream_.asked("/a");
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 200; ++i) ASSERT_EQ(client.ask(request_text("GET", "/a")).status, 503);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
    EXPECT_EQ(upstream_.asked("/a"), before);
}

TEST_F(GateFaults, OneTargetOfTwoDownIsNotSeenByWhoAsks) {
    upstream_.on("/a", 200, "ok");
    const auto server = start("upstreams: {app: {targets: [{url: \"http://127.0.0.1:" + std::to_string(closed_port()) +
                              "\"}, {url: \"" + upstream_.url() + "\"}]}}\nroutes:\n" + kRoute);
    ASSERT_NE(server, nullptr);
    RawClient client(server->port());
    for (int i = 0; i < 30; ++i) EXPECT_EQ(client.ask(request_text("GET", "/a")).status, 200);
    EXPECT_EQ(upstream_.asked("/a"), 30U);
}

TEST_F(GateFaults, AClientThatLeavesEndsTheCall) {
    upstream_.on("/hang", [](UpstreamCall& call) { call.wait_gone(); });
    const auto server = start(settings(kRoute));
    ASSERT_NE(server, nullptr);
    {
        RawClient client(server->port());
        client.send(request_text("GET", "/hang"));
        ASSERT_TRUE(upstream_.wait_asked("/hang", 1));
        client.reset();
    }
    EXPECT_TRUE(upstream_.wait_left(1));
    EXPECT_TRUE(ask_until([&] { return says(server->port(), R"("in_flight":0,)"); }, [](bool none) { return none; }));
}

TEST_F(GateFaults, AnAnswerWithoutEndDoesNotFillTheMemoryOfASlowReader) {
    upstream_.on("/endless", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n");
        const std::string piece(1 << 20, 'x');
        while (call.send(piece)) {
        }
    });
    const auto server = start(settings(kRoute));
    ASSERT_NE(server, nullptr);
    const std::uint64_t before = server->resident_bytes();
    RawClient client(server->port(), 4096);
    client.send(request_text("GET", "/endless"));
    ASSERT_TRUE(client.wait_for("xxxx"));
    // Others are served meanwhile, and the 2 GB stay where they are.
    for (int i = 0; i < 50; ++i) EXPECT_EQ(get(server->port(), "/health").status, 200);
    EXPECT_LT(server->resident_bytes(), before + (64U << 20U));
}

}  // namespace
}  // namespace tidegate::testing
