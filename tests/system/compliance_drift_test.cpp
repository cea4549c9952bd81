// Drift from the first decision to the alert, over real requests: found, told, acknowledged, kept.
#include <cstdlib>

#include "base/hash.h"
#include "pipeline/identity/token_keys.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr unsigned kBaseline = 100;
constexpr unsigned kWindow = 60;

class ComplianceDrift : public GateFixture {
  protected:
    std::string yaml(const std::string& more = {}) const {
        return "drift:\n  baseline_decisions: 100\n  window_decisions: 60\n  window_min_decisions: 30\n"
               "  look_interval_s: 0\n  alarms_a_month: 1000\n  save_interval_s: 3600\n" +
               more;
    }
    // A text of a length of its own, `factor` times as long.
    static std::string text(unsigned i, unsigned factor) {
        std::string words(kHumanText);
        words.resize(200 + 7 * (i % 40));
        std::string all;
        for (unsigned k = 0; k < factor; ++k) all += words + " ";
        return all;
    }
    void decide(std::uint16_t port, unsigned count, unsigned factor, const HeaderList& headers = {}) {
        for (unsigned i = 0; i < count; ++i) {
            const RawResponse answer = post(port, "/api/v1/detect/text", text_body(text(asked_++, factor)), headers);
            ASSERT_EQ(answer.status, 200) << answer.body;
        }
    }
    static json::Document ask(std::uint16_t port, const std::string& target, const HeaderList& headers = {}) {
        const RawResponse answer = get(port, target, headers);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    /// Member of the only stream; null when there is another number of them.
    static std::int64_t decisions(std::uint16_t port, const HeaderList& headers = {}) {
        const json::Document statistics = ask(port, "/api/drift/statistics", headers);
        std::int64_t sum = 0;
        statistics.root().find("streams")->each(
            [&sum](json::Value stream) { sum += stream.find("decisions")->as_int(); });
        return sum;
    }
    void wait_decisions(std::uint16_t port, std::int64_t count, const HeaderList& headers = {}) {
        const auto seen =
            ask_until([&] { return decisions(port, headers); }, [count](std::int64_t now) { return now >= count; });
        EXPECT_EQ(seen, count);
    }
    /// Alerts about what the texts decide: how long a decision takes is the machine's, which others use too.
    static std::size_t alerts_of_texts(const json::Document& alerts) {
        std::size_t found = 0;
        alerts.root().find("items")->each(
            [&found](json::Value alert) { found += alert.find("feature")->as_string() == "latency" ? 0 : 1; });
        return found;
    }
    /// The alert about the input's size, waited for; its id, or 0.
    std::int64_t alert_id(std::uint16_t port, const std::string& state, const HeaderList& headers = {}) {
        std::int64_t id = 0;
        ask_until(
            [&] {
                const json::Document alerts = ask(port, "/api/drift/alerts?limit=500&state=" + state, headers);
                alerts.root().find("items")->each([&id](json::Value alert) {
                    if (alert.find("feature")->as_string() == "input_size") id = alert.find("id")->as_int();
                });
                return id;
            },
            [](std::int64_t found) { return found != 0; });
        return id;
    }
    unsigned asked_ = 0;
};

TEST_F(ComplianceDrift, AShiftOfLiveDecisionsRaisesAnAlertThatARestartAndADeathKeep) {
    Process server = start(yaml());
    ASSERT_NE(server, nullptr);
    decide(server->port(), kBaseline + kWindow, 1);
    wait_decisions(server->port(), kBaseline + kWindow);
    const json::Document quiet = ask(server->port(), "/api/drift/alerts");
    EXPECT_EQ(alerts_of_texts(quiet), 0U) << to_text(quiet.root());
    decide(server->port(), 2 * kWindow, 6);
    const std::int64_t id = alert_id(server->port(), "open");
    ASSERT_NE(id, 0);
    const std::string path = "/api/drift/alert/" + std::to_string(id);
    const RawResponse acknowledged = post(server->port(), path + "/acknowledge", R"({"note":"a new customer"})");
    ASSERT_EQ(acknowledged.status, 200) << acknowledged.body;
    EXPECT_EQ(parse_json(acknowledged.body).root().find("state")->as_string(), "acknowledged");
    expect_problem(post(server->port(), path + "/acknowledge", "{}"), 409);
    expect_problem(post(server->port(), "/api/drift/alert/99999/acknowledge", "{}"), 404);
    expect_problem(post(server->port(), path + "/suppress", R"({"until":"2020-01-01T00:00:00Z"})"), 422);
    // The alert may have come before all of them were counted.
    const std::int64_t count = kBaseline + 3 * kWindow;
    wait_decisions(server->port(), count);

    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    server = start(yaml());
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(alert_id(server->port(), "acknowledged"), id);
    wait_decisions(server->port(), count);
    // Saved an hour apart: what comes now is in the log only when the server dies.
    decide(server->port(), 10, 6);
    server->kill_now();
    server = start(yaml());
    ASSERT_NE(server, nullptr);
    wait_decisions(server->port(), count + 10);
    EXPECT_EQ(alert_id(server->port(), "acknowledged"), id);
}

TEST_F(ComplianceDrift, TheReportAndTheStatisticsShowEachFigureWithItsNumberOfValues) {
    const Process server = start(yaml());
    ASSERT_NE(server, nullptr);
    decide(server->port(), kBaseline + kWindow, 1);
    wait_decisions(server->port(), kBaseline + kWindow);
    const json::Document statistics = ask(server->port(), "/api/drift/statistics?service=provenance");
    unsigned tests = 0;
    statistics.root().find("streams")->each([&tests](json::Value stream) {
        EXPECT_EQ(stream.find("state")->as_string(), "watching");
        stream.find("last_look")->find("features")->each([&tests](json::Value feature) {
            feature.find("tests")->each([&tests](json::Value test) {
                ++tests;
                EXPECT_GT(test.find("n")->as_int(), 0);
                EXPECT_GT(test.find("reference_n")->as_int(), 0);
                for (const char* member : {"p", "statistic", "threshold", "effect", "effect_min"}) {
                    EXPECT_TRUE(test.find(member)->is_number()) << member;
                }
            });
        });
    });
    EXPECT_GE(tests, 8U) << to_text(statistics.root());
    const json::Document report = ask(server->port(), "/api/drift/report");
    EXPECT_EQ(report.root().find("summary")->find("watching")->as_int(), 1);
    const RawResponse page = get(server->port(), "/api/drift/report?format=html");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
    EXPECT_NE(page.body.find("input_size"), std::string::npos);
}

TEST_F(ComplianceDrift, ANewBaselineIsCollectedOnCommandOrTakenFromAPeriod) {
    const Process server = start(yaml());
    ASSERT_NE(server, nullptr);
    decide(server->port(), kBaseline + kWindow, 1);
    wait_decisions(server->port(), kBaseline + kWindow);
    const RawResponse period =
        post(server->port(), "/api/drift/reset-baseline",
             R"({"service":"provenance","from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z","reason":"all"})");
    ASSERT_EQ(period.status, 200) << period.body;
    EXPECT_EQ(parse_json(period.body).root().find("reset")->as_int(), 1);
    const auto only = [&] {
        const json::Document statistics = ask(server->port(), "/api/drift/statistics");
        std::string found;
        statistics.root().find("streams")->each([&found](json::Value stream) { found += to_text(stream); });
        return found;
    };
    EXPECT_NE(only().find(R"("state":"watching")"), std::string::npos);
    EXPECT_NE(only().find(": all"), std::string::npos) << only();
    const RawResponse reset = post(server->port(), "/api/drift/reset-baseline", R"({"service":"provenance"})");
    ASSERT_EQ(reset.status, 200) << reset.body;
    EXPECT_NE(only().find(R"("state":"collecting")"), std::string::npos);
    EXPECT_NE(only().find(R"("number":2)"), std::string::npos) << "the history stays";
    expect_problem(post(server->port(), "/api/drift/reset-baseline", R"({"service":"nobody"})"), 404);
    expect_problem(post(server->port(), "/api/drift/reset-baseline", R"({"from":"2020-01-01T00:00:00Z"})"), 422);
    // The event in the log is no decision: the monitor has not counted it.
    EXPECT_EQ(decisions(server->port()), kBaseline + kWindow);
}

TEST_F(ComplianceDrift, AnAlertIsPostedSignedAndAgainUntilItIsTaken) {
    upstream_.on("/hook", [](UpstreamCall& call) { call.answer(call.number() == 1 ? 503 : 200); });
    const Process server = start(yaml("  webhook:\n    url: \"" + upstream_.url() +
                                      "/hook\"\n    secret: \"s3cret\"\n    allow_private: true\n"));
    ASSERT_NE(server, nullptr);
    decide(server->port(), kBaseline, 1);
    decide(server->port(), kWindow, 6);
    ASSERT_TRUE(upstream_.wait_asked("/hook", 2)) << server->log();
    const UpstreamRequest post = upstream_.last("/hook");
    EXPECT_TRUE(post.header("X-Tidegate-Event").starts_with("drift.alert.")) << post.head;
    EXPECT_FALSE(post.header("X-Tidegate-Delivery").empty());
    const std::string signature = post.header("X-Tidegate-Signature");
    const std::size_t comma = signature.find(",v1=");
    ASSERT_NE(comma, std::string::npos) << signature;
    const std::string mac = pipeline::hmac_sha256("s3cret", signature.substr(2, comma - 2) + "." + post.body);
    EXPECT_EQ(signature.substr(comma + 4), to_hex(reinterpret_cast<const std::uint8_t*>(mac.data()), mac.size()));
    const json::Document body = parse_json(post.body);
    EXPECT_EQ(body.root().find("event")->as_string(), "opened");
    EXPECT_TRUE(body.root().find("alert")->find("feature"));
}

TEST_F(ComplianceDrift, ATenantSeesAndChangesItsOwnStreamsOnly) {
    const auto create = [this](std::vector<std::string> words) {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return HeaderList{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    };
    const HeaderList boss = create({"boss", "--scope", "admin", "--scope", "*"});
    const HeaderList north = create({"north", "--tenant", "north", "--scope", "*"});
    const HeaderList south = create({"south", "--tenant", "south", "--scope", "provenance", "--scope", "compliance"});
    const HeaderList reader = create({"reader", "--tenant", "north", "--scope", "compliance:read"});
    const Process server = start(yaml(), {"--identity.required=always"});
    ASSERT_NE(server, nullptr);
    decide(server->port(), kBaseline, 1, north);
    decide(server->port(), 2 * kWindow, 6, north);
    decide(server->port(), 5, 1, south);
    wait_decisions(server->port(), kBaseline + 2 * kWindow + 5, boss);
    EXPECT_EQ(decisions(server->port(), north), kBaseline + 2 * kWindow);
    EXPECT_EQ(decisions(server->port(), south), 5);
    const std::int64_t id = alert_id(server->port(), "open", north);
    ASSERT_NE(id, 0);
    EXPECT_EQ(ask(server->port(), "/api/drift/alerts", south).root().find("total")->as_int(), 0);
    expect_problem(get(server->port(), "/api/drift/alerts?tenant=north", south), 403);
    EXPECT_EQ(get(server->port(), "/api/drift/report", south).body.find("north"), std::string::npos);
    const std::string path = "/api/drift/alert/" + std::to_string(id) + "/acknowledge";
    expect_problem(post(server->port(), path, "{}", south), 404);
    expect_problem(post(server->port(), path, "{}", reader), 403);
    expect_problem(post(server->port(), "/api/drift/reset-baseline", R"({"tenant":"north"})", south), 403);
    expect_problem(post(server->port(), path, "{}", north), 403);
    expect_problem(get(server->port(), "/api/drift/alerts"), 401);
    EXPECT_EQ(alert_id(server->port(), "open", reader), id);
    EXPECT_EQ(post(server->port(), path, "{}", boss).status, 200);
}

}  // namespace
}  // namespace tidegate::testing
