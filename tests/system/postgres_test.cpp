// The real server with its record in a real PostgreSQL: what both lose when they are killed, what every reader finds, and what the verifier
// says of a database that somebody has touched.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "audit_postgres/postgres_server.h"
#include "base/clock.h"
#include "base/strings.h"
#include "store/postgres.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;

class PostgresSystem : public GateFixture {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        database_ = PostgresServer::start();
        ASSERT_NE(database_, nullptr);
    }
    std::string yaml(const std::string& more = {}) const {
        return "audit:\n  store: postgres\n  checkpoint_interval_s: 0.05\n" + more + "database:\n  url: \"" +
               database_->url() + "\"\n";
    }
    void open(const std::string& more = {}, std::vector<std::string> arguments = {}) {
        server_ = start(yaml(more), std::move(arguments));
        ASSERT_NE(server_, nullptr);
        port_ = server_->port();
    }
    static int decide(RawClient& client, const std::string& request, const HeaderList& more = {}) {
        HeaderList headers{{"Content-Type", "application/json"}, {"X-Request-ID", request}};
        headers.insert(headers.end(), more.begin(), more.end());
        const RawResponse answer = client.ask(
            request_text("POST", "/api/v1/detect/text", text_body(std::string(kHumanText) + request), headers));
        return answer.complete ? answer.status : 0;
    }
    int decide(const std::string& request, const HeaderList& more = {}) const {
        RawClient client(port_);
        return decide(client, request, more);
    }
    json::Document ask(const std::string& target, const HeaderList& headers = {}, int status = 200) const {
        const RawResponse answer = get(port_, target, headers);
        EXPECT_EQ(answer.status, status) << target << ": " << answer.body;
        return parse_json(answer.body);
    }
    json::Document ask_post(const std::string& target, const std::string& body) const {
        const RawResponse answer = post(port_, target, body);
        EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
        return parse_json(answer.body);
    }
    /// The request ids of the decisions on record, as many times as they are there.
    std::multiset<std::string> recorded() const {
        std::multiset<std::string> ids;
        exported(port_).root().each([&](json::Value one) { ids.emplace(one.find("request_id")->as_string()); });
        return ids;
    }
    bool is_degraded() const { return ask("/health").root().find("decisions")->find("degraded")->as_bool(); }
    void wait_until_degraded_is(bool wanted) const {
        EXPECT_EQ(ask_until([&] { return is_degraded(); }, [&](bool got) { return got == wanted; }), wanted);
    }
    /// The public key as the server gives it, in a file; the first checkpoint is there.
    std::string key_file() const {
        ask_until([&] { return get(port_, "/api/compliance/checkpoint").status; }, [](int got) { return got == 200; });
        const std::string path = folder_.path() + "/log.pub";
        std::ofstream(path) << ask("/api/compliance/checkpoint?format=json").root().find("verifier_key")->as_string()
                            << "\n";
        return path;
    }
    /// `tidegate audit VERB postgres ...`, with the settings of the server.
    RunResult audit(std::vector<std::string> words) const {
        words.insert(words.begin(), "audit");
        words.insert(words.begin() + 2, "postgres");
        words.push_back("--config=" + folder_.path() + "/tidegate.yaml");
        words.push_back("--data-dir=" + folder_.path());
        return run_binary(words);
    }
    void run_sql(const std::string& statements) const {
        store::PostgresOptions options;
        options.url = database_->url();
        const SystemClock clock;
        const auto link = store::PostgresLink::connect(options, clock);
        ASSERT_TRUE(link) << link.error().message;
        const auto done = (*link)->run(statements);
        ASSERT_TRUE(done) << done.error().message;
    }
    void expect_found(const std::string& key, const std::string& what) const {
        const RunResult found = audit({"verify", "--key", key});
        EXPECT_EQ(found.status, 1) << found.out << found.error;
        EXPECT_THAT(found.out, HasSubstr("FOUND " + what));
    }

    std::unique_ptr<PostgresServer> database_;
    Process server_;
    std::uint16_t port_ = 0;
};

