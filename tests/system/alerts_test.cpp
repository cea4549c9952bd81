// Alerts and jobs over the network: a rule that fires, a post that a receiver can verify, kill -9 in between, and what callers may see.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

class AlertsOverTheNetwork : public GateFixture {
  protected:
    static constexpr const char* kRoutes = "  app: {path: \"/app/{rest...}\", upstream: app}\n";

    /// A rule that fires at the third request for /live, told to `team`; and `lost`, where nobody listens.
    std::string yaml() const {
        return settings(kRoutes,
                        "webhooks:\n  team: {url: \"" + upstream_.url() +
                            "/hook\", secret: \"a quiet word\", allow_private: true}\n"
                            "  lost: {url: \"http://127.0.0.1:" +
                            std::to_string(closed_) +
                            "/\", secret: s, allow_private: true, attempts_max: 1}\n"
                            "alerts:\n  interval_s: 1\n  silences_max: 2\n  rules:\n"
                            "    asked: {metric: http_requests_total, labels: [\"handler=/live\"], value: 2, "
                            "resolve_for_s: 3600, severity: info, webhooks: [team], summary: somebody asks}\n"
                            "    asked_too: {metric: http_requests_total, labels: [\"handler=/live\"], value: 2, "
                            "resolve_for_s: 3600, severity: info, webhooks: [lost]}\n");
    }
    static json::Document ask(std::uint16_t port, const std::string& target, const HeaderList& headers = {}) {
        return parse_json(get(port, target, headers).body);
    }
    static std::string text(json::Value value, std::string_view name) {
        const auto member = value.find(name);
        return member && member->kind() == json::Kind::kString ? std::string(member->as_string()) : std::string();
    }
    /// The alert of the rule that fires and is told, as it stands once it does.
    static std::string firing(std::uint16_t port, const std::string& rule) {
        std::string id;
        ask_until([&] { return ask(port, "/api/v1/alerts"); },
                  [&](const json::Document& live) {
                      live.root().find("items")->each([&](json::Value alert) {
                          const bool is_it = text(alert, "rule") == rule && text(alert, "state") == "firing";
                          if (is_it && alert.find("notified")->as_bool()) id = text(alert, "id");
                      });
                      return !id.empty();
                  });
        return id;
    }
    /// Waits for so many more judgements of the rules.
    static void wait_judged(std::uint16_t port, double more) {
        const double begin = metric(port, "tidegate_alert_judgements_total");
        ask_until([&] { return metric(port, "tidegate_alert_judgements_total"); },
                  [&](double now) { return now >= begin + more; });
    }
    std::string admin_key() const {
        const RunResult made =
            run_binary({"keys", "create", "--name", "boss", "--scope", "admin", "--data-dir=" + folder_.path()});
        EXPECT_EQ(made.status, 0) << made.error;
        return made.out.substr(0, made.out.find('\n'));
    }
    std::uint16_t closed_ = closed_port();
};

/// The example of docs/alerts.md, asked about a post.
bool verifies(const std::string& signature, const std::string& body, const std::string& now = "None") {
    const char* const root = std::getenv("TIDEGATE_SOURCE_DIR");
    std::ifstream file(std::string(root == nullptr ? "." : root) + "/docs/alerts.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const std::size_t begin = page.find("```python\n");
    const std::size_t end = page.find("```", begin + 10);
    EXPECT_NE(end, std::string::npos) << "docs/alerts.md has no example";
    if (end == std::string::npos) return false;
    const std::string code = page.substr(begin + 10, end - begin - 10) +
                             "\nimport sys\nprint(is_ours(b'a quiet word', sys.argv[1], sys.argv[2].encode(), " + now +
                             "))\n";
    const RunResult run = run_program("python3", {"-c", code, signature, body});
    EXPECT_EQ(run.status, 0) << run.error;
    return run.out == "True\n";
}

TEST_F(AlertsOverTheNetwork, AnAlertIsToldOnceByAPostThatThePublishedExampleVerifiesAlsoOverKillNine) {
    upstream_.on("/hook", 200, "");
    auto server = start(yaml());
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(get(server->port(), "/live").status, 200);
    const std::string id = firing(server->port(), "asked");
    ASSERT_FALSE(id.empty()) << get(server->port(), "/api/v1/alerts").body;
    ASSERT_TRUE(upstream_.wait_asked("/hook", 1));
    const UpstreamRequest request = upstream_.last("/hook");
    const std::string signature = request.header("X-Tidegate-Signature");
    EXPECT_TRUE(verifies(signature, request.body)) << signature;
    EXPECT_FALSE(verifies(signature, request.body + " ")) << "another body";
    EXPECT_FALSE(verifies(signature, request.body, "time.time() + 1000")) << "too old";
    EXPECT_EQ(request.header("X-Tidegate-Event"), "alert.firing");
    EXPECT_EQ(text(*parse_json(request.body).root().find("alert"), "id"), id);

    // A post whose job did not get to say so would come again, as it may: wait until it has.
    ask_until([&] { return ask(server->port(), "/api/v1/jobs?state=succeeded"); },
              [](const json::Document& jobs) { return jobs.root().find("items")->size() > 0; });
    server->kill_now();
    server = start(yaml());
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 3; ++i) get(server->port(), "/live");
    EXPECT_EQ(firing(server->port(), "asked"), id) << "it fires still";
    wait_judged(server->port(), 3);
    EXPECT_EQ(upstream_.asked("/hook"), 1U) << "nobody is told twice";
    const json::Document history = ask(server->port(), "/api/v1/alerts/history?rule=asked");
    EXPECT_EQ(history.root().find("items")->size(), 1U);
    const json::Document rules = ask(server->port(), "/api/v1/alerts/rules");
    EXPECT_GE(rules.root().find("items")->size(), 9U) << "two of ours, and the program's";
}

