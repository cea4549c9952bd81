// Tunnels on the bench: what belongs to them, back-pressure both ways, every way to end.
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <string>
#include <utility>
#include <vector>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

Response switching() {
    Response head;
    head.status = 101;
    head.headers.add("Upgrade", "websocket");
    return head;
}

/// Writes down what it hears.
class End final : public TunnelEnd {
  public:
    bool on_bytes(std::string_view bytes) override {
        EXPECT_TRUE(closed.empty());
        received.append(bytes);
        if (each) each(bytes);
        return !pause;
    }
    void on_end() override { ++ended; }
    void on_room() override { ++room; }
    void on_closed(bool whole) override { closed.push_back(whole); }
    std::string received;
    int ended = 0;
    int room = 0;
    std::vector<bool> closed;
    bool pause = false;
    std::function<void(std::string_view)> each;
};

/// A connection whose upgrade requests become tunnels at once; everything else gets its path.
struct Host {
    explicit Host(Wire& wire, const Limits& limits = {}) : bench(wire, limits) {
        bench.application.handler = [this](const ExchangePtr& exchange) {
            if (!exchange->head().wants_upgrade) return exchange->respond(with_body(exchange->head().path));
            exchange->on_sent([this](const Exchange::Sent& outcome) { sent.push_back(outcome); });
            if (hold) {
                held = exchange;
            } else {
                tunnel = exchange->start_tunnel(switching(), end);
            }
        };
    }
    std::shared_ptr<End> end = std::make_shared<End>();
    std::shared_ptr<Tunnel> tunnel;
    ExchangePtr held;
    bool hold = false;
    std::vector<Exchange::Sent> sent;
    Bench bench;
};

TEST(Tunnel, BytesBehindTheHeadBelongToItThoughTheyLookLikeARequest) {
    for (const std::size_t step : {1U, 7U, 1000U}) {
        for (const bool late : {false, true}) {
            Wire wire{.input = kUpgrade + get("/smuggled") + "\r\n\x81\x01", .read_step = step};
            Host host(wire);
            host.hold = late;
            host.bench.run();
            if (late) {
                EXPECT_EQ(wire.output, "");
                ASSERT_TRUE(host.held);
                host.tunnel = host.held->start_tunnel(switching(), host.end);
                host.bench.run();
            }
            ASSERT_TRUE(host.tunnel);
            EXPECT_EQ(host.end->received, get("/smuggled") + "\r\n\x81\x01");
            EXPECT_EQ(host.bench.application.requests.load(), 1);
            EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
            EXPECT_TRUE(wire.output.contains("Connection: Upgrade\r\n"));
            EXPECT_TRUE(wire.output.contains("Upgrade: websocket\r\n"));
            EXPECT_FALSE(wire.output.contains("Content-Length"));
            EXPECT_TRUE(host.tunnel->write("hello"));
            EXPECT_TRUE(wire.output.ends_with("\r\n\r\nhello"));
            EXPECT_EQ(host.bench.counters.tunnels_open.load(), 1);
        }
    }
}

TEST(Tunnel, WhatIsWrittenBeforeItsTurnWaitsBehindEarlierAnswers) {
    Wire wire{.input = get("/slow") + kUpgrade + "early"};
    Host host(wire);
    ExchangePtr slow;
    auto upgrade = std::exchange(host.bench.application.handler, nullptr);
    host.bench.application.handler = [&](const ExchangePtr& exchange) {
        if (exchange->head().path == "/slow") {
            slow = exchange;
        } else {
            upgrade(exchange);
        }
    };
    host.bench.run();
    ASSERT_TRUE(host.tunnel && slow);
    EXPECT_TRUE(host.tunnel->write("first "));
    EXPECT_TRUE(host.tunnel->write("words"));
    EXPECT_EQ(wire.output, "");
    EXPECT_EQ(host.end->received, "");
    slow->respond(with_body("slow"));
    host.bench.run();
    EXPECT_TRUE(wire.output.contains("slowHTTP/1.1 101 "));
    EXPECT_TRUE(wire.output.ends_with("\r\n\r\nfirst words"));
    EXPECT_EQ(host.end->received, "early");
}

