// Tokens of an issuer whose keys are fetched: nobody gets in before they are here, and rotation needs no restart.
#include "pipeline_identity/token_maker.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

using pipeline::testing::jwks;
using pipeline::testing::rs256;
using pipeline::testing::RsaKey;

class GateJwks : public GateFixture {
  protected:
    GateJwks() { upstream_.on("/a", 200, "ok"); }
    Process start_with(const std::string& url) const {
        return start(settings("  a: {path: /a, upstream: app, cache: {mode: \"off\"}}\n",
                              "jwt: {jwks_url: \"" + url + "\", issuer: us, audience: gate, jwks_refresh_s: 10}\n"),
                     {"--identity.required=optional"});
    }
    /// 2100: the tests' clock is the machine's.
    static std::string token(const RsaKey& key, const std::string& kid) {
        return rs256(key, R"({"iss":"us","aud":"gate","sub":"ada","exp":4102444800})",
                     R"({"alg":"RS256","kid":")" + kid + "\"}");
    }
    static RawResponse ask(std::uint16_t port, const std::string& token) {
        return get(port, "/a", {{"Authorization", "Bearer " + token}});
    }
    static std::string identity(std::uint16_t port) { return to_text(*health(port).root().find("identity")); }
    static bool is_200(int status) { return status == 200; }
};

TEST_F(GateJwks, UnreachableAtTheStartTokensWaitAndNobodyGetsIn) {
    const RsaKey key;
    const auto server = start_with("http://127.0.0.1:" + std::to_string(closed_port()) + "/keys");
    ASSERT_NE(server, nullptr) << "an issuer that is down must not keep the server down";
    const RawResponse waits = ask(server->port(), token(key, "k1"));
    expect_problem(waits, 503);
    EXPECT_NE(waits.header("retry-after"), "");
    // What no key could make right is wrong at once.
    expect_problem(ask(server->port(), "nonsense"), 401);
    EXPECT_EQ(upstream_.asked("/a"), 0U);
    const std::string said = ask_until([&] { return identity(server->port()); },
                                       [](const std::string& text) { return text.find("refused") != text.npos; });
    EXPECT_NE(said.find("\"degraded\":true"), std::string::npos) << said;
    EXPECT_NE(said.find("refused"), std::string::npos) << said;
    EXPECT_EQ(health(server->port()).root().find("status")->as_string(), "degraded");
    EXPECT_GE(metric(server->port(), "tidegate_identity_jwks_failures_total"), 1);
    EXPECT_GE(metric(server->port(), "tidegate_identity_refused_total{reason=\"token_keys\"}"), 1);
}

TEST_F(GateJwks, OnceTheIssuerAnswersTokensAreJudgedAndRotationIsFollowed) {
    const RsaKey first;
    const RsaKey second;
    std::atomic<int> state{0};
    upstream_.on("/keys", [&](UpstreamCall& call) {
        if (state == 0) return call.answer(500, "not now");
        call.answer(200, jwks(state == 1 ? first.jwk("k1") : second.jwk("k2")));
    });
    const auto server = start_with(upstream_.url() + "/keys");
    ASSERT_NE(server, nullptr);
    expect_problem(ask(server->port(), token(first, "k1")), 503);
    state = 1;
    const auto status_of = [&](const RsaKey& key, const char* kid) {
        return [&, kid] { return ask(server->port(), token(key, kid)).status; };
    };
    EXPECT_EQ(ask_until(status_of(first, "k1"), is_200), 200);
    EXPECT_NE(identity(server->port()).find("\"degraded\":false"), std::string::npos);
    // The log is written behind the answers.
    EXPECT_TRUE(ask_until([&] { return server->log().contains("\"jwks\""); }, [](bool there) { return there; }));
    // Not its key, and a key that nobody has.
    EXPECT_EQ(status_of(second, "k1")(), 401);
    EXPECT_NE(status_of(second, "k2")(), 200);
    state = 2;
    EXPECT_EQ(ask_until(status_of(second, "k2"), is_200), 200);
    EXPECT_EQ(status_of(first, "k1")(), 401) << "a key that was withdrawn opens nothing, remembered token or not";
    // Down again: what is known stays.
    state = 0;
    const auto failures = [&] { return metric(server->port(), "tidegate_identity_jwks_failures_total"); };
    const double before = failures();
    EXPECT_GT(ask_until(failures, [&](double now) { return now > before; }), before);
    EXPECT_EQ(status_of(second, "k2")(), 200);
}

TEST_F(GateJwks, AUrlThatCouldNotBeTrustedStopsTheStart) {
    for (const char* url : {"http://169.254.169.254/keys", "https://me:pw@id.example/keys", "ftp://id.example/keys"}) {
        const RunResult run = run_binary({"serve", "--port", "0", "--data-dir=" + folder_.path(), "--jwt.issuer=us",
                                          "--jwt.audience=gate", std::string("--jwt.jwks_url=") + url});
        EXPECT_GT(run.status, 0) << url;
        EXPECT_NE(run.error.find("jwt.jwks_url"), std::string::npos) << run.error;
    }
}

}  // namespace
}  // namespace tidegate::testing
