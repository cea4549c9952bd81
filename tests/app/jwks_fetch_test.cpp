// The issuer's keys over the network: rotation is followed, and whatever is not a whole JWKS from the place itself is not taken.
#include "app/jwks_fetch.h"

#include <gmock/gmock.h>

#include "http/client/client_counters.h"
#include "http/client/make_client.h"
#include "http_client/scripted_server.h"
#include "http_client/tls_peer.h"
#include "pipeline_identity/fixture.h"
#include "pipeline_identity/token_maker.h"
#include "support/loop_driver.h"

namespace tidegate::app {
namespace {

using namespace std::chrono_literals;
using http::Peer;
using http::ScriptedServer;
using http::testing_tls::Authority;
using http::testing_tls::TlsPeer;
using pipeline::testing::jwks;
using pipeline::testing::RsaKey;
using ::testing::HasSubstr;

class JwksFetchTest : public ::testing::Test {
  protected:
    void SetUp() override {
        pipeline::testing::load(settings);
        two_keys();  // Made here: it takes longer than a short patience allows.
    }
    void TearDown() override { leave(); }

    /// From the place in the settings, with the times of `patience`.
    void open(const std::string& url, http::NameCache::Fetch look_up = http::look_up_addresses) {
        settings.jwt.jwks_url = url;
        auto place = jwks_place(settings.jwt);
        ASSERT_TRUE(place) << place.error().message;
        http::CallTimes times;
        times.connect_max = times.first_byte_max = times.idle_max = patience;
        times.total_max = 3 * patience;
        fetcher.emplace(*std::move(place), times);
        source.emplace(settings.jwt, clock, disk, counters);
        source->set_fetch(fetcher->function());
        source->set_listener([this](const pipeline::JwksStatus& status) { told.push_back(status.failure); });
        parts.emplace(driver.loop(), 0U);
        parts->client = http::make_client(driver.loop(), pool, {}, client_counters, std::move(look_up));
    }
    void open(const ScriptedServer& server) { open("http://127.0.0.1:" + std::to_string(server.port()) + "/keys?v=1"); }
    void join() { fetcher->on_loop_start(*parts); }
    void leave() {
        if (parts) fetcher->on_loop_stop(*parts);
        parts.reset();
    }
    /// Asks anew and turns the loop until that has ended.
    std::string refresh() {
        const auto ended = [this] { return counters.jwks_read.value() + counters.jwks_failures.value(); };
        const auto before = ended();
        EXPECT_TRUE(source->refresh());
        EXPECT_TRUE(driver.until([&] { return ended() > before; }));
        return source->status().failure;
    }
    static const std::string& one_key() {
        static const RsaKey key;
        static const std::string document = jwks(key.jwk("k1"));
        return document;
    }
    static const std::string& two_keys() {
        static const RsaKey key;
        static const std::string document = one_key().substr(0, one_key().size() - 2) + "," + key.jwk("k2") + "]}";
        return document;
    }