TEST(Tunnel, AnUpgradeThatIsNotGrantedIsARequestLikeAnyOther) {
    Wire wire{.input = kUpgrade + get("/next")};
    Host host(wire);
    host.hold = true;
    host.bench.run();
    EXPECT_EQ(host.bench.application.requests.load(), 1);
    host.held->respond(with_body("no"));
    host.bench.run();
    EXPECT_TRUE(wire.output.contains("no"));
    EXPECT_TRUE(wire.output.ends_with("/next"));
}

TEST(Tunnel, IsOfferedOnlyWhereConnectionNamesIt) {
    for (const char* fields :
         {"Upgrade: websocket\r\n", "Connection: upgrade\r\n", "Connection: upgrade\r\nUpgrade:\r\n",
          "Connection: close, upgrade\r\nUpgrade: websocket\r\n"}) {
        Wire wire{.input = "GET /plain HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + get("/next")};
        Host host(wire);
        host.bench.run();
        EXPECT_FALSE(host.tunnel) << fields;
        EXPECT_TRUE(wire.output.contains("/plain"));
    }
    Wire old{.input = "GET /plain HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"};
    Host host(old);
    host.bench.run();
    EXPECT_FALSE(host.tunnel);
}

TEST(Tunnel, AnUpgradeWithABodyIsGrantedAfterTheBody) {
    Wire wire{
        .input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabcraw",
        .read_step = 5};
    Host host(wire);
    host.bench.run();
    ASSERT_TRUE(host.tunnel);
    EXPECT_EQ(host.end->received, "raw");
}

TEST(Tunnel, WhileItsEndIsPausedNothingIsRead) {
    Wire wire{.input = kUpgrade + std::string(500'000, 'x')};
    Host host(wire);
    host.end->pause = true;
    host.bench.run();
    EXPECT_LE(wire.read, Connection::kReadBytes);
    EXPECT_EQ(host.bench.interest() & EPOLLIN, 0U);
    std::size_t rounds = 0;
    for (; host.end->received.size() < 500'000 && rounds < 1000; ++rounds) {
        host.tunnel->resume();
        host.bench.run();
    }
    EXPECT_EQ(host.end->received.size(), 500'000U);
    EXPECT_GE(rounds, 500'000U / Connection::kReadBytes) << "each resume brings one read";
}

TEST(Tunnel, WriteSaysWhenToStopAndRoomIsToldOnce) {
    Limits limits;
    limits.stream_buffer_bytes_max = 10'000;
    Wire wire{.input = kUpgrade, .full = true};
    Host host(wire, limits);
    host.bench.run();
    int pieces = 1;
    while (host.tunnel->write(std::string(1000, 'x'))) ++pieces;
    EXPECT_LE(pieces, 10);
    host.bench.run();
    EXPECT_EQ(host.end->room, 0);
    wire.full = false;
    host.bench.run();
    EXPECT_EQ(host.end->room, 1);
    EXPECT_TRUE(wire.output.ends_with(std::string(static_cast<std::size_t>(pieces) * 1000, 'x')));
    EXPECT_TRUE(host.tunnel->write("more"));
    EXPECT_TRUE(wire.output.ends_with("more"));
}

TEST(Tunnel, EachSideEndsByItselfAndBothEndsAreTheWholeOfIt) {
    for (const bool client_first : {true, false}) {
        Wire wire{.input = kUpgrade + "abc"};
        Host host(wire);
        host.bench.run();
        if (client_first) {
            wire.ends = true;
            host.bench.run();
            EXPECT_EQ(host.end->ended, 1);
            EXPECT_FALSE(host.bench.closed());
            EXPECT_TRUE(host.tunnel->write("still"));
            host.tunnel->finish();
        } else {
            EXPECT_TRUE(host.tunnel->write("still"));
            host.tunnel->finish();
            EXPECT_TRUE(wire.shut);
            EXPECT_FALSE(host.bench.closed());
            wire.input += "def";
            host.bench.run();
            EXPECT_EQ(host.end->received, "abcdef");
            wire.ends = true;
        }
        host.bench.run();
        EXPECT_TRUE(wire.output.ends_with("still"));
        EXPECT_TRUE(wire.shut);
        EXPECT_TRUE(host.bench.closed());
        EXPECT_EQ(host.end->closed, std::vector{true});
        ASSERT_EQ(host.sent.size(), 1U);
        EXPECT_EQ(host.sent[0].status, 101);
        EXPECT_EQ(host.sent[0].body_bytes, 5U);
        EXPECT_TRUE(host.sent[0].complete);
        EXPECT_EQ(host.bench.counters.tunnels_open.load(), 0);
        EXPECT_EQ(host.bench.counters.clients_gone.load(), 0U);
        EXPECT_TRUE(host.tunnel->write("late"));  // Nothing happens.
        host.tunnel->cut();
    }
}

TEST(Tunnel, AnythingElseEndsItBrokenAndItsEndHearsOfItOnce) {
    for (int way = 0; way < 5; ++way) {
        Limits limits;
        Wire wire{.input = kUpgrade + "abc"};
        Host host(wire, limits);
        host.bench.run();
        switch (way) {
            case 0:
                host.bench.run_once(EPOLLIN | EPOLLERR);
                break;
            case 1:
                host.tunnel->cut();
                break;
            case 2:
                host.tunnel.reset();
                break;
            case 3:
                host.bench.advance(limits.tunnel_idle_max);
                EXPECT_EQ(host.bench.counters.timeouts.load(), 1U);
                break;
            case 4:
                wire.fail_after_write = wire.output.size();
                host.tunnel->write("x");
                break;
            default:
                break;
        }
        EXPECT_TRUE(host.end->closed.empty()) << "not from inside";
        host.bench.run();
        EXPECT_TRUE(host.bench.closed()) << way;
        EXPECT_EQ(host.end->closed, std::vector{false}) << way;
        ASSERT_EQ(host.sent.size(), 1U);
        EXPECT_FALSE(host.sent[0].complete);
    }
}

TEST(Tunnel, IsIdleOnlyWithoutAByteEitherWay) {
    Limits limits;
    Wire wire{.input = kUpgrade};
    Host host(wire, limits);
    host.bench.run();
    const Duration most = limits.tunnel_idle_max - std::chrono::milliseconds(1);
    host.bench.advance(most);
    host.tunnel->write("x");
    host.bench.advance(most);
    EXPECT_FALSE(host.bench.closed());
    wire.input += "y";
    host.bench.run();
    host.bench.advance(most);
    EXPECT_FALSE(host.bench.closed());
    host.bench.advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(host.bench.closed());
}

TEST(Tunnel, ADrainLeavesItAlone) {
    Wire wire{.input = kUpgrade};
    Host host(wire);
    host.bench.run();
    host.bench.drain();
    EXPECT_FALSE(host.bench.closed());
    EXPECT_TRUE(host.tunnel->write("still here"));
    EXPECT_TRUE(wire.output.ends_with("still here"));
}

TEST(Tunnel, WithoutAClientItIsOverBeforeItBegins) {
    Wire wire{.input = kUpgrade};
    Host host(wire);
    host.hold = true;
    host.bench.run();
    host.bench.cut();
    host.tunnel = host.held->start_tunnel(switching(), host.end);
    EXPECT_TRUE(host.end->closed.empty());
    host.bench.run_posted();
    EXPECT_EQ(host.end->closed, std::vector{false});
    EXPECT_TRUE(host.tunnel->write("x"));
}

TEST(Tunnel, AResetAtAnyByteReadOrWrittenEndsItOnce) {
    const std::string input = kUpgrade + "one two three";
    for (const bool reading : {true, false}) {
        for (std::size_t at = 0; at < 160; ++at) {
            Wire wire{.input = input, .read_step = 3, .write_step = 3};
            (reading ? wire.fail_after_read : wire.fail_after_write) = at;
            auto end = std::make_shared<End>();
            {
                Host host(wire);
                host.end = end;
                end->each = [&host](std::string_view bytes) { host.tunnel->write(bytes); };
                host.bench.run();
                end->each = nullptr;
            }
            EXPECT_LE(end->closed.size(), 1U) << at;
            EXPECT_TRUE(input.ends_with(end->received) || input.contains(end->received));
            if (!end->received.empty()) {
                EXPECT_EQ(end->closed, std::vector{false}) << at;
            }
        }
    }
}

}  // namespace
}  // namespace tidegate::http