TEST_F(AlertsOverTheNetwork, APostThatNobodyTakesIsADeadJobThatAnAdminMayRetryAndNoSecretIsShown) {
    upstream_.on("/hook", 200, "");
    const std::string key = admin_key();
    const HeaderList admin{{"Authorization", "Bearer " + key}};
    const auto server = start(yaml());
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 3; ++i) get(server->port(), "/live");
    const json::Document dead =
        ask_until([&] { return ask(server->port(), "/api/v1/jobs?state=dead&kind=webhook"); },
                  [](const json::Document& jobs) { return jobs.root().find("items")->size() > 0; });
    ASSERT_EQ(dead.root().find("items")->size(), 1U);
    std::string id;
    dead.root().find("items")->each([&](json::Value job) {
        id = text(job, "id");
        EXPECT_EQ(text(job, "title"), "alert.firing to lost");
        EXPECT_EQ(text(job, "error"), "refused at connect");
        EXPECT_EQ(job.find("attempts")->as_int(), 1);
    });
    const std::string shown = get(server->port(), "/api/v1/jobs").body +
                              get(server->port(), "/api/v1/jobs/" + id).body +
                              get(server->port(), "/api/v1/alerts").body + server->log();
    for (const char* secret : {"a quiet word", "/hook"}) EXPECT_EQ(shown.find(secret), std::string::npos) << secret;
    expect_problem(post(server->port(), "/api/v1/jobs/" + id + "/retry", ""), 401);
    EXPECT_EQ(post(server->port(), "/api/v1/jobs/" + id + "/retry", "", admin).status, 200);
    const json::Document again =
        ask_until([&] { return ask(server->port(), "/api/v1/jobs/" + id); },
                  [](const json::Document& job) { return text(job.root(), "state") == "dead"; });
    EXPECT_EQ(text(again.root(), "state"), "dead") << "still nobody listens";
    const auto count = [&] {
        return metric(server->port(), "tidegate_jobs_ended_total{kind=\"webhook\",state=\"dead\"}");
    };
    EXPECT_EQ(ask_until(count, [](double dead_jobs) { return dead_jobs >= 2; }), 2);
}

TEST_F(AlertsOverTheNetwork, AcknowledgingAndSilencingNeedAnAdminAndAreEventsInTheLog) {
    upstream_.on("/hook", 200, "");
    const HeaderList admin{{"Authorization", "Bearer " + admin_key()}};
    const auto server = start(yaml());
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    for (int i = 0; i < 3; ++i) get(port, "/live");
    const std::string id = firing(port, "asked");
    ASSERT_FALSE(id.empty());
    const std::string acknowledge = "/api/v1/alerts/" + id + "/acknowledge";
    expect_problem(post(port, acknowledge, "{}"), 401);
    const RawResponse seen = post(port, acknowledge, R"({"note":"on it"})", admin);
    EXPECT_EQ(seen.status, 200) << seen.body;
    EXPECT_EQ(text(*parse_json(seen.body).root().find("acknowledged"), "note"), "on it");
    expect_problem(post(port, "/api/v1/alerts/0190b6f2-9c1e-7abc-8def-0123456789ab/acknowledge", "{}", admin), 404);

    const char* const silences = "/api/v1/alerts/silences";
    const RawResponse made = post(port, silences, R"({"rule":"asked","until":"2100-01-01T00:00:00Z"})", admin);
    EXPECT_EQ(made.status, 200) << made.body;
    const json::Document live = ask(port, "/api/v1/alerts");
    EXPECT_EQ(live.root().find("silenced")->as_int(), 1);
    EXPECT_EQ(live.root().find("acknowledged")->as_int(), 1);
    for (const char* bad :
         {R"({"rule":"nothing","until":"2100-01-01T00:00:00Z"})", R"({"until":"2000-01-01T00:00:00Z"})",
          R"({"rule":"asked"})", R"({"until":"soon"})", R"({"until":"2100-01-01T00:00:00Z","labels":{"a":1}})"}) {
        expect_problem(post(port, silences, bad, admin), 422);
    }
    // alerts.silences_max is 2: one more is a conflict, said as such.
    EXPECT_EQ(post(port, silences, R"({"until":"2100-01-01T00:00:00Z"})", admin).status, 200);
    const RawResponse third = post(port, silences, R"({"until":"2100-01-01T00:00:00Z"})", admin);
    expect_problem(third, 409);
    EXPECT_NE(third.body.find("alerts.silences_max"), std::string::npos) << third.body;
    RawClient client(port);
    const std::string silence = text(parse_json(made.body).root(), "id");
    EXPECT_EQ(client.ask(request_text("DELETE", std::string(silences) + "/" + silence, {}, admin)).status, 200);
    EXPECT_EQ(ask(port, silences).root().find("items")->size(), 1U);
    const std::string events = post(port, "/api/compliance/query", R"({"kind":"event"})", admin).body;
    for (const char* operation : {"alerts/acknowledge", "alerts/silence", "alerts/end_silence"}) {
        EXPECT_NE(events.find(operation), std::string::npos) << operation << "\n" << events.substr(0, 500);
    }
}

