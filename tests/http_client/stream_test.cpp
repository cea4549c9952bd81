// Bodies in pieces, both ways: back-pressure, answers that come early, tunnels.
#include <gtest/gtest.h>

#include <string>

#include "http_client/client_fixture.h"

namespace tidegate::http {
namespace {

std::string pattern(std::size_t bytes) {
    std::string out(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 7 % 26);
    return out;
}

/// What a chunked body carries; reads to its end.
std::string read_chunked(Peer& peer) {
    std::string body;
    for (;;) {
        const std::string line = peer.read_until("\r\n");
        if (line.empty()) return "(cut)";
        const std::size_t size = std::stoul(line, nullptr, 16);
        body += peer.read(size);
        EXPECT_EQ(peer.read(2), "\r\n");
        if (size == 0) return body;
    }
}

ClientRequest streamed(std::optional<std::uint64_t> length = std::nullopt) {
    ClientRequest request;
    request.method = "POST";
    request.streamed = true;
    request.content_length = length;
    return request;
}

class ClientStreamTest : public ClientTest {
  protected:
    CallPtr start(const ScriptedServer& server, ClientRequest request, const CallTimes& times = {}) {
        heard = std::make_shared<Heard>();
        return client->start(origin(server.port()), std::move(request), times, heard);
    }
    bool over() {
        return driver.until([&] { return heard->over(); });
    }
    std::shared_ptr<Heard> heard;
};

TEST_F(ClientStreamTest, aPausedCallReadsNothingAndLosesNothing) {
    constexpr std::size_t kBytes = 8 * 1024 * 1024;
    const std::string body = pattern(kBytes);
    for (const bool chunked : {false, true}) {
        ScriptedServer server([&](Peer& peer) {
            peer.request();
            if (!chunked) {
                peer.answer(body);
            } else {
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                // Small chunks: a pause falls into the middle of what one read brought.
                for (std::size_t at = 0; at < kBytes; at += 4096) {
                    if (!peer.send("1000\r\n" + body.substr(at, 4096) + "\r\n")) return;
                }
                peer.send("0\r\n\r\n");
            }
            peer.request();
            peer.answer("next");
        });
        bool paused = false;
        CallPtr call = start(server, get());
        heard->when_body = [&] {
            paused = heard->pieces % 3 == 0 && heard->pieces <= 60;
            return !paused;
        };
        for (;;) {
            ASSERT_TRUE(driver.until([&] { return paused || heard->over(); }));
            if (heard->over()) break;
            const int pieces = heard->pieces;
            driver.turn_for(milliseconds(5));
            EXPECT_EQ(heard->pieces, pieces) << "nothing while paused";
            paused = false;
            call->resume();
        }
        ASSERT_TRUE(over());
        EXPECT_EQ(heard->ends, 1);
        EXPECT_TRUE(heard->body == body);
        EXPECT_EQ(ask(server)->body, "next");
        EXPECT_EQ(server.connections(), 1);
    }
}

TEST_F(ClientStreamTest, resumingFromInsideOnBodyCounts) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n");
        peer.send("0\r\n\r\n");
        peer.closed_by_client();
    });
    CallPtr call = start(server, get());
    heard->when_body = [&] {
        call->resume();
        return false;
    };
    EXPECT_TRUE(over());
    EXPECT_EQ(heard->body, "ab");
}

TEST_F(ClientStreamTest, aPausedCallIsNotIdle) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer(std::string(1 << 20, 'x'));
        peer.closed_by_client();
    });
    CallTimes times;
    times.idle_max = seconds(1);
    CallPtr call = start(server, get(), times);
    heard->when_body = [&] { return heard->pieces > 1; };
    ASSERT_TRUE(driver.until([&] { return heard->pieces == 1; }));
    driver.turn_for(milliseconds(1500));
    EXPECT_FALSE(heard->over());
    call->resume();
    EXPECT_TRUE(over());
    EXPECT_EQ(heard->body_bytes, std::uint64_t{1} << 20);
}

TEST_F(ClientStreamTest, aConnectionThatBreaksWhilePausedFailsAfterTheResume) {
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        while (!go) ::poll(nullptr, 0, 1);
        peer.reset();
    });
    CallPtr call = start(server, get());
    heard->when_body = [] { return false; };
    ASSERT_TRUE(driver.until([&] { return heard->pieces == 1; }));
    go = true;
    driver.turn_for(milliseconds(30));
    EXPECT_FALSE(heard->over());
    call->resume();
    EXPECT_TRUE(over());
    expect_failure(*heard, Kind::kReset, Stage::kBody, false);
}

