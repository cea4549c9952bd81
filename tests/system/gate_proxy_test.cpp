// What passes through the gate and what does not: answers, fields, bodies both ways, event streams, WebSockets.
#include <algorithm>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr std::size_t kMiB = 1024UL * 1024;

class GateProxy : public GateFixture {
  protected:
    void SetUp() override {
        server_ =
            start(settings("  all: {path: \"/{rest...}\", upstream: app, body_bytes_max: 64000000}\n"
                           "  m: {path: /m, upstream: app, cache: {mode: \"off\"}}\n"
                           "  ws: {path: /ws, upstream: app, websocket: true}\n"));
        ASSERT_NE(server_, nullptr);
        port_ = server_->port();
    }
    Process server_;
    std::uint16_t port_ = 0;
};

TEST_F(GateProxy, AnAnswerComesBackAsTheUpstreamGaveIt) {
    const std::string body("\0\x01 bytes \xff of any kind\r\n\r\n", 27);
    upstream_.on("/a", 418, body,
                 "Content-Type: application/x-own\r\nX-Twice: 1\r\nX-Twice: 2\r\nETag: \"v1\"\r\n"
                 "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n");
    const RawResponse answer = get(port_, "/a?q=%20x&q=2");
    ASSERT_TRUE(answer.complete);
    EXPECT_EQ(answer.status, 418);
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.header("content-type"), "application/x-own");
    EXPECT_EQ(answer.count("x-twice"), 2U);
    EXPECT_EQ(answer.count("set-cookie"), 2U);
    EXPECT_EQ(answer.header("etag"), "\"v1\"");
    EXPECT_EQ(answer.count("date"), 1U);
    EXPECT_EQ(answer.header("date"), "Tue, 15 Nov 1994 08:12:31 GMT");
    EXPECT_EQ(answer.header("via"), "1.1 tidegate");
    EXPECT_EQ(upstream_.last("/a").target, "/a?q=%20x&q=2");
}

TEST_F(GateProxy, WhatBelongsToOneConnectionStaysThere) {
    upstream_.on("/h", 200, "ok",
                 "Connection: X-Theirs, keep-alive\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n"
                 "Proxy-Authenticate: Basic\r\nX-Kept: 1\r\n");
    const RawResponse answer = get(port_, "/h",
                                   {{"Connection", "X-Ours, close"},
                                    {"X-Ours", "1"},
                                    {"Keep-Alive", "5"},
                                    {"TE", "trailers"},
                                    {"Proxy-Authorization", "Basic eDp5"},
                                    {"Proxy-Connection", "close"},
                                    {"X-Passed", "1"}});
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("x-kept"), "1");
    for (const char* name : {"x-theirs", "keep-alive", "upgrade", "proxy-authenticate"}) {
        EXPECT_EQ(answer.count(name), 0U) << name;
    }
    const UpstreamRequest seen = upstream_.last("/h");
    EXPECT_EQ(seen.header("x-passed"), "1");
    for (const char* name : {"x-ours", "keep-alive", "te", "proxy-authorization", "proxy-connection"}) {
        EXPECT_FALSE(seen.has(name)) << name;
    }
    EXPECT_EQ(seen.header("connection").find("X-Ours"), std::string::npos);
}

TEST_F(GateProxy, TheUpstreamLearnsWhoAskedFromUsAndNotFromTheClient) {
    upstream_.on("/f", 200, "ok");
    ASSERT_EQ(get(port_, "/f",
                  {{"X-Forwarded-For", "6.6.6.6"},
                   {"X-Forwarded-Host", "evil"},
                   {"X-Real-IP", "6.6.6.6"},
                   {"Forwarded", "for=6.6.6.6"},
                   {"X_Forwarded_For", "6.6.6.6"},
                   {"X-Original-URL", "/b"}})
                  .status,
              200);
    const UpstreamRequest seen = upstream_.last("/f");
    EXPECT_EQ(seen.header("x-forwarded-for"), "127.0.0.1");
    EXPECT_EQ(seen.header("x-forwarded-host"), "localhost");
    EXPECT_EQ(seen.header("x-forwarded-proto"), "http");
    EXPECT_EQ(seen.header("via"), "1.1 tidegate");
    EXPECT_EQ(seen.header("host"), "127.0.0.1:" + std::to_string(upstream_.port()));
    EXPECT_EQ(seen.head.find("6.6.6.6"), std::string::npos) << seen.head;
    EXPECT_FALSE(seen.has("x-original-url"));
}

TEST_F(GateProxy, ARequestThatHasBeenHereIsALoop) {
    upstream_.on("/l", 200, "ok");
    const RawResponse answer = get(port_, "/l", {{"Via", "1.0 other, 1.1 tidegate"}});
    expect_problem(answer, 508, "loop_detected");
    EXPECT_EQ(upstream_.asked("/l"), 0U);
    EXPECT_EQ(get(port_, "/l", {{"Via", "1.1 tidegate-of-others"}}).status, 200);
    const UpstreamRequest seen = upstream_.last("/l");
    EXPECT_EQ(seen.header("via"), "1.1 tidegate-of-others");
    EXPECT_NE(seen.head.find("1.1 tidegate\r\n"), std::string::npos) << seen.head;
}

