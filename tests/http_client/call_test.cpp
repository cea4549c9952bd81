// Calls that go well: what arrives at the upstream, what comes back, and on which connection.
#include <gtest/gtest.h>

#include <string>

#include "http_client/client_fixture.h"

namespace tidegate::http {
namespace {

TEST_F(ClientTest, callsOneAfterTheOtherUseOneConnection) {
    ScriptedServer server([](Peer& peer) {
        for (int i = 0; i < 5; ++i) {
            const std::string request = peer.request();
            EXPECT_EQ(request, "GET /" + std::to_string(i) +
                                   " HTTP/1.1\r\nHost: 127.0.0.1:" + request.substr(request.rfind(':') + 1));
            peer.answer("body " + std::to_string(i), "X-Number: " + std::to_string(peer.number) + "\r\n");
        }
        EXPECT_TRUE(peer.closed_by_client());
    });
    for (int i = 0; i < 5; ++i) {
        const auto heard = ask(server, get("/" + std::to_string(i)));
        ASSERT_EQ(heard->ends, 1);
        EXPECT_EQ(heard->head->status, 200);
        EXPECT_EQ(heard->head->headers.get("x-number"), "0");
        EXPECT_EQ(heard->body, "body " + std::to_string(i));
    }
    EXPECT_TRUE(counted(counters.connections_idle, std::int64_t{1}));
    EXPECT_EQ(counters.calls.load(), 5U);
    EXPECT_EQ(counters.connections_opened.load(), 1U);
    EXPECT_EQ(counters.connections_reused.load(), 4U);
    EXPECT_EQ(counters.connections_open.load(), 1);
    EXPECT_EQ(counters.calls_waiting.load(), 0);
    EXPECT_EQ(counters.name_lookups.load(), 0U) << "a numeric address needs none";
    EXPECT_GT(counters.bytes_out.load(), 5U * 30);
    EXPECT_GT(counters.bytes_in.load(), 5U * 40);
    client.reset();
    EXPECT_EQ(counters.connections_open.load(), 0);
    EXPECT_EQ(counters.connections_idle.load(), 0);
}

TEST_F(ClientTest, callsToDifferentOriginsDoNotShareConnections) {
    ScriptedServer a([](Peer& peer) {
        while (!peer.request().empty()) peer.answer("a");
    });
    ScriptedServer b([](Peer& peer) {
        while (!peer.request().empty()) peer.answer("b");
    });
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(ask(a)->body, "a");
        EXPECT_EQ(ask(b)->body, "b");
    }
    Origin named = origin(a.port());
    named.host = "localhost";
    EXPECT_EQ(ask(named, get())->body, "a");
    EXPECT_EQ(a.connections(), 2);
    EXPECT_EQ(b.connections(), 1);
}

TEST_F(ClientTest, aConnectionIsNotKeptWhereTheAnswerForbidsIt) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        if (peer.number == 0) peer.answer("0", "Connection: close\r\n");
        if (peer.number == 1) peer.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1");
        if (peer.number == 2) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2surplus");
        if (peer.number == 3) peer.answer("3");
        EXPECT_TRUE(peer.closed_by_client());
    });
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(server)->body, std::to_string(i));
    EXPECT_EQ(server.connections(), 4);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{1}));
}

TEST_F(ClientTest, answersWithoutABodyLeaveTheConnectionInOrder) {
    ScriptedServer server([](Peer& peer) {
        EXPECT_TRUE(peer.request().starts_with("HEAD "));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        peer.request();
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.request();
        peer.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n");
        peer.request();
        peer.answer("last");
    });
    const auto head = ask(server, get("/", "HEAD"));
    EXPECT_FALSE(head->head->has_body);
    EXPECT_EQ(head->head->content_length, 1000U);
    EXPECT_EQ(ask(server)->head->status, 204);
    EXPECT_EQ(ask(server)->head->status, 304);
    EXPECT_EQ(ask(server)->body, "last");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, interimAnswersAreHandedOnButNot100) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        peer.answer("x");
        peer.closed_by_client();
    });
    const auto heard = ask(server);
    EXPECT_EQ(heard->interims, std::vector{103});
    EXPECT_EQ(heard->body, "x");
}