    Duration patience = 60s;  // A busy machine is not to make a time-out of what comes.
    testing::LoopDriver driver;
    runtime::WorkerPool pool{"names", 1, 16};
    http::ClientCounters client_counters;
    ManualClock clock;
    pipeline::testing::MemoryDisk disk;
    pipeline::IdentityCounters counters;
    pipeline::IdentitySettings settings;
    std::vector<std::string> told;
    std::optional<JwksFetcher> fetcher;
    std::optional<pipeline::JwksSource> source;
    std::optional<pipeline::LoopParts> parts;
};

TEST_F(JwksFetchTest, AskedBeforeTheLoopRunsItIsFetchedWhenItDoes) {
    std::string asked;
    ScriptedServer server([&](Peer& peer) {
        asked = peer.request();
        peer.answer(one_key());
    });
    open(server);
    source->refresh_when_due();
    EXPECT_TRUE(source->status().is_degraded()) << "no token can be judged yet";
    join();
    ASSERT_TRUE(driver.until([&] { return source->keys() != nullptr; }));
    EXPECT_TRUE(source->keys()->has("k1"));
    EXPECT_FALSE(source->status().is_degraded());
    EXPECT_THAT(asked, HasSubstr("GET /keys?v=1 HTTP/1.1\r\n"));
    EXPECT_THAT(asked, HasSubstr("Accept: application/jwk-set+json"));
    EXPECT_THAT(told, ::testing::ElementsAre(""));
}

TEST_F(JwksFetchTest, ATokenOfANewKeyBringsItInWithinAMinuteOfTheLastLook) {
    std::atomic<bool> rotated{false};
    ScriptedServer server([&](Peer& peer) {
        while (!peer.request().empty()) peer.answer(rotated ? two_keys() : one_key());
    });
    open(server);
    join();
    EXPECT_EQ(refresh(), "");
    rotated = true;
    EXPECT_FALSE(source->want_key()) << "whoever makes up key ids must not make us ask the issuer each time";
    clock.advance(1min);
    EXPECT_TRUE(source->want_key());
    EXPECT_TRUE(driver.until([&] { return source->keys()->has("k2"); }));
    EXPECT_TRUE(source->keys()->has("k1"));
}

TEST_F(JwksFetchTest, WhileItCannotBeHadTheFormerKeysStayAndItRecovers) {
    std::atomic<int> state{0};
    ScriptedServer server([&](Peer& peer) {
        if (state == 0) return peer.close();
        while (!peer.request().empty()) {
            if (state == 1) peer.answer(one_key());
            if (state == 2) peer.send("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno");
            if (state == 3) peer.answer(two_keys());
        }
    });
    open(server);
    join();
    EXPECT_NE(refresh(), "");
    EXPECT_EQ(source->keys(), nullptr);
    state = 1;
    EXPECT_EQ(refresh(), "");
    state = 2;
    EXPECT_THAT(refresh(), HasSubstr("it answered 500"));
    EXPECT_TRUE(source->keys()->has("k1"));
    EXPECT_TRUE(source->status().is_degraded());
    state = 3;
    EXPECT_EQ(refresh(), "");
    EXPECT_TRUE(source->keys()->has("k2"));
    EXPECT_EQ(told.size(), 4U) << "each change is told once";
}

TEST_F(JwksFetchTest, WhatIsNotAWholeJwksIsNotTaken) {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const std::string long_one(pipeline::TokenKeys::kBytesMax + 1, ' ');
    const std::vector<std::pair<std::string, std::string>> answers = {
        {head + "Content-Length: 900000000\r\n\r\n{", "longer than 256 KiB"},
        {head + "\r\n" + long_one, "longer than 256 KiB"},
        {head + "Content-Length: 6\r\n\r\n<html>", ""},
        {head + "Content-Length: 11\r\n\r\n{\"keys\":[]}", ""},
        {head + "Content-Length: 100\r\n\r\n" + one_key().substr(0, 20), "reset"},
        {"SSH-2.0-x\r\n\r\n", "protocol"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "it answered 204"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it answered 404"},
        {head + "Content-Length: 500\r\n\r\n{\"keys\"", "timeout"},
        {"", "timeout"},
    };
    std::atomic<std::size_t> at{0};
    ScriptedServer server([&](Peer& peer) {
        const std::size_t mine = at;
        peer.request();
        peer.send(answers[mine].first);
        if (answers[mine].second == "timeout") peer.closed_by_client();
    });
    for (at = 0; at < answers.size(); ++at) {
        SCOPED_TRACE(answers[at].first.substr(0, 60));
        leave();
        patience = answers[at].second == "timeout" ? Duration(200ms) : Duration(60s);
        open(server);
        join();
        const std::string failure = refresh();
        EXPECT_NE(failure, "");
        EXPECT_THAT(failure, HasSubstr(answers[at].second));
        EXPECT_EQ(source->keys(), nullptr);
    }
    EXPECT_EQ(counters.jwks_failures.value(), answers.size());
}

TEST_F(JwksFetchTest, OneThatDripsIsGivenUpInTime) {
    ScriptedServer server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.send(" ")) ::poll(nullptr, 0, 20);
    });
    patience = 200ms;
    open(server);
    join();
    EXPECT_THAT(refresh(), HasSubstr("timeout"));
}

