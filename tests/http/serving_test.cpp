// Honest requests over a real socket: keep-alive, pipelining, bodies, HEAD, HTTP/1.0, Expect, drain, clients that leave.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/test_server.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Serving, KeepsTheConnectionAndAnswersInOrder) {
    TestServer server;
    RawClient client = server.connect();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ask(get("/" + std::to_string(i))).body, std::to_string(i));
    std::string many;
    for (int i = 0; i < 500; ++i) many += get("/p" + std::to_string(i));
    client.send(many);
    for (int i = 0; i < 500; ++i) ASSERT_EQ(client.response().body, "p" + std::to_string(i));
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().requests.load() == 600; }));
}

TEST(Serving, PipelinedAnswersKeepTheirOrderWhenWorkEndsOutOfOrder) {
    TestServer server;
    std::vector<ExchangePtr> waiting;
    Mutex mutex;
    server.application.handler = [&](const ExchangePtr& exchange) {
        const Lock lock(mutex);
        waiting.push_back(exchange);
    };
    RawClient client = server.connect();
    std::string many;
    for (int i = 0; i < 40; ++i) many += get("/" + std::to_string(i));  // More than pipeline_depth_max.
    client.send(many);
    std::thread worker([&] {
        for (int done = 0; done < 40;) {
            std::vector<ExchangePtr> batch;
            {
                const Lock lock(mutex);
                EXPECT_LE(waiting.size(), 32U);
                batch.swap(waiting);
            }
            // Newest first.
            for (auto exchange = batch.rbegin(); exchange != batch.rend(); ++exchange, ++done) {
                Response response;
                response.body = (*exchange)->head().path;
                (*exchange)->respond(std::move(response));
            }
            testing::rest(std::chrono::milliseconds(1));
        }
    });
    for (int i = 0; i < 40; ++i) EXPECT_EQ(client.response().body, "/" + std::to_string(i));
    worker.join();
}

TEST(Serving, BodiesOfEverySizeComeThroughByLengthAndChunked) {
    TestServer server;
    RawClient client = server.connect();
    for (const std::size_t size : {1U, 100U, 65'535U, 65'536U, 65'537U, 1'000'000U}) {
        std::string body(size, 'b');
        for (std::size_t i = 0; i < size; i += 97) body[i] = static_cast<char>('a' + i % 26);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body);
        EXPECT_EQ(client.response().body, body) << size;
        std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (std::size_t at = 0; at < size; at += 5000) {
            const std::string piece = body.substr(at, 5000);
            chunked += fmt_hex(piece.size()) + "\r\n" + piece + "\r\n";
        }
        client.send(chunked + "0\r\n\r\n");
        EXPECT_EQ(client.response().body, body) << size;
    }
}

TEST(Serving, HeadAnswersHaveTheLengthOfGetAndNoBody) {
    TestServer server;
    RawClient client = server.connect();
    client.send("HEAD /four HTTP/1.1\r\nHost: a\r\n\r\n" + get("/b"));
    const RawResponse head = client.response(true);
    EXPECT_EQ(head.header("content-length"), "4");
    EXPECT_EQ(client.response().body, "b");
}

TEST(Serving, StatusesWithoutBodyHaveNone) {
    TestServer server;
    server.application.handler = [](const ExchangePtr& exchange) {
        Response response;
        response.status = exchange->head().path == "/204" ? 204 : 304;
        response.body = "must not be sent";
        exchange->respond(std::move(response));
    };
    RawClient client = server.connect();
    for (const char* path : {"/204", "/304", "/204"}) {
        const RawResponse response = client.ask(get(path));
        EXPECT_EQ(response.status, path == std::string("/304") ? 304 : 204);
        EXPECT_EQ(response.header("content-length"), "");
    }
}

TEST(Serving, Http10ClosesUnlessAsked) {
    TestServer server;
    RawClient client = server.connect();
    const RawResponse kept = client.ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(kept.header("connection"), "keep-alive");
    const RawResponse last = client.ask("GET /b HTTP/1.0\r\n\r\n");
    EXPECT_EQ(last.body, "b");
    EXPECT_EQ(last.header("connection"), "close");
    EXPECT_TRUE(client.closed_by_server());
    RawClient closing = server.connect();
    EXPECT_EQ(closing.ask(get("/c", "Connection: close\r\n")).header("connection"), "close");
    EXPECT_TRUE(closing.closed_by_server());
}

TEST(Serving, ContinueIsSaidOnlyWhenTheBodyIsWanted) {
    TestServer server;
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    RawClient client = server.connect();
    client.send(head);
    EXPECT_EQ(client.response().status, 100);
    client.send("hello");
    EXPECT_EQ(client.response().body, "hello");
    // Whoever sends at once is not told.
    client.send(head + "hello");
    EXPECT_EQ(client.response().status, 200);
    server.application.head_handler = [](const ExchangePtr& exchange) {
        Response response;
        response.status = 403;
        exchange->respond(std::move(response));
        return BodyPlan{};
    };
    client.send(head);
    const RawResponse refused = client.response();
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.header("connection"), "close");
    EXPECT_TRUE(client.closed_by_server());
}

