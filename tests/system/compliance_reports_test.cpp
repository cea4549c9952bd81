// Reports made by the real server of real decisions, and checked again by the program that verifies the log.
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr unsigned kDecisions = 12;
const std::string kAlways = R"("from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z")";

class ComplianceReports : public GateFixture {
  protected:
    static std::string body(const std::string& more = {}) { return "{" + kAlways + more + "}"; }
    static void decide(std::uint16_t port, unsigned count, const HeaderList& headers = {}) {
        for (unsigned i = 0; i < count; ++i) {
            const RawResponse answer = post(port, "/api/v1/detect/text", text_body(kHumanText), headers);
            ASSERT_EQ(answer.status, 200) << answer.body;
        }
    }
    static json::Document report(std::uint16_t port, const std::string& name, const HeaderList& headers = {},
                                 const std::string& more = {}) {
        const RawResponse answer = post(port, "/api/compliance/prebuilt/" + name, body(more), headers);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    /// The control's outcome and, in brackets, what was looked at.
    static std::string outcome(const json::Document& report, std::string_view id) {
        std::string found;
        report.root().find("controls")->each([&](json::Value control) {
            if (control.find("id")->as_string() != id) return;
            found = std::string(control.find("outcome")->as_string()) + " (" +
                    std::to_string(control.find("n")->as_int()) + ")";
        });
        return found;
    }
    HeaderList create(std::vector<std::string> words) const {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    }
};

TEST_F(ComplianceReports, EachReportJudgesTheDecisionsThatTheServerMade) {
    const Process server = start("");
    ASSERT_NE(server, nullptr);
    decide(server->port(), kDecisions);
    for (const std::string name : {"sec", "finra", "mifid2", "gdpr", "ai-act"}) {
        const json::Document made = report(server->port(), name);
        EXPECT_EQ(made.root().find("decisions")->as_int(), kDecisions) << name;
        EXPECT_GE(made.root().find("checkpoint")->find("size")->as_int(), kDecisions) << name;
        // A new log under a schedule that keeps everything: only the duty to remove fails.
        EXPECT_EQ(made.root().find("summary")->find("fails")->as_int(), name == "gdpr" ? 1 : 0) << to_text(made.root());
    }
    const json::Document sec = report(server->port(), "sec");
    EXPECT_EQ(outcome(sec, "SEC-5"), "holds (12)");
    // The five reports above are events of the log themselves.
    EXPECT_EQ(outcome(sec, "SEC-1"), "holds (17)");
    EXPECT_EQ(outcome(report(server->port(), "ai-act"), "AIACT-11"), "cannot_be_judged (0)");
    const json::Document narrowed = report(server->port(), "finra", {}, R"(,"service":"nobody")");
    EXPECT_EQ(outcome(narrowed, "FINRA-4"), "cannot_be_judged (0)");
}

TEST_F(ComplianceReports, TheCommandLineMakesThemFromTheLogAlone) {
    const std::string log = folder_.path() + "/audit";
    {
        const Process server = start("");
        ASSERT_NE(server, nullptr);
        decide(server->port(), kDecisions);
        ASSERT_TRUE(report(server->port(), "sec").root().find("checkpoint"));
    }
    const std::string out = folder_.path() + "/report";
    const auto make = [&](std::vector<std::string> more) {
        std::vector<std::string> words{
            "audit", "report", log, "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--output", out};
        words.insert(words.end(), more.begin(), more.end());
        const RunResult run = run_binary(words);
        EXPECT_EQ(run.status, 0) << run.error;
        return SystemDisk().read(out, 10'000'000).value_or("");
    };
    for (const std::string name : {"sec", "finra", "mifid2", "gdpr", "ai-act"}) {
        const json::Document made = parse_json(make({"--type", name}));
        EXPECT_EQ(made.root().find("decisions")->as_int(), kDecisions) << name;
        EXPECT_EQ(made.root().find("summary")->find("fails")->as_int(), 0) << to_text(made.root());
    }
    // What the log does not hold cannot be judged from it.
    const json::Document gdpr = parse_json(make({"--type", "gdpr"}));
    EXPECT_NE(to_text(gdpr.root()).find("Made from the log alone"), std::string::npos);
    EXPECT_NE(make({"--type", "sec", "--format", "html"}).find("<html"), std::string::npos);
    EXPECT_EQ(make({"--type", "sec", "--format", "csv-of-failures"}),
              "report,control,reference,outcome,n,failing,id,leaf,time,why\r\n");
    EXPECT_EQ(make({"--type", "gdpr", "--format", "ndjson", "--subject", "nobody"}), "");
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--type", "soc2"},
                                                  {"--type", "sec", "--format", "pdf"},
                                                  {"--type", "sec", "--subject", "x"}}) {
        std::vector<std::string> words{
            "audit", "report", log, "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--output", out};
        words.insert(words.end(), wrong.begin(), wrong.end());
        EXPECT_NE(run_binary(words).status, 0);
    }
}

