// Who may pass: keys from the command line and over the network, their scopes and their end, and who needs none.
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class GateIdentity : public GateFixture {
  protected:
    GateIdentity() {
        upstream_.on("/a", 200, "ok");
        upstream_.on("/flood", 200, "ok");
    }
    static constexpr const char* kRoutes =
        "  a: {path: /a, upstream: app, cache: {mode: \"off\"}}\n"
        "  flood: {path: /flood, upstream: app, family: flood, cache: {mode: \"off\"}}\n";
    std::string create(std::vector<std::string> words) const {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return made.out.substr(0, made.out.find('\n'));
    }
    static HeaderList bearer(const std::string& key) { return {{"Authorization", "Bearer " + key}}; }
    static int status(std::uint16_t port, const std::string& key, const char* path = "/a") {
        return get(port, path, bearer(key)).status;
    }
};

TEST_F(GateIdentity, OnLoopbackNobodyNeedsAKeyUntilItIsAskedFor) {
    const auto server = start(settings(kRoutes));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/a").status, 200);
    // A key that is sent is never ignored.
    EXPECT_EQ(status(server->port(), "tg_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 401);
}

TEST_F(GateIdentity, WithoutAKeyTheUpstreamIsNotAsked) {
    create({"any"});
    const auto server = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    const RawResponse without = get(server->port(), "/a");
    expect_problem(without, 401);
    EXPECT_NE(without.header("www-authenticate"), "");
    expect_problem(get(server->port(), "/a", bearer("nonsense")), 401);
    EXPECT_EQ(upstream_.asked("/a"), 0U);
}

TEST_F(GateIdentity, AKeyOpensTheFamiliesOfItsScopesOnly) {
    const std::string key = create({"floods", "--scope", "flood"});
    const auto server = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(status(server->port(), key, "/flood"), 200);
    const RawResponse refused = get(server->port(), "/a", bearer(key));
    expect_problem(refused, 403);
    EXPECT_NE(refused.header("www-authenticate"), "");
    EXPECT_EQ(upstream_.asked("/a"), 0U);
}

TEST_F(GateIdentity, AKeyMadeWhileTheServerRunsWorksWithoutARestart) {
    create({"first"});
    const auto server = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    const std::string key = create({"late"});
    EXPECT_EQ(ask_until([&] { return status(server->port(), key); }, [](int got) { return got == 200; }), 200);
}

TEST_F(GateIdentity, AKeyRevokedOverTheNetworkIsDeadWithTheAnswer) {
    const std::string admin = create({"boss", "--scope", "admin", "--scope", "*"});
    const auto server = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    HeaderList as_admin = bearer(admin);
    const RawResponse made = post(server->port(), "/api/keys", R"({"name":"app","tenant":"north"})", as_admin);
    ASSERT_LT(made.status, 300) << made.body;
    const json::Document shown = parse_json(made.body);
    const std::string key(shown.root().find("key")->as_string());
    const std::string id(shown.root().find("id")->as_string());
    EXPECT_EQ(status(server->port(), key), 200);
    // A connection that is already known is no way around it.
    RawClient open(server->port());
    EXPECT_EQ(open.ask(request_text("GET", "/a", {}, bearer(key))).status, 200);
    ASSERT_EQ(post(server->port(), "/api/keys/" + id + "/revoke", {}, as_admin).status, 200);
    EXPECT_EQ(open.ask(request_text("GET", "/a", {}, bearer(key))).status, 401);
    EXPECT_EQ(status(server->port(), key), 401);
    EXPECT_EQ(status(server->port(), admin), 200);
    // Who is no administrator makes no keys.
    const std::string plain = create({"plain"});
    EXPECT_EQ(ask_until([&] { return post(server->port(), "/api/keys", R"({"name":"x"})", bearer(plain)).status; },
                        [](int got) { return got != 401; }),
              403);
}

TEST_F(GateIdentity, AKeyRevokedByTheCommandLineDiesWithoutARestart) {
    const std::string key = create({"app"});
    const auto server = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(status(server->port(), key), 200);
    ASSERT_EQ(run_binary({"keys", "revoke", key.substr(3, 12), "--data-dir=" + folder_.path()}).status, 0);
    EXPECT_EQ(ask_until([&] { return status(server->port(), key); }, [](int got) { return got == 401; }), 401);
}

TEST_F(GateIdentity, TheFirstAdminKeyIsPrintedOnceAndWorks) {
    std::string key;
    {
        const auto server = start(settings(kRoutes), {"--identity.required=always"});
        ASSERT_NE(server, nullptr);
        const std::string log =
            ask_until([&] { return server->log(); },
                      [](const std::string& text) {
                          const std::size_t found = text.find("tg_");
                          return found != std::string::npos && text.find('\n', found) != std::string::npos;
                      });
        const std::size_t at = log.find("tg_");
        ASSERT_NE(at, std::string::npos) << log;
        key = log.substr(at, 59);
        EXPECT_EQ(log.find("tg_", at + 1), std::string::npos);
        EXPECT_EQ(get(server->port(), "/api/keys", bearer(key)).status, 200);
    }
    const auto again = start(settings(kRoutes), {"--identity.required=always"});
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->log().find("tg_"), std::string::npos);
    EXPECT_EQ(get(again->port(), "/api/keys", bearer(key)).status, 200);
}

TEST_F(GateIdentity, ALineToOtherMachinesWithoutKeysDoesNotStart) {
    const RunResult run = run_binary(
        {"serve", "--port", "0", "--data-dir=" + folder_.path(), "--address=0.0.0.0", "--identity.required=off"});
    EXPECT_GT(run.status, 0);
    EXPECT_NE(run.error.find("identity.required"), std::string::npos) << run.error;
}

}  // namespace
}  // namespace tidegate::testing
