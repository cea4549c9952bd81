// A key that is revoked, or a key or token that expires, while its answer runs: streams of an upstream, of our own, and tunnels
// end, and do not look whole.
#include "base/clock.h"
#include "pipeline_identity/token_maker.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateRevocation : public GateFixture {
  protected:
    void SetUp() override {
        upstream_.on("/events", [](UpstreamCall& call) {
            call.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            call.send("9\r\ndata: 1\n\n\r\n");
            call.wait_gone();
        });
        upstream_.on("/ws", [](UpstreamCall& call) {
            call.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            call.send("hello");
            call.wait_gone();
        });
        keep_ = create("kept");
        key_ = create("revoked");
        server_ = start(settings("  events: {path: /events, upstream: app, cache: {mode: \"off\"}}\n"
                                 "  ws: {path: /ws, upstream: app, websocket: true, cache: {mode: \"off\"}}\n",
                                 "jwt: {secret: " + std::string(kSecret) + ", leeway_s: 0}\n"),
                        {"--identity.required=optional"});
        ASSERT_NE(server_, nullptr);
    }
    std::string create(const std::string& name) const {
        const RunResult made = run_binary({"keys", "create", "--data-dir=" + folder_.path(), "--name", name});
        EXPECT_EQ(made.status, 0) << made.error;
        return made.out.substr(0, made.out.find('\n'));
    }
    static HeaderList bearer(const std::string& key, HeaderList more = {}) {
        more.emplace_back("Authorization", "Bearer " + key);
        return more;
    }
    void revoke() const {
        ASSERT_EQ(run_binary({"keys", "revoke", key_.substr(3, 12), "--data-dir=" + folder_.path()}).status, 0);
    }
    static std::string token(std::int64_t expires_in_s) {
        const std::int64_t end = SystemClock().unix_ms() / 1000 + expires_in_s;
        return pipeline::testing::hs256(kSecret, R"({"sub":"ada","scope":"*","exp":)" + std::to_string(end) + "}");
    }
    /// The log is written behind what it tells of.
    bool is_logged(std::string_view words) const {
        return ask_until([&] { return server_->log().contains(words); }, [](bool there) { return there; });
    }
    double cut() const { return metric(server_->port(), "tidegate_identity_streams_cut_total"); }

    static constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";
    std::string keep_;
    std::string key_;
    Process server_;
};

TEST_F(GateRevocation, AStreamOfAnUpstreamIsCutWithinASecondAndOthersGoOn) {
    RawClient dead(server_->port());
    RawClient alive(server_->port());
    dead.send(request_text("GET", "/events", {}, bearer(key_)));
    alive.send(request_text("GET", "/events", {}, bearer(keep_)));
    ASSERT_TRUE(dead.wait_for("data: 1\n\n"));
    ASSERT_TRUE(alive.wait_for("data: 1\n\n"));
    revoke();
    const auto begin = std::chrono::steady_clock::now();
    const auto rest_of_it = dead.receive_all();
    // A quarter of a second until it is seen, half a one until it is acted on; the rest is a busy machine's.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
    ASSERT_TRUE(rest_of_it.has_value());
    EXPECT_EQ(rest_of_it->find("\r\n0\r\n\r\n"), std::string::npos) << "it must not look whole";
    EXPECT_TRUE(upstream_.wait_left(1)) << "the upstream works on for nobody";
    EXPECT_EQ(cut(), 1);
    EXPECT_TRUE(is_logged("The key was revoked."));
    alive.receive();
    EXPECT_FALSE(alive.closed_by_server(std::chrono::milliseconds(700))) << "longer than one look at the streams";
    EXPECT_EQ(cut(), 1);
}

TEST_F(GateRevocation, AStreamOfATokenThatExpiresIsCutAndOthersGoOn) {
    RawClient dead(server_->port());
    RawClient old(server_->port());
    RawClient alive(server_->port());
    dead.send(request_text("GET", "/events", {}, bearer(token(8))));
    old.send("GET /events HTTP/1.0\r\nAuthorization: Bearer " + token(8) + "\r\n\r\n");
    alive.send(request_text("GET", "/events", {}, bearer(token(3600))));
    for (RawClient* client : {&dead, &old, &alive}) ASSERT_TRUE(client->wait_for("data: 1\n\n"));
    // At most eight seconds until the end, which a machine that stalls may need to begin; half a one until it is seen.
    const auto begin = std::chrono::steady_clock::now();
    const RawResponse broken = dead.response();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
    EXPECT_EQ(broken.status, 200);
    EXPECT_FALSE(broken.complete);
    EXPECT_FALSE(old.response().complete) << "without chunks only a reset can say so";
    EXPECT_TRUE(upstream_.wait_left(2)) << "the upstream works on for nobody";
    EXPECT_EQ(cut(), 2);
    EXPECT_TRUE(is_logged("The token has expired."));
    alive.receive();
    EXPECT_FALSE(alive.closed_by_server(std::chrono::milliseconds(700))) << "longer than one look at the streams";
    EXPECT_EQ(cut(), 2);
}

TEST_F(GateRevocation, ATunnelIsCut) {
    RawClient client(server_->port());
    client.send(request_text("GET", "/ws", {}, bearer(key_, {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}})));
    ASSERT_TRUE(client.wait_for("hello"));
    revoke();
    EXPECT_TRUE(client.receive_all().has_value());
    EXPECT_TRUE(upstream_.wait_left(1));
    EXPECT_EQ(cut(), 1);
}

TEST_F(GateRevocation, AStreamThatHasEndedIsNothingToCut) {
    upstream_.on("/events", 200, std::string(100'000, 'x'));
    RawClient client(server_->port());
    EXPECT_EQ(client.ask(request_text("GET", "/events", {}, bearer(key_))).body.size(), 100'000U);
    revoke();
    EXPECT_EQ(ask_until([&] { return client.ask(request_text("GET", "/events", {}, bearer(key_))).status; },
                        [](int got) { return got == 401; }),
              401);
    EXPECT_EQ(cut(), 0);
    // The connection itself is nobody's key.
    EXPECT_EQ(client.ask(request_text("GET", "/events", {}, bearer(keep_))).status, 200);
}

}  // namespace
}  // namespace tidegate::testing
