// Malformed and excessive requests over a real socket: the right status, the connection closed, the next client served.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "http/smuggling_vectors.h"
#include "http/test_server.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;

/// The bad request, and behind it an honest one that must not be served.
void expect_refused(TestServer& server, const BadRequest& bad, bool byte_by_byte) {
    RawClient client = server.connect();
    const int served = server.application.requests.load();
    const std::string bytes = bad.bytes + get("/smuggled");
    if (byte_by_byte) {
        for (const char c : bytes) {
            if (!client.send(std::string_view(&c, 1))) break;
        }
    } else {
        client.send(bytes);
    }
    const RawResponse response = client.response();
    EXPECT_EQ(response.status, bad.status) << bad.name;
    EXPECT_TRUE(response.complete) << bad.name;
    EXPECT_EQ(response.header("connection"), "close") << bad.name;
    EXPECT_TRUE(client.closed_by_server()) << bad.name;
    EXPECT_EQ(server.application.requests.load(), served) << bad.name;
}

TEST(Refusal, EveryMalformedHeadGetsItsStatusAndTheConnectionIsClosed) {
    TestServer server;
    for (const BadRequest& bad : bad_heads()) expect_refused(server, bad, false);
    EXPECT_EQ(server.ask(get("/next")).body, "next");
}

TEST(Refusal, EveryMalformedChunkGetsItsStatusAndTheConnectionIsClosed) {
    TestServer server;
    for (const BadRequest& bad : bad_chunks()) expect_refused(server, bad, false);
    EXPECT_EQ(server.ask(get("/next")).body, "next");
}

TEST(Refusal, TheSameByteByByte) {
    TestServer server;
    for (const BadRequest& bad : bad_heads()) {
        if (bad.bytes.size() < 500) expect_refused(server, bad, true);
    }
    for (const BadRequest& bad : bad_chunks()) {
        if (bad.bytes.size() < 500) expect_refused(server, bad, true);
    }
}

