// Streams: framing, back-pressure, clients that leave, writers that give up.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "http/sse.h"
#include "http/test_server.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A server whose requests all become streams, handed to the test.
class StreamServer {
  public:
    explicit StreamServer(ServerOptions options = {}) : server(std::move(options)) {
        server.application.handler = [this](const ExchangePtr& exchange) {
            exchange->on_sent([this](const Exchange::Sent& sent) { sent_.set_value(sent); });
            Response response;
            response.headers.add("Content-Type", kEventStreamType);
            stream_.set_value(exchange->start_stream(std::move(response)));
        };
    }
    std::shared_ptr<Stream> stream() { return stream_.get_future().get(); }
    Exchange::Sent sent() { return sent_.get_future().get(); }

    std::promise<std::shared_ptr<Stream>> stream_;
    std::promise<Exchange::Sent> sent_;
    TestServer server;
};

/// Writes until the kernel takes no more; how many bytes were accepted. A wait may also end because the loop got no turn in time: only
/// several in a row say that it is full.
std::size_t write_until_full(Stream& stream, std::string_view piece) {
    std::size_t accepted = 0;
    // The kernel's buffers take some megabytes; a gigabyte is beyond any of them.
    for (int refused = 0; refused < 5 && accepted < (1U << 30);) {
        const Stream::Outcome outcome = stream.write_wait(piece, milliseconds(200));
        if (outcome == Stream::Outcome::kGone) return accepted;
        refused = outcome == Stream::Outcome::kFull ? refused + 1 : 0;
        if (outcome == Stream::Outcome::kAccepted) accepted += piece.size();
    }
    return accepted;
}

TEST(Stream, EventsArriveAsTheyAreWrittenAndTheBodyEnds) {
    StreamServer host;
    RawClient client = host.server.connect();
    client.send(get("/"));
    const auto stream = host.stream();
    ASSERT_TRUE(client.wait_for("\r\n\r\n"));
    std::string event;
    append_event(event, {.name = "started", .data = "{}", .id = "1", .retry_ms = 1000});
    EXPECT_EQ(stream->write(event), Stream::Outcome::kAccepted);
    ASSERT_TRUE(client.wait_for("event: started\n"));
    EXPECT_EQ(stream->write("second"), Stream::Outcome::kAccepted);
    ASSERT_TRUE(client.wait_for("second"));
    stream->finish();
    const RawResponse response = client.response();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.header("content-type"), "text/event-stream");
    EXPECT_EQ(response.body, event + "second");
    const Exchange::Sent sent = host.sent();
    EXPECT_TRUE(sent.complete);
    EXPECT_EQ(sent.body_bytes, event.size() + 6);
}

TEST(Stream, TheConnectionServesTheNextRequestAfterAStream) {
    TestServer server;
    server.application.handler = [](const ExchangePtr& exchange) {
        const auto stream = exchange->start_stream(Response{});
        EXPECT_EQ(stream->write(exchange->head().path), Stream::Outcome::kAccepted);
        stream->finish();
    };
    RawClient client = server.connect();
    client.send(get("/a") + get("/b"));
    EXPECT_EQ(client.response().body, "/a");
    EXPECT_EQ(client.response().body, "/b");
    client.send("HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n" + get("/d"));
    EXPECT_EQ(client.response(true).status, 200);
    EXPECT_EQ(client.response().body, "/d");
    const RawResponse old = client.ask("GET /e HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.body, "/e");
    EXPECT_TRUE(old.complete);
    EXPECT_EQ(old.header("transfer-encoding"), "");
}

TEST(Stream, ASlowReaderFillsTheBufferAndThenMakesRoom) {
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 64 * 1024;
    StreamServer host(std::move(options));
    RawClient client = host.server.connect(4096);
    client.send(get("/"));
    const auto stream = host.stream();
    const std::string piece(16 * 1024, 'x');
    const std::size_t accepted = write_until_full(*stream, piece);
    EXPECT_EQ(stream->write(piece), Stream::Outcome::kFull);
    std::thread writer([&] {
        EXPECT_EQ(stream->write_wait(piece, seconds(60)), Stream::Outcome::kAccepted);
        stream->finish();
    });
    const RawResponse response = client.response();
    writer.join();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.body.size(), accepted + piece.size());
}

TEST(Stream, AClientThatLeavesIsNoticedAndTheWaitingWriterIsReleased) {
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 32 * 1024;
    StreamServer host(std::move(options));
    auto client = std::make_unique<RawClient>(host.server.connect(4096));
    client->send(get("/"));
    const auto stream = host.stream();
    const std::string piece(16 * 1024, 'x');
    std::thread writer([&] {
        Stream::Outcome outcome = Stream::Outcome::kAccepted;
        while (outcome == Stream::Outcome::kAccepted) outcome = stream->write_wait(piece, seconds(60));
        EXPECT_EQ(outcome, Stream::Outcome::kGone);
    });
    ASSERT_TRUE(client->wait_for("xxxx"));
    client.reset();
    writer.join();
    EXPECT_TRUE(stream->client_gone());
    EXPECT_EQ(stream->write("more"), Stream::Outcome::kGone);
    EXPECT_FALSE(host.sent().complete);
    // Counted at the end of the turn in which it was told.
    EXPECT_TRUE(TestServer::eventually([&] { return host.server.server->counters().connections_open.load() == 0; }));
}

