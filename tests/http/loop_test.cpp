// Over real sockets, everything on the loop that owns the connection: what is kept once a loop, bodies and answers that
// stream with back-pressure, tunnels, clients that leave, the limit an address.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <future>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/address_counts.h"
#include "http/test_server.h"
#include "runtime/event_loop.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Loops, EachIsAnnouncedOnItsOwnThreadBeforeItsFirstRequestAndTakenBackAfterItsLast) {
    struct Seen {
        runtime::EventLoop* loop = nullptr;
        std::thread::id thread;
        bool running = false;
    };
    std::atomic<int> stopped{0};
    std::array<Seen, 3> seen;  // Each loop touches its own.
    {
        ServerOptions options;
        options.loops = 3;
        TestServer server(std::move(options));
        ASSERT_EQ(server.server->loops(), 3U);
        server.application.loop_start_handler = [&](runtime::EventLoop& loop, unsigned index) {
            EXPECT_TRUE(loop.mailbox()->on_loop_thread());
            seen.at(index) = {&loop, std::this_thread::get_id(), true};
        };
        server.application.loop_stop_handler = [&](unsigned index) {
            EXPECT_EQ(seen.at(index).thread, std::this_thread::get_id());
            EXPECT_TRUE(std::exchange(seen.at(index).running, false));
            stopped.fetch_add(1);
        };
        server.application.handler = [&](const ExchangePtr& exchange) {
            const Seen& mine = seen.at(exchange->loop_index());
            EXPECT_TRUE(mine.running);
            EXPECT_EQ(mine.loop, &exchange->loop());
            EXPECT_EQ(mine.thread, std::this_thread::get_id());
            exchange->respond(with_body(std::to_string(exchange->loop_index())));
        };
        for (int i = 0; i < 20; ++i) EXPECT_EQ(server.ask(get("/")).status, 200);
        server.server->stop();
        EXPECT_EQ(stopped.load(), 3);
    }
    EXPECT_EQ(stopped.load(), 3) << "once each";
}

TEST(Loops, WhatIsToldOfAnExchangeIsToldBeforeTheLoopIsTakenBack) {
    std::atomic<int> told{0};
    std::atomic<int> told_when_stopped{-1};
    std::promise<void> arrived;
    TestServer server;
    server.application.handler = [&](const ExchangePtr& exchange) {
        exchange->on_gone([&told] { told.fetch_add(1); });
        exchange->attachment = exchange->start_stream(Response{});
        arrived.set_value();
    };
    server.application.loop_stop_handler = [&](unsigned) { told_when_stopped.store(told.load()); };
    RawClient client = server.connect();
    client.send(get("/"));
    arrived.get_future().wait();
    server.server->stop();
    EXPECT_EQ(told.load(), 1);
    EXPECT_EQ(told_when_stopped.load(), 1);
}

/// Repeats the body as the answer's, holding as little as the slower side lets it.
class Echo final : public BodyReceiver, public std::enable_shared_from_this<Echo> {
  public:
    void start(const ExchangePtr& exchange) {
        exchange_ = exchange;
        Response response;
        response.content_length = exchange->head().content_length;
        stream_ = exchange->start_stream(std::move(response));
        exchange->on_gone([self = shared_from_this()] { self->end(); });
    }
    bool on_body(std::string_view bytes) override {
        EXPECT_TRUE(waiting_.empty());
        waiting_.assign(bytes);
        return push();
    }
    void on_body_end() override {
        ended_ = true;
        push();
    }
    void on_body_failed(int, std::string_view) override { end(); }

  private:
    /// True when there is nothing left to write.
    bool push() {
        if (!stream_) return false;
        if (!waiting_.empty()) {
            const auto outcome = stream_->write_owned(std::move(waiting_));
            if (outcome == Stream::Outcome::kGone) end();
            if (outcome == Stream::Outcome::kFull) {
                stream_->on_room([self = shared_from_this()] {
                    if (self->push() && !self->ended_) self->exchange_->resume_body();
                });
            }
            if (outcome != Stream::Outcome::kAccepted) return false;
            waiting_.clear();
        }
        if (ended_) {
            stream_->finish();
            end();
        }
        return true;
    }
    void end() {
        stream_.reset();
        exchange_.reset();
    }
    ExchangePtr exchange_;
    std::shared_ptr<Stream> stream_;
    std::string waiting_;
    bool ended_ = false;
};