TEST_F(GateProxy, AChunkedAnswerAndOneThatEndsWithItsConnectionComeWhole) {
    upstream_.on("/chunked", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        call.send("1\r\n \r\n5\r\nworld\r\n0\r\n\r\n");
    });
    upstream_.on("/close", [](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world");
        call.close();
    });
    for (const char* path : {"/chunked", "/close", "/chunked"}) {
        const RawResponse answer = get(port_, path);
        EXPECT_TRUE(answer.complete) << path;
        EXPECT_EQ(answer.status, 200) << path;
        EXPECT_EQ(answer.body, "hello world") << path;
    }
}

TEST_F(GateProxy, HeadAndNotModifiedHaveNoBody) {
    upstream_.on("/m", [](UpstreamCall& call) {
        call.request().has("if-none-match")
            ? call.answer(304, {}, "ETag: \"1\"\r\n")
            : call.answer(200, "twelve bytes", "ETag: \"1\"\r\nCache-Control: no-store\r\n");
    });
    upstream_.on("/none", 204, {});
    RawClient client(port_);
    const RawResponse head = client.ask(request_text("HEAD", "/m"));
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("content-length"), "12");
    EXPECT_EQ(upstream_.last("/m").method, "HEAD");
    // The same connection: whatever came too much would be read as the next answer.
    EXPECT_EQ(client.ask(request_text("GET", "/m")).body, "twelve bytes");
    const RawResponse same = client.ask(request_text("GET", "/m", {}, {{"If-None-Match", "\"1\""}}));
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(same.header("etag"), "\"1\"");
    EXPECT_EQ(client.ask(request_text("GET", "/none")).status, 204);
    EXPECT_EQ(client.ask(request_text("GET", "/m")).body, "twelve bytes");
}

TEST_F(GateProxy, AMethodNobodyKnowsIsPassedOn) {
    upstream_.on("/x", [](UpstreamCall& call) { call.answer(200, call.request().method); });
    RawClient client(port_);
    for (const char* method : {"PATCH", "PURGE", "PROPFIND", "OPTIONS", "DELETE"}) {
        EXPECT_EQ(client.ask(request_text(method, "/x")).body, method);
    }
}

TEST_F(GateProxy, AnUploadReachesTheUpstreamBeforeItIsWhole) {
    std::atomic<std::size_t> got{0};
    upstream_.on("/up", [&](UpstreamCall& call) {
        std::string piece;
        unsigned sum = 0;
        while (!(piece = call.read_body_piece()).empty()) {
            for (const char c : piece) sum = sum * 31 + static_cast<unsigned char>(c);
            got += piece.size();
        }
        call.answer(200, std::to_string(sum));
    });
    std::string body(20 * kMiB, 'x');
    for (std::size_t i = 0; i < body.size(); i += 4099) body[i] = static_cast<char>('a' + i % 23);
    unsigned sum = 0;
    for (const char c : body) sum = sum * 31 + static_cast<unsigned char>(c);
    RawClient client(port_);
    ASSERT_TRUE(
        client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
    ASSERT_TRUE(client.send(std::string_view(body).substr(0, 4 * kMiB)));
    EXPECT_EQ(ask_until([&] { return got.load(); }, [](std::size_t bytes) { return bytes == 4 * kMiB; }), 4 * kMiB);
    ASSERT_TRUE(client.send(std::string_view(body).substr(4 * kMiB)));
    const RawResponse answer = client.response();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::to_string(sum));
    EXPECT_EQ(got.load(), body.size());
}

TEST_F(GateProxy, AChunkedUploadArrivesWhole) {
    upstream_.on("/up", [](UpstreamCall& call) {
        call.read_body();
        call.answer(200, call.request().body);
    });
    RawClient client(port_);
    client.send("PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    ASSERT_TRUE(upstream_.wait_asked("/up", 1));
    client.send("2\r\nde\r\n0\r\n\r\n");
    EXPECT_EQ(client.response().body, "abcde");
}

TEST_F(GateProxy, AnAnswerIsNotGatheredEither) {
    std::atomic<bool> let_go{false};
    upstream_.on("/down", [&](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(8 * kMiB) + "\r\n\r\n");
        call.send(std::string(4 * kMiB, 'a'));
        ask_until([&] { return let_go.load(); }, [](bool go) { return go; });
        call.send(std::string(4 * kMiB, 'b'));
    });
    RawClient client(port_);
    client.send(request_text("GET", "/down"));
    // Three of the four megabytes that have come, while the rest has not been sent.
    std::size_t got = 0;
    while (got < 3 * kMiB) {
        const std::string piece = client.receive();
        ASSERT_FALSE(piece.empty());
        got += piece.size();
    }
    let_go = true;
    std::string tail;
    while (got < 8 * kMiB) {
        tail = client.receive();
        ASSERT_FALSE(tail.empty());
        got += tail.size();
    }
    EXPECT_EQ(tail.back(), 'b');
}