TEST_F(AlertsOverTheNetwork, ATenantSeesItsOwnJobsAndAlertsOnly) {
    upstream_.on("/hook", 200, "");
    const RunResult made = run_binary({"keys", "create", "--name", "north", "--tenant", "north", "--scope", "jobs",
                                       "--scope", "alerts", "--data-dir=" + folder_.path()});
    ASSERT_EQ(made.status, 0) << made.error;
    const HeaderList tenant{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    const RunResult plain =
        run_binary({"keys", "create", "--name", "plain", "--scope", "*", "--data-dir=" + folder_.path()});
    ASSERT_EQ(plain.status, 0) << plain.error;
    const HeaderList anybody{{"Authorization", "Bearer " + plain.out.substr(0, plain.out.find('\n'))}};
    const auto server = start(yaml());
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 3; ++i) get(server->port(), "/live");
    ASSERT_FALSE(firing(server->port(), "asked").empty());
    std::string id;
    ask(server->port(), "/api/v1/jobs").root().find("items")->each([&](json::Value job) { id = text(job, "id"); });
    ASSERT_FALSE(id.empty());
    EXPECT_EQ(ask(server->port(), "/api/v1/jobs", tenant).root().find("items")->size(), 0U);
    expect_problem(get(server->port(), "/api/v1/jobs/" + id, tenant), 404);
    RawClient client(server->port());
    EXPECT_EQ(client.ask(request_text("DELETE", "/api/v1/jobs/" + id, {}, tenant)).status, 404);
    EXPECT_EQ(ask(server->port(), "/api/v1/alerts", tenant).root().find("items")->size(), 0U);
    EXPECT_EQ(ask(server->port(), "/api/v1/alerts/history", tenant).root().find("items")->size(), 0U);
    expect_problem(get(server->port(), "/api/v1/alerts/rules", tenant), 403);
    // Nor are the server's own posts for each key that has no tenant: `*` names no right to see all.
    EXPECT_EQ(ask(server->port(), "/api/v1/jobs", anybody).root().find("items")->size(), 0U);
    expect_problem(get(server->port(), "/api/v1/jobs/" + id, anybody), 404);
    RawClient other(server->port());
    EXPECT_EQ(other.ask(request_text("DELETE", "/api/v1/jobs/" + id, {}, anybody)).status, 404);
}

TEST_F(AlertsOverTheNetwork, WhatARuleOrAWebhookSaysWronglyStopsTheStart) {
    const auto refused = [&](const std::string& more) {
        const std::string path = folder_.path() + "/bad.yaml";
        std::ofstream(path) << more;
        return run_binary({"serve", "--port=0", "--data-dir=" + folder_.path() + "/bad", "--config=" + path}).error;
    };
    EXPECT_NE(refused("alerts: {rules: {mine: {metric: tidegate_audit_degradet}}}")
                  .find("did you mean tidegate_audit_degraded?"),
              std::string::npos);
    EXPECT_NE(refused("alerts: {rules: {mine: {metric: tidegate_audit_degraded, webhooks: [nobody]}}}")
                  .find("there is no webhook nobody"),
              std::string::npos);
    EXPECT_NE(refused("webhooks: {mine: {url: \"http://127.0.0.1:9/\", secret: s}}").find("private address"),
              std::string::npos);
    EXPECT_NE(refused("webhooks: {mine: {url: \"https://hooks.example.org/\"}}").find("needs a secret"),
              std::string::npos);
    EXPECT_NE(refused("alerts: {rules: {mine: {metrics: tidegate_audit_degraded}}}").find("metric"), std::string::npos);
}

TEST_F(AlertsOverTheNetwork, AFileThatIsNoDatabaseStopsTheStartWithAWord) {
    for (const std::string name : {"jobs.db", "alerts.db", "performance.db"}) {
        const std::string folder = folder_.path() + "/of-" + name;
        ASSERT_TRUE(std::filesystem::create_directory(folder));
        std::ofstream(folder + "/" + name) << std::string(4096, 'x');
        const RunResult run = run_binary({"serve", "--port=0", "--data-dir=" + folder});
        EXPECT_EQ(run.status, 1) << name << ": " << run.error;
        EXPECT_NE(run.error.find("cannot start"), std::string::npos) << name << ": " << run.error;
    }
}

}  // namespace
}  // namespace tidegate::testing