TEST_F(ClientStreamTest, aStreamedBodyArrivesChunkedOrCounted) {
    ScriptedServer server([](Peer& peer) {
        EXPECT_NE(peer.request().find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
        peer.answer(read_chunked(peer));
        EXPECT_NE(peer.request().find("\r\nContent-Length: 7\r\n"), std::string::npos);
        peer.answer(peer.read(7));
        peer.request();
        peer.answer(read_chunked(peer));
    });
    CallPtr call = start(server, streamed());
    EXPECT_TRUE(call->write_body("before there is a connection, "));
    ASSERT_TRUE(driver.until([&] { return server.connections() == 1; }));
    driver.turn_for(milliseconds(10));
    EXPECT_TRUE(call->write_body("and after"));
    EXPECT_TRUE(call->write_body(""));
    call->finish_body();
    call->finish_body();
    EXPECT_TRUE(call->write_body("too late"));
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "before there is a connection, and after");
    call = start(server, streamed(7));
    call->write_body("123");
    call->write_body("4567");
    call->finish_body();
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "1234567");
    call = start(server, streamed());
    call->finish_body();
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientStreamTest, aSlowUpstreamHoldsTheWriterBack) {
    constexpr std::size_t kBytes = 16 * 1024 * 1024;
    constexpr std::size_t kPiece = 50'000;
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        while (!go) ::poll(nullptr, 0, 1);
        peer.answer(std::to_string(read_chunked(peer).size()));
        peer.closed_by_client();
    });
    ClientOptions options;
    options.write_buffer_bytes_max = 100'000;
    make(options);
    CallPtr call = start(server, streamed());
    const std::string piece(kPiece, 'x');
    std::size_t written = 0;
    int stops = 0;
    const auto pump = [&] {
        while (written < kBytes) {
            written += kPiece;
            if (!call->write_body(piece)) {
                ++stops;
                return;
            }
        }
        call->finish_body();
    };
    heard->when_writable = pump;
    pump();
    EXPECT_EQ(written, 2 * kPiece) << "what is queued is bounded while there is no connection";
    driver.turn_for(milliseconds(50));
    EXPECT_LT(written, kBytes) << "the sockets cannot hold all of it";
    EXPECT_FALSE(heard->over());
    go = true;
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, std::to_string(written));
    EXPECT_EQ(heard->writables, stops);
    EXPECT_GT(stops, 2);
}

TEST_F(ClientStreamTest, aBodyUnlikeItsLengthFailsTheCallAndClosesTheConnection) {
    std::atomic<bool> begun{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        begun = true;
        EXPECT_TRUE(peer.closed_by_client());
    });
    CallPtr call = start(server, streamed(5));
    ASSERT_TRUE(driver.until([&] { return begun.load(); }));
    call->write_body("123");
    call->finish_body();
    EXPECT_FALSE(heard->over()) << "later, not from inside finish_body()";
    ASSERT_TRUE(over());
    expect_failure(*heard, Kind::kInvalidRequest, Stage::kSend, false);
    call = start(server, streamed(5));
    call->write_body("123456");
    ASSERT_TRUE(over());
    expect_failure(*heard, Kind::kInvalidRequest, Stage::kConnect, true);
}