void echo_everything(TestServer& server) {
    server.application.head_handler = [](const ExchangePtr& exchange) {
        BodyPlan plan{.body_bytes_max = 1ULL << 40};
        if (!exchange->head().has_body()) return plan;
        auto echo = std::make_shared<Echo>();
        exchange->attachment = echo;
        plan.receiver = std::move(echo);
        return plan;
    };
    server.application.handler = [](const ExchangePtr& exchange) {
        if (!exchange->head().has_body()) return exchange->respond(with_body("plain"));
        std::static_pointer_cast<Echo>(std::exchange(exchange->attachment, nullptr))->start(exchange);
    };
}

std::string numbers(std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; out.size() < bytes; ++i) out += std::to_string(i) + ' ';
    out.resize(bytes);
    return out;
}

TEST(Loops, ABodyGoesOutAgainAsItComesIn) {
    TestServer server;
    echo_everything(server);
    const std::string body = numbers(8 << 20);
    for (const bool chunked : {false, true}) {
        RawClient client = server.connect();
        std::thread sender([&] {
            client.send("POST / HTTP/1.1\r\nHost: a\r\n");
            if (!chunked) {
                client.send("Content-Length: " + std::to_string(body.size()) + "\r\n\r\n");
                client.send(body);
                return;
            }
            client.send("Transfer-Encoding: chunked\r\n\r\n");
            for (std::size_t at = 0; at < body.size(); at += 50'000) {
                const std::string piece = body.substr(at, 50'000);
                client.send(fmt_hex(piece.size()) + "\r\n" + piece + "\r\n");
            }
            client.send("0\r\n\r\n");
        });
        const RawResponse response = client.response(false, seconds(60));
        sender.join();
        EXPECT_TRUE(response.complete);
        EXPECT_EQ(response.header("content-length").empty(), chunked);
        EXPECT_TRUE(response.body == body);
        EXPECT_EQ(client.ask(get("/")).body, "plain");
    }
}

TEST(Loops, AClientThatOnlySendsIsNotReadBeyondWhatTheBuffersHold) {
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 64 * 1024;
    TestServer server(std::move(options));
    echo_everything(server);
    RawClient client = server.connect(4096);
    const std::string piece = numbers(1 << 20);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n");
    std::size_t sent = 0;
    // The kernel's buffers take some megabytes; a gigabyte is beyond any of them.
    while (sent < (1U << 30) && client.send(piece, milliseconds(500))) sent += piece.size();
    EXPECT_LT(sent, 200U << 20U);
    client.reset();
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().connections_open.load() == 0; }));
}

TEST(Loops, ClientsThatLeaveInTheMiddleOfABodyLeaveNothingBehind) {
    TestServer server;
    echo_everything(server);
    for (int i = 0; i < 50; ++i) {
        RawClient client = server.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
                    numbers(static_cast<std::size_t>(i) * 5000));
        if (i % 3 == 0) client.reset();
        if (i % 3 == 1) client.shutdown_write();
    }
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().connections_open.load() == 0; }));
}

/// The far end of a tunnel that repeats what it hears.
class EchoEnd final : public TunnelEnd {
  public:
    bool on_bytes(std::string_view bytes) override { return tunnel->write(bytes); }
    void on_end() override { tunnel->finish(); }
    void on_room() override { tunnel->resume(); }
    void on_closed(bool whole) override {
        (whole ? *wholes : *broken).fetch_add(1);
        tunnel.reset();
    }
    std::shared_ptr<Tunnel> tunnel;
    std::atomic<int>* wholes = nullptr;
    std::atomic<int>* broken = nullptr;
};

struct TunnelServer {
    explicit TunnelServer(ServerOptions options = {}) : server(std::move(options)) {
        server.application.handler = [this](const ExchangePtr& exchange) {
            auto end = std::make_shared<EchoEnd>();
            end->wholes = &wholes;
            end->broken = &broken;
            Response head;
            head.status = 101;
            head.headers.add("Upgrade", "echo");
            end->tunnel = exchange->start_tunnel(std::move(head), end);
        };
    }
    RawClient connect(int receive_bytes = 0) {
        RawClient client = server.connect(receive_bytes);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        const RawResponse head = client.response();
        EXPECT_EQ(head.status, 101);
        EXPECT_EQ(head.header("connection"), "Upgrade");
        return client;
    }
    std::atomic<int> wholes{0};
    std::atomic<int> broken{0};
    TestServer server;
};