TEST(Serving, AnAnswerGivenOnTheHeadSkipsTheBodyAndKeepsTheConnection) {
    TestServer server;
    server.application.head_handler = [](const ExchangePtr& exchange) {
        if (exchange->head().path == "/no") {
            Response response;
            response.status = 404;
            exchange->respond(std::move(response));
        }
        return BodyPlan{1000};
    };
    RawClient client = server.connect();
    client.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    EXPECT_EQ(client.response().status, 404);
    client.send("lo" + get("/yes"));
    EXPECT_EQ(client.response().body, "yes");
    EXPECT_EQ(server.application.requests.load(), 1);
}

TEST(Serving, HeadersOfTheAnswerCannotBeForged) {
    TestServer server;
    server.application.handler = [](const ExchangePtr& exchange) {
        Response response;
        response.headers.add("X-Name", "a\r\nX-Forged: 1\r\n\r\nbody");
        response.headers.add("Content-Length", "999");
        response.headers.add("Transfer-Encoding", "chunked");
        response.body = "ok";
        exchange->respond(std::move(response));
    };
    const RawResponse response = server.ask(get("/"));
    EXPECT_EQ(response.body, "ok");
    EXPECT_EQ(response.header("x-forged"), "");
    EXPECT_EQ(response.count("content-length"), 1U);
    EXPECT_EQ(response.header("x-name"), "a  X-Forged: 1    body");
    EXPECT_NE(response.header("date").find("GMT"), std::string::npos);
}

TEST(Serving, OnSentTellsWhatWentOutAndWhatDidNot) {
    TestServer server;
    std::promise<Exchange::Sent> whole;
    std::promise<Exchange::Sent> broken;
    std::promise<ExchangePtr> waiting;
    server.application.handler = [&](const ExchangePtr& exchange) {
        const bool ok = exchange->head().path == "/ok";
        exchange->on_sent([&, ok](const Exchange::Sent& sent) { (ok ? whole : broken).set_value(sent); });
        if (!ok) return waiting.set_value(exchange);
        Response response;
        response.status = 201;
        response.body = "12345";
        exchange->respond(std::move(response));
    };
    EXPECT_EQ(server.ask(get("/ok")).status, 201);
    const Exchange::Sent sent = whole.get_future().get();
    EXPECT_EQ(sent.status, 201);
    EXPECT_EQ(sent.body_bytes, 5U);
    EXPECT_TRUE(sent.complete);

    RawClient leaving = server.connect();
    leaving.send(get("/leave"));
    const ExchangePtr exchange = waiting.get_future().get();
    leaving.reset();
    EXPECT_FALSE(broken.get_future().get().complete);
    EXPECT_TRUE(exchange->client_gone());
    exchange->respond(Response{});  // Dropped.
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().clients_gone.load() == 1; }));
}

TEST(Serving, AClientThatOnlyStopsSendingStillGetsItsAnswer) {
    TestServer server;
    std::promise<ExchangePtr> waiting;
    server.application.handler = [&](const ExchangePtr& exchange) { waiting.set_value(exchange); };
    RawClient client = server.connect();
    client.send(get("/half"));
    const ExchangePtr exchange = waiting.get_future().get();
    client.shutdown_write();
    EXPECT_TRUE(TestServer::eventually([&] { return exchange->client_gone(); }));
    Response response;
    response.body = "late";
    exchange->respond(std::move(response));
    EXPECT_EQ(client.response().body, "late");
    EXPECT_TRUE(client.closed_by_server());
}

TEST(Serving, DrainFinishesWhatIsInWorkAndRefusesTheRest) {
    TestServer server;
    std::promise<ExchangePtr> waiting;
    server.application.handler = [&](const ExchangePtr& exchange) {
        if (exchange->head().path == "/slow") return waiting.set_value(exchange);
        exchange->respond(Response{});
    };
    RawClient idle = server.connect();
    EXPECT_EQ(idle.ask(get("/")).status, 200);
    RawClient busy = server.connect();
    busy.send(get("/slow"));
    const ExchangePtr exchange = waiting.get_future().get();
    auto drained = std::async(std::launch::async, [&] { return server.server->drain(seconds(60)); });
    EXPECT_TRUE(idle.closed_by_server());
    EXPECT_TRUE(server.server->draining());
    EXPECT_EQ(drained.wait_for(milliseconds(50)), std::future_status::timeout);
    Response response;
    response.body = "done";
    exchange->respond(std::move(response));
    const RawResponse last = busy.response();
    EXPECT_EQ(last.body, "done");
    EXPECT_EQ(last.header("connection"), "close");
    busy.close();
    EXPECT_TRUE(drained.get());
    EXPECT_FALSE(RawClient(server.server->port()).connected());
}

TEST(Serving, DrainGivesUpAfterItsTimeAndStopCuts) {
    TestServer server;
    std::promise<ExchangePtr> waiting;
    server.application.handler = [&](const ExchangePtr& exchange) { waiting.set_value(exchange); };
    RawClient busy = server.connect();
    busy.send(get("/slow"));
    const ExchangePtr exchange = waiting.get_future().get();
    EXPECT_FALSE(server.server->drain(milliseconds(50)));
    server.server->stop();
    EXPECT_TRUE(busy.closed_by_server());
    exchange->respond(Response{});  // Nobody is there any more.
}

TEST(Serving, TheSamePortCannotBeTakenTwice) {
    TestServer first;
    ServerOptions options;
    options.port = first.server->port();
    options.loops = 2;
    const auto second = Server::create(std::move(options), first.application, first.clock);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
    ServerOptions nowhere;
    nowhere.address = "not-an-address";
    EXPECT_EQ(Server::create(std::move(nowhere), first.application, first.clock).error().code,
              ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace tidegate::http