TEST(Stream, AQuietStreamNoticesAClientThatCloses) {
    StreamServer host;
    auto client = std::make_unique<RawClient>(host.server.connect());
    client->send(get("/"));
    const auto stream = host.stream();
    ASSERT_TRUE(client->wait_for("\r\n\r\n"));
    client.reset();
    EXPECT_TRUE(TestServer::eventually([&] { return stream->client_gone(); }));
    EXPECT_TRUE(TestServer::eventually([&] { return host.server.server->counters().clients_gone.load() == 1U; }));
}

TEST(Stream, DroppedWithoutFinishTheClientSeesABrokenAnswer) {
    for (const char* version : {"1.1", "1.0"}) {
        StreamServer host;
        RawClient client = host.server.connect();
        client.send("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n\r\n");
        auto stream = host.stream();
        EXPECT_EQ(stream->write("half"), Stream::Outcome::kAccepted);
        ASSERT_TRUE(client.wait_for("half"));
        stream.reset();
        const RawResponse response = client.response();
        EXPECT_EQ(response.status, 200);
        EXPECT_FALSE(response.complete) << version;
        EXPECT_FALSE(host.sent().complete);
    }
}

TEST(Stream, CutByTheServerItIsBrokenForTheClientAlsoWhereOnlyTheEndSaysThatItIsWhole) {
    for (const char* version : {"1.1", "1.0"}) {
        StreamServer host;
        RawClient client = host.server.connect();
        client.send("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n\r\n");
        const auto stream = host.stream();
        EXPECT_EQ(stream->write("half"), Stream::Outcome::kAccepted);
        ASSERT_TRUE(client.wait_for("half"));
        host.server.server->stop();
        EXPECT_FALSE(client.response().complete) << version;
        EXPECT_FALSE(host.sent().complete);
    }
}

TEST(Stream, CutAfterItsLastByteWasWrittenAndBeforeAllWereSentItIsBrokenToo) {
    ServerOptions options;
    options.limits.stream_buffer_bytes_max = 64 * 1024;
    StreamServer host(std::move(options));
    RawClient client = host.server.connect(4096);
    client.send("GET / HTTP/1.0\r\n\r\n");
    const auto stream = host.stream();
    const std::string piece(16 * 1024, 'x');
    write_until_full(*stream, piece);
    stream->finish();
    host.server.server->stop();
    EXPECT_FALSE(client.response().complete);
    EXPECT_FALSE(host.sent().complete);
}

TEST(Stream, ToAnHttp10ClientAWholeOneEndsWithoutAReset) {
    StreamServer host;
    RawClient client = host.server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    const auto stream = host.stream();
    EXPECT_EQ(stream->write("all of it"), Stream::Outcome::kAccepted);
    stream->finish();
    const RawResponse response = client.response();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.body, "all of it");
}

TEST(Stream, ADrainEndsWithTheStreamThoughTheClientKeepsTheConnection) {
    StreamServer host;
    RawClient client = host.server.connect();
    client.send(get("/"));
    const auto stream = host.stream();
    ASSERT_TRUE(client.wait_for("\r\n\r\n"));
    auto drained = std::async(std::launch::async, [&] { return host.server.server->drain(seconds(60)); });
    EXPECT_EQ(drained.wait_for(milliseconds(50)), std::future_status::timeout);
    stream->finish();
    EXPECT_TRUE(client.response().complete);
    EXPECT_TRUE(drained.get());
    EXPECT_TRUE(client.closed_by_server());
}

TEST(Stream, StartedWhileTheClientLeavesOrTheServerStopsItIsGoneForItsWriter) {
    for (int i = 0; i < 60; ++i) {
        ServerOptions options;
        options.loops = 1;
        TestServer server(std::move(options));
        std::promise<ExchangePtr> arrived;
        server.application.handler = [&](const ExchangePtr& exchange) { arrived.set_value(exchange); };
        RawClient client = server.connect();
        client.send(get("/"));
        const ExchangePtr exchange = arrived.get_future().get();
        std::thread writer([&] {
            const auto stream = exchange->start_stream(Response{});
            const std::string piece(64 * 1024, 'x');
            Stream::Outcome outcome = Stream::Outcome::kAccepted;
            while (outcome == Stream::Outcome::kAccepted) outcome = stream->write_wait(piece, seconds(60));
            EXPECT_EQ(outcome, Stream::Outcome::kGone) << i;
        });
        if (i % 2 == 0) {
            client.shutdown_write();
        } else {
            server.server->stop();
        }
        writer.join();
    }
}

TEST(Sse, LinesCannotBreakOutOfTheirField) {
    std::string out;
    append_event(out, {.name = "a\nb", .data = "one\r\ntwo\rthree\nfour", .id = "i\r\n", .retry_ms = {}});
    EXPECT_EQ(out, "event: ab\nid: i\ndata: one\ndata: two\ndata: three\ndata: four\n\n");
    out.clear();
    append_event(out, {.name = {}, .data = "", .id = {}, .retry_ms = {}});
    EXPECT_EQ(out, "data: \n\n");
    out.clear();
    append_comment(out, "still here\ndata: x");
    EXPECT_EQ(out, ": still here\n: data: x\n\n");
}

}  // namespace
}  // namespace tidegate::http