TEST(TunnelServer, MegabytesGoBothWaysAndTheEndIsOrderly) {
    TunnelServer host;
    RawClient client = host.connect();
    const std::string sent = numbers(8 << 20);
    std::thread sender([&] {
        EXPECT_TRUE(client.send(sent));
        client.shutdown_write();
    });
    const auto received = client.receive_all(seconds(60));
    sender.join();
    ASSERT_TRUE(received.has_value());
    EXPECT_TRUE(*received == sent);
    EXPECT_TRUE(TestServer::eventually([&] { return host.wholes.load() == 1; }));
    EXPECT_EQ(host.broken.load(), 0);
    // Its end is told before it is counted.
    EXPECT_TRUE(TestServer::eventually([&] { return host.server.server->counters().tunnels_open.load() == 0; }));
}

TEST(TunnelServer, AClientThatDoesNotReadIsNotReadFromAndThenCut) {
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 64 * 1024;
    options.limits.write_stall_max = milliseconds(300);
    TunnelServer host(std::move(options));
    RawClient client = host.connect(4096);
    const std::string piece = numbers(1 << 20);
    std::size_t sent = 0;
    while (sent < (1U << 30) && client.send(piece, milliseconds(200))) sent += piece.size();
    EXPECT_LT(sent, 200U << 20U);
    EXPECT_TRUE(TestServer::eventually([&] { return host.broken.load() == 1; }));
}

TEST(TunnelServer, AnIdleOneIsCutAndAStopCutsTheRest) {
    ServerOptions options;
    options.limits.tunnel_idle_max = milliseconds(200);
    TunnelServer host(std::move(options));
    RawClient idle = host.connect();
    EXPECT_TRUE(idle.closed_by_server());
    EXPECT_TRUE(TestServer::eventually([&] { return host.broken.load() == 1; }));

    TunnelServer other;
    RawClient client = other.connect();
    EXPECT_FALSE(other.server.server->drain(milliseconds(100)));
    client.send("still");
    EXPECT_TRUE(client.wait_for("still"));
    other.server.server->stop();
    EXPECT_EQ(other.broken.load(), 1);
}

AddressKey key_of_v6(const std::array<std::uint8_t, 16>& bytes) {
    sockaddr_storage storage{};
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    std::copy(bytes.begin(), bytes.end(), v6.sin6_addr.s6_addr);
    return address_key(storage);
}
AddressKey key_of_v4(std::uint32_t address) {
    sockaddr_storage storage{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(address);
    return address_key(storage);
}

TEST(AddressCounts, OneClientIsAnIpv4AddressOrAnIpv6Site) {
    EXPECT_NE(key_of_v4(0x0A000001), key_of_v4(0x0A000002));
    EXPECT_EQ(key_of_v4(0x0A000001), key_of_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1}));
    EXPECT_EQ(key_of_v6({0x20, 1, 0xD, 0xB8, 0, 0, 0, 1, 1}), key_of_v6({0x20, 1, 0xD, 0xB8, 0, 0, 0, 1, 2}));
    EXPECT_NE(key_of_v6({0x20, 1, 0xD, 0xB8, 0, 0, 0, 1}), key_of_v6({0x20, 1, 0xD, 0xB8, 0, 0, 0, 2}));
    AddressCounts counts;
    const AddressKey one = key_of_v4(1);
    EXPECT_TRUE(counts.try_add(one, 2));
    EXPECT_TRUE(counts.try_add(one, 2));
    EXPECT_FALSE(counts.try_add(one, 2));
    EXPECT_TRUE(counts.try_add(key_of_v4(2), 2));
    EXPECT_EQ(counts.addresses(), 2U);
    counts.remove(one);
    EXPECT_TRUE(counts.try_add(one, 2));
    counts.remove(one);
    counts.remove(one);
    EXPECT_EQ(counts.addresses(), 1U);
}

TEST(AddressLimit, OneAddressGetsSoManyConnectionsAndItsPlacesBack) {
    ServerOptions options;
    options.limits.connections_per_address_max = 4;
    TestServer server(std::move(options));
    std::vector<RawClient> kept;
    for (int i = 0; i < 4; ++i) {
        kept.push_back(server.connect());
        EXPECT_EQ(kept.back().ask(get("/kept")).body, "kept");
    }
    const RawResponse refused = server.ask(get("/more"));
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.body.find("this address"), std::string::npos);
    EXPECT_EQ(server.server->counters().connections_refused_address.load(), 1U);
    EXPECT_EQ(server.server->counters().connections_refused.load(), 1U);
    for (RawClient& client : kept) EXPECT_EQ(client.ask(get("/again")).body, "again");
    kept.clear();
    EXPECT_TRUE(TestServer::eventually([&] { return server.ask(get("/next")).status == 200; }));
}

}  // namespace
}  // namespace tidegate::http