TEST_F(ComplianceReports, TheMakingOfAReportIsInTheLogWithTheHashOfItsBytes) {
    const Process server = start("");
    ASSERT_NE(server, nullptr);
    decide(server->port(), 1);
    for (const std::string format : {"json", "html"}) {
        const RawResponse made = post(server->port(), "/api/compliance/prebuilt/gdpr?format=" + format, body());
        ASSERT_EQ(made.status, 200) << made.body;
        EXPECT_EQ(made.header("content-type"), format == "html" ? "text/html; charset=utf-8" : "application/json");
        const RawResponse events =
            post(server->port(), "/api/compliance/query", R"({"kind":"event","operation":"report/gdpr","limit":1})");
        ASSERT_EQ(events.status, 200) << events.body;
        const json::Document found = parse_json(events.body);
        ASSERT_EQ(found.root().find("count")->as_int(), 1);
        std::string hash, id;
        found.root().find("results")->each([&](json::Value event) {
            hash = event.find("output")->find("sha256")->as_string();
            id = event.find("id")->as_string();
        });
        EXPECT_EQ(hash, to_hex(sha256(made.body)));
        EXPECT_NE(made.body.find(id), std::string::npos);
    }
}

TEST_F(ComplianceReports, ATenantIsJudgedByItsOwnAndNobodyWithoutTheScopeIs) {
    const HeaderList north =
        create({"north", "--tenant", "north", "--scope", "provenance", "--scope", "compliance:audit"});
    const HeaderList south =
        create({"south", "--tenant", "south", "--scope", "provenance", "--scope", "compliance:officer"});
    const HeaderList house = create({"house", "--scope", "compliance:audit"});
    const HeaderList reader = create({"reader", "--tenant", "north", "--scope", "compliance:read"});
    const Process server = start("", {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    decide(server->port(), 3, north);
    decide(server->port(), 5, south);
    EXPECT_EQ(report(server->port(), "sec", north).root().find("decisions")->as_int(), 3);
    EXPECT_EQ(report(server->port(), "sec", south).root().find("decisions")->as_int(), 5);
    EXPECT_EQ(report(server->port(), "sec", house).root().find("decisions")->as_int(), 8);
    expect_problem(post(server->port(), "/api/compliance/prebuilt/sec", body(), reader), 403);
    expect_problem(post(server->port(), "/api/compliance/prebuilt/sec", body()), 401);
}

TEST_F(ComplianceReports, WhatIsWrongWithAQuestionIsSaid) {
    const Process server = start("", {"--compliance.report_records_max=2", "--audit.retention_days=10"});
    ASSERT_NE(server, nullptr);
    const std::string path = "/api/compliance/prebuilt/ai-act";
    expect_problem(post(server->port(), path, "{}"), 422);
    expect_problem(post(server->port(), path, R"({"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"})"), 422);
    expect_problem(post(server->port(), path, body(R"(,"subject":"key:maria")")), 422);
    expect_problem(post(server->port(), path + "?format=pdf", body()), 422);
    EXPECT_EQ(outcome(report(server->port(), "ai-act"), "AIACT-7"), "fails (1)");
    decide(server->port(), 3);
    const RawResponse refused = post(server->port(), path, body());
    expect_problem(refused, 413);
    EXPECT_NE(refused.body.find("compliance.report_records_max is 2"), std::string::npos) << refused.body;
}

TEST_F(ComplianceReports, ALaterLogStillIsWhatAReportWasMadeUnder) {
    const std::vector<std::string> origin{"--audit.origin=log.example/reports"};
    const Process server = start("", origin);
    ASSERT_NE(server, nullptr);
    decide(server->port(), 4);
    const json::Document made = report(server->port(), "sec");
    const std::string note = folder_.path() + "/report.checkpoint";
    const std::string key = folder_.path() + "/report.key";
    std::ofstream(note) << made.root().find("checkpoint")->find("note")->as_string();
    std::ofstream(key) << made.root().find("checkpoint")->find("verifier_key")->as_string() << '\n';
    decide(server->port(), 4);
    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    const std::string log = folder_.path() + "/audit";
    const RunResult sound = run_binary({"audit", "verify", log, "--key", key, "--checkpoint", note});
    EXPECT_EQ(sound.status, 0) << sound.out << sound.error;
    // Another log under the same name and key is not the one of the report.
    const TemporaryFolder second;
    for (const char* file : {"/checkpoint.key", "/checkpoint.key.pub"}) {
        std::filesystem::copy_file(folder_.path() + file, second.path() + file);
    }
    const Process forger = start_in(second.path(), "", origin);
    ASSERT_NE(forger, nullptr);
    decide(forger->port(), 10);
    ASSERT_EQ(forger->stop(SIGTERM, 60), 0) << forger->log();
    const RunResult other =
        run_binary({"audit", "verify", second.path() + "/audit", "--key", key, "--checkpoint", note});
    EXPECT_EQ(other.status, 1) << other.out << other.error;
}

}  // namespace
}  // namespace tidegate::testing