TEST(Refusal, TenThousandHeadersAndAHeaderOfAMebibyteGet431) {
    TestServer server;
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 10'000; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
    EXPECT_EQ(server.ask(many + "\r\n").status, 431);
    EXPECT_EQ(server.ask("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n").status, 431);
    EXPECT_EQ(server.ask("GET /" + std::string(1 << 20, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n").status, 414);
    EXPECT_EQ(server.ask(get("/next")).body, "next");
}

TEST(Refusal, ABodyAnnouncedTooLongIsRefusedBeforeItIsReadAndTheClientSeesTheAnswer) {
    TestServer server;
    RawClient client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n");
    EXPECT_EQ(client.response().status, 413);
    // The client that sends everything before it reads gets to read, too.
    RawClient eager = server.connect();
    eager.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 19; ++i) {
        if (!eager.send(piece)) break;
    }
    EXPECT_EQ(eager.response().status, 413);
    EXPECT_EQ(server.application.requests.load(), 0);
}

TEST(Refusal, AChunkedBodyThatNeverEndsGets413AsItGrowsPastTheLimit) {
    TestServer server;
    server.application.head_handler = [](const ExchangePtr&) { return BodyPlan{100'000}; };
    RawClient client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "2000\r\n" + std::string(0x2000, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i) {
        if (!client.send(chunk)) break;
    }
    const RawResponse response = client.response();
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(server.application.requests.load(), 0);
    EXPECT_EQ(server.ask(get("/next")).body, "next");
}

// A hundred uploads that are never finished must not fill the machine's memory.
TEST(Refusal, LargeBodiesTogetherAreBoundedAndSmallOnesStillGetIn) {
    for (const bool chunked : {false, true}) {
        ServerOptions options;
        // A body's first 64 KiB are free at most, and by how the reads fall nothing may be: the hoarder's 350,000 bytes
        // must always fit, and with the least of what both can be charged (481,072) never the late one's too.
        options.limits.bodies_bytes_max = 360'000;
        TestServer server(std::move(options));
        const auto upload = [chunked](std::size_t bytes) {
            const std::string body(bytes, 'x');
            if (!chunked) return "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + body;
            std::string text = "Transfer-Encoding: chunked\r\n\r\n";
            for (std::size_t at = 0; at < bytes; at += 0x1000) text += "1000\r\n" + body.substr(0, 0x1000) + "\r\n";
            return text + "0\r\n\r\n";
        };
        const std::string head = "POST /a HTTP/1.1\r\nHost: a\r\n";
        RawClient hoarder = server.connect();
        hoarder.send(head + "Content-Length: 400000\r\n\r\n" + std::string(350'000, 'x'));
        while (server.server->counters().bytes_in.load() < 350'000) std::this_thread::yield();
        RawClient late = server.connect();
        late.send(head + upload(0x40000));
        EXPECT_EQ(late.response().status, 503);
        EXPECT_EQ(server.application.requests.load(), 0);
        RawClient small = server.connect();
        small.send(head + upload(0x8000));
        EXPECT_EQ(small.response().status, 200);
        hoarder.close();
        EXPECT_TRUE(TestServer::eventually([&] {
            RawClient again = server.connect();
            again.send(head + upload(0x40000));
            return again.response().status == 200;
        })) << "what a client that left held was not given back";
    }
}

TEST(Refusal, AShortRefusedBodyIsDrainedAndTheConnectionStaysUsable) {
    TestServer server;
    server.application.head_handler = [](const ExchangePtr&) { return BodyPlan{4}; };
    RawClient client = server.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/b"));
    const RawResponse refused = client.response();
    EXPECT_EQ(refused.status, 413);
    EXPECT_EQ(refused.header("connection"), "");
    EXPECT_EQ(client.response().body, "b");
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get("/c"));
    EXPECT_EQ(client.response().status, 413);
    EXPECT_EQ(client.response().body, "c");
}

TEST(Refusal, AHeadThatComesTooSlowlyGets408AndASilentClientIsClosed) {
    ServerOptions options;
    options.limits.header_read_max = milliseconds(150);
    TestServer server(std::move(options));
    // Each again where the machine held the client up so long that it had not begun in time: that ends without a word.
    EXPECT_TRUE(TestServer::eventually([&] {
        RawClient slow = server.connect();
        slow.send("GET / HTTP/1.1\r\nHo");
        const int status = slow.response().status;
        EXPECT_TRUE(status == 408 || status == 0) << status;
        EXPECT_TRUE(slow.closed_by_server());
        return status == 408;
    }));
    EXPECT_TRUE(TestServer::eventually([&] {
        RawClient dripping = server.connect();
        for (int i = 0; i < 40; ++i) {
            if (!dripping.send(i == 0 ? "GET / HTTP/1.1\r\n" : "X")) break;
            testing::rest(std::chrono::milliseconds(20));
        }
        const int status = dripping.response().status;
        EXPECT_TRUE(status == 408 || status == 0) << status;
        return status == 408;
    }));
    RawClient silent = server.connect();
    EXPECT_TRUE(silent.closed_by_server());
    EXPECT_EQ(server.server->counters().timeouts.load(), 2U);
}

TEST(Refusal, ABodyThatComesTooSlowlyGets408) {
    ServerOptions options;
    options.limits.body_grace = milliseconds(100);
    options.limits.body_rate_min_bytes_s = 1000;
    TestServer server(std::move(options));
    RawClient client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    EXPECT_EQ(client.response().status, 408);
    EXPECT_TRUE(client.closed_by_server());
    EXPECT_EQ(server.application.requests.load(), 0);
    EXPECT_EQ(server.ask(get("/next")).body, "next");
}

TEST(Refusal, AnIdleConnectionIsClosedWithoutAWord) {
    ServerOptions options;
    options.limits.idle_max = milliseconds(100);
    TestServer server(std::move(options));
    // Again where the machine held the client up for longer than that before it asked.
    EXPECT_TRUE(TestServer::eventually([&] {
        RawClient client = server.connect();
        const RawResponse answer = client.ask(get("/a"));
        EXPECT_TRUE(answer.body == "a" || answer.status == 0) << answer.status;
        EXPECT_TRUE(client.closed_by_server());
        return answer.body == "a";
    }));
    EXPECT_EQ(server.application.protocol_errors.load(), 0);
}

TEST(Refusal, AClientThatStopsReadingIsCutAndTheOthersAreServed) {
    ServerOptions options;
    options.limits.write_stall_max = milliseconds(200);
    TestServer server(std::move(options));
    const auto body = std::make_shared<const std::string>(32 << 20, 'x');
    server.application.handler = [body](const ExchangePtr& exchange) {
        Response response;
        if (exchange->head().path == "/big") {
            response.shared_body = body;
        } else {
            response.body = "small";
        }
        exchange->respond(std::move(response));
    };
    RawClient client = server.connect(4096);
    client.send(get("/big"));
    EXPECT_EQ(server.ask(get("/a")).body, "small");
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().timeouts.load() == 1; }));
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().connections_open.load() == 0; }));
}

TEST(Refusal, OverConnectionsMaxAClientGets503AndTheFirstOnesAreServed) {
    ServerOptions options;
    options.limits.connections_max = 8;
    TestServer server(std::move(options));
    std::vector<RawClient> kept;
    for (int i = 0; i < 8; ++i) {
        kept.push_back(server.connect());
        EXPECT_EQ(kept.back().ask(get("/kept")).body, "kept");
    }
    const RawResponse refused = server.ask(get("/more"));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.header("connection"), "close");
    for (RawClient& client : kept) EXPECT_EQ(client.ask(get("/again")).body, "again");
    EXPECT_EQ(server.server->counters().connections_refused.load(), 1U);
    kept.clear();
    EXPECT_TRUE(TestServer::eventually([&] { return server.ask(get("/next")).status == 200; }));
}

TEST(Refusal, TwoThousandConnectionsOnSmallLimitsLeaveTheServerServing) {
    ServerOptions options;
    options.limits.connections_max = 100;
    options.limits.header_read_max = milliseconds(300);
    TestServer server(std::move(options));
    std::deque<RawClient> crowd;
    for (int i = 0; i < 2000; ++i) {
        crowd.push_back(server.connect());
        crowd.back().send("GET / HT");
        if (crowd.size() > 400) crowd.pop_front();
    }
    // 100 served, and at most 128 farewells a loop at once.
    EXPECT_LE(server.server->counters().connections_open.load(), 100 + 2 * 128 + 2);
    crowd.clear();
    EXPECT_TRUE(TestServer::eventually([&] { return server.ask(get("/next")).body == "next"; }));
    EXPECT_GT(server.server->counters().connections_refused.load(), 0U);
}

}  // namespace
}  // namespace tidegate::http