TEST_F(JwksFetchTest, ARedirectIsNotFollowed) {
    ScriptedServer elsewhere([](Peer& peer) {
        peer.request();
        peer.answer(one_key());
    });
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + std::to_string(elsewhere.port()) +
                  "/\r\nContent-Length: 0\r\n\r\n");
    });
    open(server);
    join();
    EXPECT_THAT(refresh(), HasSubstr("redirects are not followed"));
    EXPECT_EQ(elsewhere.connections(), 0);
    EXPECT_EQ(source->keys(), nullptr);
}

TEST_F(JwksFetchTest, ANameThatLeadsToTheMetadataOfACloudIsNotAsked) {
    open("http://id.test/keys", [](const std::string&) { return http::look_up_addresses("169.254.169.254"); });
    join();
    EXPECT_THAT(refresh(), HasSubstr("link-local"));
}

TEST_F(JwksFetchTest, OverTlsOnlyTheRightAuthorityAndNameAreBelieved) {
    const Authority authority;
    const Authority other;
    ScriptedServer server([&](Peer& peer) {
        TlsPeer tls(peer, authority);
        if (tls.accepted() && !tls.request().empty()) tls.answer(one_key());
    });
    const auto here = [](const std::string&) { return http::look_up_addresses("127.0.0.1"); };
    const std::string port = std::to_string(server.port());
    for (const auto& [name, file] : {std::pair("wrong.test", authority.file), std::pair("good.test", other.file),
                                     std::pair("good.test", std::string())}) {
        settings.jwt.jwks_ca_file = file;
        open(std::string("https://") + name + ":" + port + "/keys", here);
        join();
        EXPECT_THAT(refresh(), HasSubstr("tls"));
        leave();
    }
    settings.jwt.jwks_ca_file = authority.file;
    open("https://good.test:" + port + "/keys", here);
    join();
    EXPECT_EQ(refresh(), "");
}

TEST_F(JwksFetchTest, AfterTheLoopHasEndedItFails) {
    ScriptedServer server([](Peer&) { ADD_FAILURE() << "nothing may come"; });
    open(server);
    join();
    leave();
    source->refresh_when_due();
    EXPECT_THAT(source->status().failure, HasSubstr("ending"));
}

TEST_F(JwksFetchTest, ALoopThatEndsInTheMiddleOfAFetchLeavesNothingBehind) {
    std::atomic<bool> asked{false};
    ScriptedServer server([&](Peer& peer) {
        peer.request();
        asked = true;
        peer.closed_by_client();
    });
    open(server);
    join();
    source->refresh_when_due();
    ASSERT_TRUE(driver.until([&] { return asked.load(); }));
    leave();
    EXPECT_EQ(source->keys(), nullptr);
}

TEST_F(JwksFetchTest, APlaceThatCannotBeOneIsRefusedAtTheStart) {
    const auto reason = [this](const std::string& url) {
        settings.jwt.jwks_url = url;
        const auto place = jwks_place(settings.jwt);
        return place ? "taken: " + place->target : place.error().message;
    };
    for (const char* url :
         {"http://169.254.169.254/latest", "http://metadata.google.internal/", "https://me:secret@id.example/keys",
          "https://id.example/keys#part", "https://id.example/a b", "https:///keys", "https://id.example:0/"}) {
        EXPECT_THAT(reason(url), HasSubstr("jwt.jwks_url")) << url;
        EXPECT_THAT(reason(url), ::testing::Not(HasSubstr("secret")));
    }
    EXPECT_EQ(reason("https://id.example"), "taken: /");
    EXPECT_EQ(reason("https://id.example?x=1"), "taken: /?x=1");
    EXPECT_EQ(reason("https://id.example:8443/a/b?x=/1"), "taken: /a/b?x=/1");
    settings.jwt.jwks_ca_file = "ca.pem";
    EXPECT_THAT(reason("http://id.example/keys"), HasSubstr("jwt.jwks_ca_file"));
}

}  // namespace
}  // namespace tidegate::app