TEST_F(PostgresSystem, KillsOfTheServerAndOfTheDatabaseLoseNothingAcknowledgedAndEveryReaderAgrees) {
    std::set<std::string> acknowledged;
    for (int round = 0; round < 4; ++round) {
        ASSERT_NO_FATAL_FAILURE(open());
        std::atomic<std::uint64_t> answered{0};
        std::atomic<bool> stop{false};
        std::vector<std::vector<std::string>> seen(3);
        {
            std::vector<std::jthread> clients;
            for (std::size_t c = 0; c < seen.size(); ++c) {
                clients.emplace_back([&, c] {
                    RawClient client(port_);
                    for (int i = 0; i < 20'000 && !stop; ++i) {
                        const std::string id = fmt::format("r-{}-{}-{}", round, c, i);
                        const int status = decide(client, id);
                        if (status == 200) seen[c].push_back(id);
                        if (status == 200) ++answered;
                        if (status == 0) return;
                    }
                });
            }
            const auto wait_for = [&](std::uint64_t more) {
                const std::uint64_t until = answered + more;
                ask_until([&] { return answered.load(); }, [&](std::uint64_t now) { return now >= until; });
            };
            wait_for(15);
            if (round % 2 == 1) {
                database_->kill();
                ASSERT_TRUE(database_->restart());
                wait_for(15);
            }
            if (round < 3) {
                server_->kill_now();
            } else {
                stop = true;
            }
        }
        for (const auto& list : seen) acknowledged.insert(list.begin(), list.end());
    }
    EXPECT_GE(acknowledged.size(), 60U);
    const std::multiset<std::string> there = recorded();
    std::size_t lost = 0;
    for (const std::string& id : acknowledged) {
        EXPECT_LE(there.count(id), 1U) << id;
        lost += there.contains(id) ? 0 : 1;
    }
    EXPECT_EQ(lost, 0U) << "of " << acknowledged.size();
    // Statistics, history and the verifier speak of the same records.
    EXPECT_EQ(ask("/api/compliance/statistics?service=provenance").root().find("total_requests")->as_int(),
              static_cast<std::int64_t>(there.size()));
    const std::string key = key_file();
    EXPECT_EQ(ask("/api/v1/analyze/history?limit=1").root().find("items")->size(), 1U);
    const json::Document judged = ask_post("/api/compliance/verify", R"({"log":true})");
    EXPECT_EQ(judged.root().find("integrity")->as_string(), "sound") << to_text(judged.root());
    server_->stop(SIGTERM, 60);
    const RunResult verified = audit({"verify", "--key", key, "--json"});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.error;
    const json::Document report = parse_json(verified.out);
    const RunResult exported = audit({"export", "--out", folder_.path() + "/all.ndjson"});
    EXPECT_EQ(exported.out, fmt::format("{} record(s)\n", report.root().find("records")->as_int())) << exported.error;
}

TEST_F(PostgresSystem, WithoutItsDatabaseItRefusesSaysSoAndGoesOnByItself) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_EQ(decide("before"), 200);
    const json::Document health = ask("/health");
    EXPECT_EQ(health.root().find("status")->as_string(), "ok") << to_text(health.root());
    database_->kill();
    EXPECT_EQ(decide("while-away"), 503) << "never an answer without its record";
    wait_until_degraded_is(true);
    EXPECT_THAT(to_text(ask("/health").root()), HasSubstr("the database cannot be reached"));
    EXPECT_EQ(get(port_, "/ready").status, 503);
    EXPECT_EQ(get(port_, "/api/compliance/request/before").status, 503) << "an error, never an empty answer";
    ASSERT_TRUE(database_->restart());
    wait_until_degraded_is(false);
    EXPECT_EQ(decide("after"), 200);
    const std::multiset<std::string> there = recorded();
    EXPECT_EQ(there, (std::multiset<std::string>{"before", "after"}));
}