TEST_F(ClientStreamTest, cancellingWhileTheBodyIsBeingSentClosesTheConnection) {
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        while (!go) ::poll(nullptr, 0, 1);
        EXPECT_TRUE(peer.closed_by_client());
    });
    CallPtr call = start(server, streamed());
    while (call->write_body(std::string(100'000, 'x'))) driver.loop().turn(milliseconds(1));
    heard->when_writable = [] { ADD_FAILURE() << "nothing after cancel()"; };
    call->cancel();
    go = true;
    EXPECT_TRUE(failed(Kind::kCancelled, 1));
    EXPECT_EQ(counters.connections_open.load(), 0);
    EXPECT_FALSE(heard->over());
    // From inside on_writable(), too.
    go = false;
    call = start(server, streamed());
    heard->when_writable = [&] { call->cancel(); };
    while (call->write_body(std::string(100'000, 'x'))) driver.loop().turn(milliseconds(1));
    go = true;
    EXPECT_TRUE(failed(Kind::kCancelled, 2));
    EXPECT_EQ(counters.connections_open.load(), 0);
    EXPECT_EQ(heard->writables, 1);
    EXPECT_FALSE(heard->over());
}

TEST_F(ClientStreamTest, anEarlyRefusalStopsTheSendingAndCostsTheConnection) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
        peer.closed_by_client();
    });
    CallPtr call = start(server, streamed());
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->head->status, 413);
    EXPECT_EQ(heard->body, "no!");
    EXPECT_EQ(heard->ends, 1);
    EXPECT_TRUE(call->write_body("dropped"));
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
    // As with a whole body that the upstream does not want to read.
    ClientRequest big = get("/", "POST");
    big.body.assign(std::size_t{32} * 1024 * 1024, 'x');
    const auto refused = ask(server, std::move(big));
    EXPECT_EQ(refused->ends, 1);
    EXPECT_EQ(refused->head->status, 413);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientStreamTest, anEarlyRefusalWakesAWriterThatWaits) {
    std::atomic<bool> go{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        while (!go) ::poll(nullptr, 0, 1);
        peer.send("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
        EXPECT_TRUE(peer.closed_by_client());
    });
    CallPtr call = start(server, streamed());
    while (call->write_body(std::string(100'000, 'x'))) driver.loop().turn(milliseconds(1));
    go = true;
    ASSERT_TRUE(driver.until([&] { return heard->body == "ab" && heard->writables == 1; }));
    EXPECT_TRUE(call->write_body(std::string(1'000'000, 'x'))) << "dropped, not queued";
    call->cancel();
}

TEST_F(ClientStreamTest, anAnswerMayGrowWithItsRequest) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 3; ++i) peer.send("1\r\n" + peer.read(6).substr(3, 1) + "\r\n");
        peer.read_until("0\r\n\r\n");
        peer.send("0\r\n\r\n");
        peer.request();
        peer.answer("next");
    });
    CallPtr call = start(server, streamed());
    for (const std::string_view letter : {"a", "b", "c"}) {
        call->write_body(letter);
        ASSERT_TRUE(driver.until([&] { return heard->body.ends_with(letter); }));
    }
    call->finish_body();
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "abc");
    EXPECT_EQ(ask(server)->body, "next");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientStreamTest, anAnswerThatEndsBeforeItsRequestCostsTheConnection) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer(peer.number == 0 ? "early" : "next");
        EXPECT_TRUE(peer.closed_by_client());
    });
    start(server, streamed());
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "early");
    EXPECT_EQ(ask(server)->body, "next");
    EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientStreamTest, anAnswerSentBeforeTheConnectionWasClosedIsStillHeard) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        ::shutdown(peer.descriptor(), SHUT_RDWR);
    });
    ClientRequest big = get("/", "POST");
    big.body.assign(std::size_t{32} * 1024 * 1024, 'x');
    const auto answered = ask(server, std::move(big));
    // The kernel may have thrown the answer away with the reset; a failure is never an answer, and never safe.
    if (answered->failure) {
        EXPECT_EQ(answered->failure->kind, Kind::kReset);
        EXPECT_FALSE(answered->failure->safe_to_retry);
    } else {
        EXPECT_EQ(answered->head->status, 403);
        EXPECT_EQ(answered->body, "no");
    }
}

TEST_F(ClientStreamTest, aTunnelCarriesBytesBothWaysUntilTheOtherSideEnds) {
    ScriptedServer server([](Peer& peer) {
        const std::string head = peer.request();
        EXPECT_NE(head.find("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: abc\r\n\r\nhello ");
        EXPECT_EQ(peer.read(5), "ping!");
        peer.send("pong!");
        EXPECT_TRUE(peer.closed_by_client()) << "the half-close of the client's side";
        peer.send(" bye");
    });
    ClientRequest request = get("/socket");
    request.upgrade = "websocket";
    CallTimes times;
    times.idle_max = seconds(60);
    times.total_max = seconds(2);
    CallPtr call = start(server, std::move(request), times);
    ASSERT_TRUE(driver.until([&] { return heard->tunnel.has_value(); }));
    EXPECT_EQ(heard->tunnel->status, 101);
    EXPECT_EQ(heard->tunnel->headers.get("Sec-WebSocket-Accept"), "abc");
    EXPECT_FALSE(heard->tunnel->headers.get("Upgrade").has_value());
    driver.turn_for(milliseconds(2200));
    EXPECT_FALSE(heard->over()) << "a tunnel is free of the total time";
    EXPECT_TRUE(call->write_body("ping!"));
    ASSERT_TRUE(driver.until([&] { return heard->body == "hello pong!"; }));
    call->finish_body();
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "hello pong! bye");
    EXPECT_EQ(heard->ends, 1);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientStreamTest, aTunnelWithoutABytePassesItsTime) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
        EXPECT_TRUE(peer.closed_by_client());
    });
    ClientRequest request = get();
    request.upgrade = "websocket";
    CallTimes times;
    times.idle_max = milliseconds(80);
    start(server, std::move(request), times);
    ASSERT_TRUE(over());
    expect_failure(*heard, Kind::kTimeout, Stage::kBody, false);
}

TEST_F(ClientStreamTest, anUpgradeThatIsDeclinedIsAnOrdinaryAnswer) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("no sockets here");
        peer.request();
        peer.answer("next");
    });
    ClientRequest request = get();
    request.upgrade = "websocket";
    start(server, std::move(request));
    ASSERT_TRUE(over());
    EXPECT_EQ(heard->body, "no sockets here");
    EXPECT_EQ(ask(server)->body, "next");
    EXPECT_EQ(server.connections(), 1);
}

}  // namespace
}  // namespace tidegate::http
