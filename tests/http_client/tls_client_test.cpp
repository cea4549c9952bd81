// TLS towards an upstream, with a certificate authority made here.
#include <gtest/gtest.h>

#include <string>

#include "http_client/client_fixture.h"
#include "http_client/tls_peer.h"

namespace tidegate::http {
namespace {

using testing_tls::Authority;
using testing_tls::TlsPeer;

class TlsClientTest : public ClientTest {
  protected:
    Origin secure(std::uint16_t port, std::string host = "127.0.0.1") const {
        Origin out;
        out.host = std::move(host);
        out.port = port;
        out.tls = true;
        out.ca_file = authority.file;
        return out;
    }
    /// Every name leads to this machine.
    void make_with_names() {
        make({}, [](const std::string&) { return look_up_addresses("127.0.0.1"); });
    }
    const Authority authority;
};

TEST_F(TlsClientTest, aCertificateForTheAddressHoldsAndTheConnectionIsKept) {
    ScriptedServer server([&](Peer& peer) {
        TlsPeer tls(peer, authority);
        ASSERT_TRUE(tls.accepted());
        EXPECT_EQ(tls.asked_name(), "") << "an address is no name to ask for";
        while (!tls.request().empty()) tls.answer("secret");
    });
    for (int i = 0; i < 3; ++i) {
        const auto heard = ask(secure(server.port()), get());
        EXPECT_FALSE(heard->failure) << heard->failure->detail;
        EXPECT_EQ(heard->body, "secret");
        // Tickets that come late must not look like an answer nobody asked for.
        driver.turn_for(milliseconds(10));
    }
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(TlsClientTest, theNameIsAskedForAndChecked) {
    make_with_names();
    std::atomic<int> good{0};
    ScriptedServer server([&](Peer& peer) {
        TlsPeer tls(peer, authority);
        if (!tls.accepted()) return;
        if (tls.asked_name() == "good.test") ++good;
        while (!tls.request().empty()) tls.answer("x");
    });
    EXPECT_EQ(ask(secure(server.port(), "good.test"), get())->body, "x");
    EXPECT_EQ(good.load(), 1);
    const auto wrong = ask(secure(server.port(), "wrong.test"), get());
    expect_failure(*wrong, Kind::kTls, Stage::kConnect, true);
    EXPECT_NE(wrong->failure->detail.find("ostname mismatch"), std::string::npos) << wrong->failure->detail;
    Origin named = secure(server.port(), "wrong.test");
    named.server_name = "good.test";
    EXPECT_EQ(ask(named, get())->body, "x");
    Origin careless = secure(server.port(), "wrong.test");
    careless.verify = false;
    EXPECT_EQ(ask(careless, get())->body, "x");
}

TEST_F(TlsClientTest, anUnknownAuthorityIsRefused) {
    ScriptedServer server([&](Peer& peer) { TlsPeer tls(peer, authority); });
    Origin system = secure(server.port());
    system.ca_file.clear();
    expect_failure(*ask(system, get()), Kind::kTls, Stage::kConnect, true);
    const Authority other;
    Origin another = secure(server.port());
    another.ca_file = other.file;
    expect_failure(*ask(another, get()), Kind::kTls, Stage::kConnect, true);
    Origin missing = secure(server.port());
    missing.ca_file = authority.folder + "/none.pem";
    expect_failure(*ask(missing, get()), Kind::kTls, Stage::kConnect, true);
    EXPECT_TRUE(failed(Kind::kTls, 3));
}

TEST_F(TlsClientTest, aServerThatSpeaksNoTlsFailsTheHandshake) {
    ScriptedServer server([](Peer& peer) {
        peer.read(1);
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.closed_by_client();
    });
    expect_failure(*ask(secure(server.port()), get()), Kind::kTls, Stage::kConnect, true);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(TlsClientTest, aHandshakeThatHangsIsGivenUp) {
    ScriptedServer server([](Peer& peer) { EXPECT_TRUE(peer.closed_by_client()); });
    CallTimes times;
    times.connect_max = milliseconds(150);
    expect_failure(*ask(secure(server.port()), get(), times), Kind::kTimeout, Stage::kConnect, true);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(TlsClientTest, bigBodiesPassBothWaysWithPauses) {
    std::string body(4 * 1024 * 1024, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i * 11 % 26);
    ScriptedServer server([&](Peer& peer) {
        TlsPeer tls(peer, authority);
        tls.request();
        tls.answer(tls.read(body.size()));
        tls.request();
        tls.answer("next");
    });
    ClientRequest request = get("/", "POST");
    request.body = body;
    auto heard = std::make_shared<Heard>();
    int pauses = 0;
    heard->when_body = [&] { return ++pauses % 5 != 0; };
    const CallPtr call = client->start(secure(server.port()), std::move(request), {}, heard);
    ASSERT_TRUE(driver.until([&] {
        // Resumed from outside, in every turn.
        call->resume();
        return heard->over();
    }));
    EXPECT_FALSE(heard->failure) << heard->failure->detail;
    EXPECT_TRUE(heard->body == body);
    EXPECT_EQ(ask(secure(server.port()), get())->body, "next");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(TlsClientTest, aBodyUntilTheEndNeedsAProperGoodbye) {
    ScriptedServer server([&](Peer& peer) {
        TlsPeer tls(peer, authority);
        tls.request();
        tls.send("HTTP/1.1 200 OK\r\n\r\n12345");
        if (peer.number == 0) tls.say_goodbye();
    });
    EXPECT_EQ(ask(secure(server.port()), get())->ends, 1);
    expect_failure(*ask(secure(server.port()), get()), Kind::kReset, Stage::kBody, false);
}

}  // namespace
}  // namespace tidegate::http
