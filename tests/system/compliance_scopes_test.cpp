// Who may do what with the record, over the real server: one rule for all of its routes, and nothing misspelt that is passed over.
#include <array>
#include <chrono>
#include <map>

#include "system/client.h"

namespace tidegate::testing {
namespace {

class ComplianceScopes : public ::testing::Test {
  protected:
    HeaderList create(const std::string& tenant, const std::vector<std::string>& scopes) const {
        std::vector<std::string> words{"keys", "create", "--name", "k", "--data-dir=" + folder_.path()};
        if (!tenant.empty()) words.insert(words.end(), {"--tenant", tenant});
        for (const std::string& scope : scopes) words.insert(words.end(), {"--scope", scope});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    }
    void start(const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{"--identity.required=always", "--privacy.redact=email"};
        words.insert(words.end(), more.begin(), more.end());
        server_ = ServerProcess::start(folder_.path(), words);
        ASSERT_NE(server_, nullptr);
    }
    RawResponse ask(const std::string& path, const std::string& body, const HeaderList& key) const {
        return body.empty() ? get(server_->port(), path, key) : post(server_->port(), path, body, key);
    }
    void record(const std::string& id, const HeaderList& writer, const std::string& more = {}) const {
        const RawResponse done =
            ask("/api/v1/decisions", R"({"request_id":")" + id + R"(","input":"x")" + more + "}", writer);
        EXPECT_EQ(done.status, 202) << done.body;
    }
    /// The outputs of the events of one operation that a caller sees.
    std::vector<std::string> events(const std::string& operation, const HeaderList& key) const {
        const std::string body = R"({"kind":"event","operation":")" + operation + R"("})";
        const RawResponse page = ask("/api/compliance/query", body, key);
        EXPECT_EQ(page.status, 200) << page.body;
        std::vector<std::string> found;
        const auto document = parse_json(page.body);
        document.root().find("results")->each([&](json::Value one) {
            std::string text;
            json::append(text, *one.find("output"));
            found.push_back(std::move(text));
        });
        return found;
    }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

struct Asked {
    const char* path;
    const char* body;  // Empty: GET.
    std::string who;   // Whose answer is not 403, in the order of the keys below.
};

TEST_F(ComplianceScopes, OneRuleHoldsOnEveryRouteOfTheRecord) {
    std::map<std::string, HeaderList> keys;
    for (const std::string name : {"read", "write", "audit", "officer"}) {
        keys["north " + name] = create("north", {"compliance:" + name});
        keys["no tenant " + name] = create("", {"compliance:" + name});
    }
    keys["north star"] = create("north", {"*"});
    keys["no tenant star"] = create("", {"*"});
    keys["north family"] = create("north", {"compliance"});
    keys["no tenant family"] = create("", {"compliance"});
    keys["north provenance"] = create("north", {"provenance"});
    start();
    const std::string period = R"({"from":"2026-01-01T00:00:00Z","to":"2027-01-01T00:00:00Z"})";
    const std::array<Asked, 12> all{{
        {"/api/compliance/query", "{}", "read audit star family"},
        {"/api/compliance/statistics", "", "read audit star family"},
        {"/api/drift/alerts", "", "read audit officer star family"},
        {"/api/drift/statistics", "", "read audit officer star family"},
        {"/api/compliance/hold", "", "audit officer star family"},
        {"/api/compliance/prebuilt/sec", period.c_str(), "audit officer star family"},
        {"/api/v1/decisions", R"({"request_id":"a","input":"x"})", "write star family"},
        {"/api/compliance/hold", R"({"reason":"a case"})", "officer family"},
        {"/api/drift/reset-baseline", R"({"service":"none"})", "officer family"},
        {"/api/compliance/retention", R"({"run":false})", "no tenant officer family"},
        {"/api/compliance/retention", "", "no tenant audit officer family"},
        {"/api/compliance/verify", R"({"log":true})", "no tenant audit family"},
    }};
    for (const Asked& asked : all) {
        const bool of_all = asked.who.starts_with("no tenant");
        for (const auto& [name, key] : keys) {
            const bool meant = asked.who.find(name.substr(name.rfind(' ') + 1)) != std::string::npos &&
                               (!of_all || name.starts_with("no tenant"));
            const RawResponse answer = ask(asked.path, asked.body, key);
            EXPECT_EQ(answer.status != 403, meant)
                << asked.path << " " << asked.body << " by " << name << ": " << answer.body;
        }
    }
}

TEST_F(ComplianceScopes, AKeyWithoutATenantSeesOthersRecordsWhereItNamesThat) {
    const HeaderList writer = create("north", {"compliance:write"});
    const HeaderList star = create("", {"*"});
    const HeaderList auditor = create("", {"compliance:audit"});
    start();
    record("a", writer);
    EXPECT_EQ(ask("/api/compliance/request/a", "", star).status, 404)
        << "`keys create` gives a star where nothing is said";
    EXPECT_EQ(ask("/api/compliance/request/a", "", auditor).status, 200);
    EXPECT_EQ(ask("/api/drift/alerts?tenant=north", "", star).status, 403);
    EXPECT_EQ(ask("/api/drift/alerts?tenant=north", "", auditor).status, 200);
    const RawResponse streams = ask("/api/drift/statistics", "", auditor);
    EXPECT_NE(streams.body.find("\"streams_max\""), std::string::npos) << streams.body;
}

TEST_F(ComplianceScopes, WhatIsMisspeltIsRefusedAndChangesNothing) {
    const HeaderList admin = create("", {"admin"});
    start();
    const std::array<Asked, 6> all{{
        {"/api/compliance/hold", R"({"reason":"a case","tennant":"north"})", ""},
        {"/api/compliance/hold?actve=true", "", ""},
        {"/api/compliance/retention", R"({"run":true,"preview":true})", ""},
        {"/api/drift/reset-baseline", R"({"sevice":"provenance"})", ""},
        {"/api/drift/alerts?tenan=north", "", ""},
        {"/api/compliance/statistics?tenan=north", "", ""},
    }};
    for (const Asked& asked : all) {
        const RawResponse answer = ask(asked.path, asked.body, admin);
        EXPECT_EQ(answer.status, 422) << asked.path << ": " << answer.body;
    }
    EXPECT_NE(ask("/api/compliance/hold", "", admin).body.find(R"("items":[])"), std::string::npos);
    EXPECT_TRUE(events("hold/place", admin).empty());
}

TEST_F(ComplianceScopes, TheEventOfAHoldIsItsTenantsAndSaysNoAddress) {
    const HeaderList officer = create("north", {"compliance:officer"});
    const HeaderList auditor = create("north", {"compliance:audit"});
    const HeaderList other = create("", {"compliance:read"});
    start();
    const RawResponse held = ask("/api/compliance/hold", R"({"reason":"case of anna@example.com"})", officer);
    ASSERT_EQ(held.status, 200) << held.body;
    const auto seen = events("hold/place", auditor);
    ASSERT_EQ(seen.size(), 1U) << "a tenant's auditor sees who held its records";
    EXPECT_NE(seen.front().find("case of [email]"), std::string::npos) << seen.front();
    EXPECT_TRUE(events("hold/place", other).empty()) << "and a reader of what has no tenant does not";
    // What was looked for is in the record too, and no way around the redaction.
    EXPECT_EQ(ask("/api/compliance/query", R"({"actor":"anna@example.com"})", auditor).status, 200);
    for (const std::string& one : events("access/query", auditor)) {
        EXPECT_EQ(one.find("anna"), std::string::npos) << one;
    }
}

TEST_F(ComplianceScopes, WhoReadsAnExportSlowlyKeepsNobodyElseWaiting) {
    const HeaderList slow = create("north", {"compliance"});
    const HeaderList other = create("south", {"compliance:read"});
    start({"--pools.blocking_threads=1", "--compliance.exports_max=2", "--compliance.tenant_share_percent=100"});
    // 20 MB: more than the buffers between the two.
    const std::string text(100'000, 'x');
    for (int i = 0; i < 200; ++i) record("r" + std::to_string(i), slow, R"(,"output":")" + text + "\"");
    RawClient first(server_->port(), 4096);
    RawClient second(server_->port(), 4096);
    HeaderList json = slow;
    json.emplace_back("Content-Type", "application/json");
    for (RawClient* client : {&first, &second}) {
        client->send(request_text("POST", "/api/compliance/export", "{}", json));
        ASSERT_TRUE(client->wait_for("200 OK"));  // And reads no further.
    }
    EXPECT_EQ(ask("/api/compliance/export", "{}", slow).status, 503) << "both are under way";
    const auto from = std::chrono::steady_clock::now();
    EXPECT_EQ(ask("/api/compliance/query", "{}", other).status, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(14))
        << "not after the 20 s of a stalled reader";
}

TEST_F(ComplianceScopes, TagsThatNobodyRedactsAreNotTheSendersToSet) {
    const HeaderList writer = create("north", {"compliance:write"});
    start();
    for (const std::string name : {"target", "original", "batch", "ingest", "model_parameters"}) {
        const std::string body = R"({"request_id":"a","input":"x","tags":{")" + name + R"(":"anna@example.com"}})";
        EXPECT_EQ(ask("/api/v1/decisions", body, writer).status, 422) << name;
    }
    record("a", writer, R"(,"tags":{"note":"anna@example.com"})");
}

TEST_F(ComplianceScopes, TheWindowOfStatisticsIsATimeThatClientsCanRead) {
    const HeaderList reader = create("north", {"compliance:read"});
    start();
    for (const std::string query : {"", "?to=9999-12-31T23:59:59Z"}) {
        const RawResponse answer = ask("/api/compliance/statistics" + query, "", reader);
        ASSERT_EQ(answer.status, 200) << answer.body;
        const auto document = parse_json(answer.body);
        EXPECT_EQ(document.root().find("window")->find("to")->as_string(), "9999-12-31T23:59:00.000Z");
    }
}

}  // namespace
}  // namespace tidegate::testing