TEST_F(PostgresSystem, ToldToGoOnItAnswersWithoutTheDatabaseAndTheLogSaysHowManyAreMissing) {
    ASSERT_NO_FATAL_FAILURE(open("  when_failing: go_on\n"));
    ASSERT_EQ(decide("before"), 200);
    database_->kill();
    EXPECT_EQ(decide("lost-1"), 200);
    EXPECT_EQ(decide("lost-2"), 200);
    wait_until_degraded_is(true);
    const auto gap = [&] { return ask("/health").root().find("decisions")->find("gap_records")->as_int(); };
    EXPECT_EQ(ask_until(gap, [](std::int64_t records) { return records >= 2; }), 2);
    EXPECT_EQ(get(port_, "/ready").status, 200);
    ASSERT_TRUE(database_->restart());
    wait_until_degraded_is(false);
    EXPECT_EQ(decide("after"), 200);
    const auto lost = [&] {
        std::int64_t records = 0;
        const auto ask = [&] {
            return post(port_, "/api/compliance/query", R"({"kind":"event","service":"audit","operation":"gap"})");
        };
        each_in(until_given(ask, json::Kind::kObject).root(), "results",
                [&](json::Value event) { records += event.find("output")->find("records_lost")->as_int(); });
        return records;
    };
    EXPECT_EQ(ask_until(lost, [](std::int64_t records) { return records == 2; }), 2);
}

TEST_F(PostgresSystem, WhatIsNotThereAtTheStartStopsItInClearWords) {
    const std::string folder = folder_.path() + "/none";
    const auto serve = [&](const std::vector<std::string>& environment) {
        return run_binary({"serve", "--port", "0", "--data-dir", folder, "--audit.store", "postgres"}, {}, environment);
    };
    const RunResult unset = serve({});
    EXPECT_EQ(unset.status, 1);
    EXPECT_THAT(unset.error, HasSubstr("database.url is not set"));
    const RunResult other = serve({"DATABASE_URL=sqlite:data/secret-name.db"});
    EXPECT_EQ(other.status, 1);
    EXPECT_THAT(other.error, HasSubstr("begins with `sqlite`"));
    EXPECT_THAT(other.error, ::testing::Not(HasSubstr("secret-name")));
    const RunResult away = serve({"APT_DATABASE_URL=postgresql://nobody:hidden@127.0.0.1:1/none"});
    EXPECT_EQ(away.status, 1);
    EXPECT_THAT(away.error, HasSubstr("the record's database (database.url): the database cannot be reached"));
    EXPECT_THAT(away.error, ::testing::Not(HasSubstr("hidden")));
    // Another server has the log.
    ASSERT_NO_FATAL_FAILURE(open());
    const RunResult taken = serve({"TIDEGATE_DATABASE_URL=" + database_->url()});
    EXPECT_EQ(taken.status, 1);
    EXPECT_THAT(taken.error, HasSubstr("has another writer"));
}

TEST_F(PostgresSystem, TenantsAreApartAndDecisionsFromElsewhereComeInOnce) {
    const auto create = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return HeaderList{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    };
    const auto scopes = [&](const std::string& tenant) {
        return create({tenant, "--tenant", tenant, "--scope", "provenance", "--scope", "compliance:read", "--scope",
                       "compliance:write"});
    };
    const HeaderList north = scopes("north");
    const HeaderList south = scopes("south");
    ASSERT_NO_FATAL_FAILURE(open({}, {"--identity.required=always"}));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(decide(fmt::format("n-{}", i), north), 200);
    EXPECT_EQ(decide("s-0", south), 200);
    const std::string outside =
        R"({"request_id":"call-1","input":"question","source":"desk","model":"scorer","model_version":"3",)"
        R"("output":{"answer":"yes"},"confidence_scores":{"yes":0.9,"no":0.1},"processing_time_ms":4.5})";
    const RawResponse first = post(port_, "/api/v1/decisions", outside, north);
    EXPECT_EQ(first.status, 202) << first.body;
    server_->kill_now();
    ASSERT_NO_FATAL_FAILURE(open({}, {"--identity.required=always"}));
    const RawResponse second = post(port_, "/api/v1/decisions", outside, north);
    EXPECT_EQ(second.status, 202) << second.body;
    EXPECT_THAT(second.body, HasSubstr(R"("duplicate":true)"));
    std::string changed = outside;
    changed.replace(changed.find("\"yes\"},"), 5, "\"no\"");
    EXPECT_EQ(post(port_, "/api/v1/decisions", changed, north).status, 409);
    EXPECT_EQ(ask("/api/compliance/statistics", north).root().find("total_requests")->as_int(), 6);
    EXPECT_EQ(ask("/api/compliance/statistics", south).root().find("total_requests")->as_int(), 1);
    EXPECT_EQ(get(port_, "/api/compliance/request/n-1", north).status, 200);
    EXPECT_EQ(get(port_, "/api/compliance/request/n-1", south).status, 404);
}