TEST_F(GateProxy, AnEventPassesAsSoonAsItComes) {
    std::atomic<int> asked_for{0};
    upstream_.on("/events", [&](UpstreamCall& call) {
        call.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int event = 1; event <= 3; ++event) {
            ask_until([&] { return asked_for.load(); }, [&](int wanted) { return wanted >= event; });
            call.send("9\r\ndata: " + std::to_string(event) + "\n\n\r\n");
        }
        call.send("0\r\n\r\n");
    });
    RawClient client(port_);
    client.send(request_text("GET", "/events"));
    ASSERT_TRUE(client.wait_for("text/event-stream"));
    for (int event = 1; event <= 3; ++event) {
        asked_for = event;
        // The next one is sent only after this one has been seen here.
        EXPECT_TRUE(client.wait_for("data: " + std::to_string(event) + "\n\n"));
    }
    EXPECT_TRUE(client.wait_for("0\r\n\r\n"));
}

TEST_F(GateProxy, AWebSocketPassesBytesBothWaysUntilOneSideCloses) {
    const Upstream::Script echo = [](UpstreamCall& call) {
        if (call.request().header("upgrade") != "websocket") return call.answer(200, "no upgrade");
        call.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: " +
            call.request().header("sec-websocket-key") + "\r\n\r\n");
        std::string bytes;
        while (!(bytes = call.receive()).empty()) call.send("<" + bytes + ">");
        call.close();
    };
    upstream_.on("/ws", echo);
    upstream_.on("/other", echo);
    const HeaderList upgrade{{"Connection", "Upgrade"},
                             {"Upgrade", "websocket"},
                             {"Sec-WebSocket-Key", "abc"},
                             {"Sec-WebSocket-Version", "13"}};
    RawClient client(port_);
    const RawResponse switched = client.ask(request_text("GET", "/ws", {}, upgrade));
    ASSERT_EQ(switched.status, 101);
    EXPECT_EQ(switched.header("sec-websocket-accept"), "abc");
    EXPECT_EQ(switched.header("upgrade"), "websocket");
    for (const char* text : {"one", "two", "three"}) {
        client.send(text);
        EXPECT_TRUE(client.wait_for("<" + std::string(text) + ">")) << text;
        client.receive();
    }
    client.shutdown_write();
    EXPECT_TRUE(client.closed_by_server());
    // A route that has not been told to passes the request without the upgrade.
    EXPECT_EQ(RawClient(port_).ask(request_text("GET", "/other", {}, upgrade)).body, "no upgrade");
}

TEST_F(GateProxy, ABodyLongerThanTheRouteTakesIsRefused) {
    upstream_.on("/up", 200, "ok");
    RawClient client(port_);
    client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 64000001\r\n\r\n");
    EXPECT_EQ(client.response().status, 413);
}

TEST(GateKeys, OurOwnKeyIsNotPassedOn) {
    const TemporaryFolder folder;
    Upstream upstream;
    upstream.on("/k", 200, "ok");
    const RunResult made = run_binary({"keys", "create", "--name", "app", "--data-dir=" + folder.path()});
    const std::string key = made.out.substr(0, made.out.find('\n'));
    std::ofstream(folder.path() + "/c.yaml") << "upstreams: {app: {targets: [{url: \"" + upstream.url() +
                                                    "\"}]}}\n"
                                                    "routes: {k: {path: /k, upstream: app, cache: {mode: 'off'}},\n"
                                                    "         o: {path: /o, upstream: app, access: open}}\n";
    const auto server =
        ServerProcess::start(folder.path(), {"--config=" + folder.path() + "/c.yaml", "--identity.required=always"});
    ASSERT_NE(server, nullptr);
    upstream.on("/o", 200, "ok");
    EXPECT_EQ(get(server->port(), "/k", {{"Authorization", "Bearer " + key}}).status, 200);
    EXPECT_EQ(upstream.last("/k").head.find(key), std::string::npos);
    EXPECT_EQ(get(server->port(), "/k", {{"X-API-Key", key}}).status, 200);
    EXPECT_EQ(upstream.last("/k").head.find(key), std::string::npos) << upstream.last("/k").head;
    // On an open route Authorization is the upstream's own affair.
    EXPECT_EQ(get(server->port(), "/o", {{"Authorization", "Basic eDp5"}}).status, 200);
    EXPECT_EQ(upstream.last("/o").header("authorization"), "Basic eDp5");
}

}  // namespace
}  // namespace tidegate::testing