TEST_F(ClientTest, aWholeBodyArrivesWhateverItsSize) {
    ScriptedServer server([](Peer& peer) {
        for (std::string head = peer.request(); !head.empty(); head = peer.request()) {
            const std::size_t at = head.find("Content-Length: ");
            ASSERT_NE(at, std::string::npos);
            peer.answer(peer.read(std::stoul(head.substr(at + 16))));
        }
    });
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{8} * 1024 * 1024}) {
        ClientRequest request = get("/", "POST");
        request.body.resize(bytes);
        for (std::size_t i = 0; i < bytes; ++i) request.body[i] = static_cast<char>('a' + i % 23);
        const std::string expected = request.body;
        EXPECT_TRUE(ask(server, std::move(request))->body == expected) << bytes;
    }
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, aChunkedAnswerWithTrailersComesWhole) {
    ScriptedServer server([](Peer& peer) {
        for (int i = 0; i < 2; ++i) {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (int chunk = 0; chunk < 100; ++chunk) peer.send("a\r\n0123456789\r\n");
            peer.send("0\r\nX-Sum: 1\r\n\r\n");
        }
        peer.closed_by_client();
    });
    EXPECT_EQ(ask(server)->body.size(), 1000U);
    EXPECT_EQ(ask(server)->body.size(), 1000U);
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, aNameIsLookedUpOnceForAllWhoAskTogether) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("x", "Connection: close\r\n");
    });
    std::atomic<int> asked{0};
    make({}, [&](const std::string& name) -> Result<Addresses> {
        EXPECT_EQ(name, "service.test");
        ++asked;
        return look_up_addresses("127.0.0.1");
    });
    Origin named = origin(server.port());
    named.host = "service.test";
    std::vector<std::shared_ptr<Heard>> all;
    for (int i = 0; i < 8; ++i) client->start(named, get(), {}, all.emplace_back(std::make_shared<Heard>()));
    for (const auto& heard : all) EXPECT_TRUE(driver.until([&] { return heard->ends == 1; }));
    EXPECT_EQ(ask(named, get())->ends, 1);
    EXPECT_EQ(asked.load(), 1);
    EXPECT_TRUE(counted(counters.name_lookups, std::uint64_t{1}));
}

TEST_F(ClientTest, aNameIsLookedUpAgainAfterItsTime) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("x", "Connection: close\r\n");
    });
    std::atomic<int> asked{0};
    ClientOptions options;
    options.resolve_ttl = milliseconds(1);
    make(options, [&](const std::string&) {
        ++asked;
        return look_up_addresses("127.0.0.1");
    });
    Origin named = origin(server.port());
    named.host = "service.test";
    EXPECT_EQ(ask(named, get())->ends, 1);
    driver.turn_for(milliseconds(5));
    EXPECT_EQ(ask(named, get())->ends, 1);
    EXPECT_EQ(asked.load(), 2);
}

TEST_F(ClientTest, theAddressesOfANameAreTriedInTurn) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.answer("second");
    });
    make({}, [](const std::string&) {
        Addresses out = look_up_addresses("127.0.0.2").value();  // Nobody listens there.
        out.push_back(look_up_addresses("127.0.0.1").value().front());
        return Result<Addresses>(out);
    });
    Origin named = origin(server.port());
    named.host = "service.test";
    EXPECT_EQ(ask(named, get())->body, "second");
}

TEST_F(ClientTest, aCallMayBeStartedFromTheEndOfAnother) {
    ScriptedServer server([](Peer& peer) {
        while (!peer.request().empty()) peer.answer("x");
    });
    auto second = std::make_shared<Heard>();
    auto first = std::make_shared<Heard>();
    first->when_over = [&] { client->start(origin(server.port()), get(), {}, second); };
    client->start(origin(server.port()), get(), {}, first);
    EXPECT_TRUE(driver.until([&] { return second->over(); }));
    EXPECT_EQ(second->body, "x");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, aHandlerIsLetGoWithItsCall) {
    ScriptedServer server([](Peer& peer) {
        while (!peer.request().empty()) peer.answer("x");
    });
    const auto heard = std::make_shared<Heard>();
    const CallPtr call = client->start(origin(server.port()), get(), {}, heard);
    EXPECT_GT(heard.use_count(), 1);
    EXPECT_TRUE(driver.until([&] { return heard->over(); }));
    EXPECT_EQ(heard.use_count(), 1);
    // Everything may still be said to a call that is over.
    EXPECT_TRUE(call->write_body("x"));
    call->finish_body();
    call->resume();
    call->cancel();
    EXPECT_EQ(ask(server)->body, "x");
    EXPECT_EQ(server.connections(), 1);
}

}  // namespace
}  // namespace tidegate::http