TEST_F(PostgresSystem, ADecisionIsProvenFromTheDatabaseAndWhatSomebodyTouchesIsFound) {
    ASSERT_NO_FATAL_FAILURE(open());
    std::string id;
    for (int i = 0; i < 12; ++i) {
        const RawResponse answer =
            post(port_, "/api/v1/detect/text", text_body(std::string(kHumanText) + std::to_string(i)));
        ASSERT_EQ(answer.status, 200) << answer.body;
        if (i == 7) id = std::string(parse_json(answer.body).root().find("analysis_id")->as_string());
    }
    const std::string key = key_file();
    ask_until([&] { return get(port_, "/api/compliance/receipt/" + id).status; }, [](int got) { return got == 200; });
    server_->stop(SIGTERM, 60);
    const std::string receipt = folder_.path() + "/one.receipt";
    const RunResult proved = audit({"prove", "--id", id, "--out", receipt});
    EXPECT_EQ(proved.status, 0) << proved.error;
    const RunResult holds = run_binary({"audit", "receipt", receipt, "--key", key});
    EXPECT_EQ(holds.status, 0) << holds.error;
    EXPECT_THAT(holds.out, HasSubstr(id));
    const RunResult tail = audit({"tail", "-n", "3"});
    EXPECT_EQ(std::ranges::count(tail.out, '\n'), 3) << tail.out << tail.error;
    const RunResult sound = audit({"verify", "--key", key});
    EXPECT_EQ(sound.status, 0) << sound.out << sound.error;
    EXPECT_EQ(audit({"verify"}).status, 3) << "without a key completeness cannot be judged";

    run_sql("CREATE TABLE kept AS TABLE tidegate.audit_blocks; CREATE TABLE kept_head AS TABLE tidegate.audit_head");
    const std::string back =
        "DELETE FROM tidegate.audit_blocks; INSERT INTO tidegate.audit_blocks SELECT * FROM kept;"
        "UPDATE tidegate.audit_head h SET size = k.size, peaks = k.peaks FROM kept_head k;";
    run_sql(
        "UPDATE tidegate.audit_blocks SET payload = set_byte(payload, 60, 255 - get_byte(payload, 60))"
        " WHERE first_leaf = 3");
    expect_found(key, "batch_damaged");
    run_sql(back + "DELETE FROM tidegate.audit_blocks WHERE first_leaf = 3");
    expect_found(key, "records_missing");
    run_sql(back +
            "UPDATE tidegate.audit_blocks a SET payload = b.payload, crc = b.crc FROM kept b"
            " WHERE (a.first_leaf, b.first_leaf) IN ((3, 4), (4, 3))");
    expect_found(key, "batch_damaged");
    // A tail that was cut so that the database agrees with itself: only the checkpoints know.
    run_sql(back +
            "DELETE FROM tidegate.audit_blocks WHERE first_leaf >= 6; UPDATE tidegate.audit_head SET size = 6,"
            " peaks = (SELECT peaks FROM tidegate.audit_blocks WHERE first_leaf + records = 6)");
    expect_found(key, "truncated");
    run_sql(back);
    EXPECT_EQ(audit({"verify", "--key", key}).status, 0);
}

}  // namespace
}  // namespace tidegate::testing
