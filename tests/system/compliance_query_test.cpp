// What the record holds, asked for by those who may: filters, pages, look-ups, exports, streams and statistics of decisions that
// the real server made for two tenants.
#include <algorithm>
#include <csignal>
#include <map>
#include <set>

#include "base/hash.h"
#include "base/strings.h"
#include "system/gate.h"
#include "system/listener.h"

namespace tidegate::testing {
namespace {

class ComplianceQuery : public GateFixture {
  protected:
    void SetUp() override {
        north_ = create({"north", "--tenant", "north", "--scope", "provenance", "--scope", "compliance:read"});
        south_ = create({"south", "--tenant", "south", "--scope", "provenance", "--scope", "compliance:read"});
        auditor_ = create({"auditor", "--scope", "compliance:audit"});
        open();
    }
    void open() {
        server_ = start("", {"--identity.required=always", "--compliance.heartbeat_s=1"});
        ASSERT_NE(server_, nullptr);
        port_ = server_->port();
    }
    HeaderList create(std::vector<std::string> words) const {
        words.insert(words.begin(), {"keys", "create", "--data-dir=" + folder_.path(), "--name"});
        const RunResult made = run_binary(words);
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    }
    static std::string text(unsigned n) { return std::string(kHumanText) + " Number " + std::to_string(n) + "."; }
    std::string decide(const HeaderList& key, unsigned n, std::string* request = nullptr) const {
        const RawResponse answer = post(port_, "/api/v1/detect/text", text_body(text(n)), key);
        EXPECT_EQ(answer.status, 200) << answer.body;
        if (request != nullptr) *request = answer.header("x-request-id");
        return std::string(parse_json(answer.body).root().find("analysis_id")->as_string());
    }
    std::vector<std::string> decide_some(const HeaderList& key, unsigned count) const {
        std::vector<std::string> ids;
        for (unsigned n = 0; n < count; ++n) ids.push_back(decide(key, n));
        return ids;
    }
    json::Document query(const HeaderList& key, const std::string& body) const {
        const RawResponse answer = post(port_, "/api/compliance/query", body, key);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    json::Document ask(const HeaderList& key, const std::string& target) const {
        const RawResponse answer = get(port_, target, key);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return parse_json(answer.body);
    }
    static std::vector<std::string> ids(const json::Document& answer) {
        std::vector<std::string> found;
        answer.root().find("results")->each([&](json::Value one) { found.emplace_back(one.find("id")->as_string()); });
        return found;
    }
    static std::int64_t number(const json::Document& answer, std::string_view name) {
        const auto value = answer.root().find(name);
        EXPECT_TRUE(value.has_value()) << name;
        return value ? value->as_int() : -1;
    }
    std::string exported(const HeaderList& key, const std::string& body, std::string_view type) const {
        const RawResponse answer = post(port_, "/api/compliance/export", body, key);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(answer.complete);
        EXPECT_TRUE(answer.header("content-type").starts_with(type)) << answer.header("content-type");
        return answer.body;
    }
    std::vector<json::Document> exported_records(const HeaderList& key, const std::string& body) const {
        std::vector<json::Document> records;
        const std::string lines = exported(key, body, "application/x-ndjson");
        for (const std::string_view line : split(lines, '\n')) {
            if (!line.empty()) records.push_back(parse_json(line));
        }
        return records;
    }

    HeaderList north_;
    HeaderList south_;
    HeaderList auditor_;
    Process server_;
    std::uint16_t port_ = 0;
};

TEST_F(ComplianceQuery, PagesGiveEachDecisionOnceNewestFirst) {
    std::vector<std::string> made = decide_some(north_, 23);
    std::ranges::reverse(made);
    std::vector<std::string> seen;
    std::string cursor;
    do {
        const json::Document page =
            query(north_, R"({"limit":5)" + (cursor.empty() ? "}" : R"(,"cursor":")" + cursor + "\"}"));
        std::ranges::copy(ids(page), std::back_inserter(seen));
        EXPECT_EQ(number(page, "total"), 23);
        // What is recorded between two pages moves none of them.
        if (cursor.empty()) decide(south_, 1000);
        const auto next = page.root().find("next_cursor");
        cursor = next->kind() == json::Kind::kString ? std::string(next->as_string()) : "";
    } while (!cursor.empty() && seen.size() < 100);
    EXPECT_EQ(seen, made);
    const json::Document counted = query(north_, R"({"limit":4,"offset":20})");
    EXPECT_EQ(ids(counted), (std::vector<std::string>{made[20], made[21], made[22]}));
    expect_problem(post(port_, "/api/compliance/query", R"({"cursor":"nonsense"})", north_), 400);
}

TEST_F(ComplianceQuery, EachFilterGivesWhatItSaysAndAnUnknownOneIsRefused) {
    const std::vector<std::string> made = decide_some(north_, 6);
    const json::Document all = query(north_, "{}");
    ASSERT_EQ(ids(all).size(), made.size());
    json::Value first = *all.root().find("results");
    std::string band, model, version, actor, time;
    first.each([&](json::Value one) {
        band = one.find("band")->as_string();
        model = one.find("model")->as_string();
        version = one.find("model_version")->as_string();
        actor = one.find("actor")->as_string();
        time = one.find("time")->as_string();  // Of the oldest: it comes last.
    });
    const auto count = [&](const std::string& name, const std::string& value) {
        return ids(query(north_, "{\"" + name + "\":\"" + value + "\"}")).size();
    };
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"service", "provenance"},
                                                                                      {"operation", "detect/text"},
                                                                                      {"content_type", "text"},
                                                                                      {"band", band},
                                                                                      {"status", "success"},
                                                                                      {"model", model},
                                                                                      {"model_version", version},
                                                                                      {"actor", actor},
                                                                                      {"tenant", "north"},
                                                                                      {"from", time},
                                                                                      {"kind", "decision"}}) {
        EXPECT_EQ(count(name, value), made.size()) << name;
    }
    for (const std::string name : {"service", "operation", "content_type", "band", "model", "model_version", "actor"}) {
        EXPECT_EQ(count(name, "nothing-of-it"), 0U) << name;
    }
    EXPECT_EQ(count("status", "error"), 0U);
    EXPECT_EQ(count("to", time), 0U) << "`to` is exclusive";
    expect_problem(post(port_, "/api/compliance/query", R"({"sevrice":"provenance"})", north_), 422);
    expect_problem(post(port_, "/api/compliance/query", R"({"status":"fine"})", north_), 422);
}

TEST_F(ComplianceQuery, TheDecisionsOfARequestAndOfAnInputAreFound) {
    std::string request;
    const std::string id = decide(north_, 1, &request);
    const json::Document found = ask(north_, "/api/compliance/request/" + request);
    EXPECT_EQ(ids(found), std::vector<std::string>{id});
    EXPECT_FALSE(found.root().find("truncated")->as_bool());
    expect_problem(get(port_, "/api/compliance/request/no-such-request", north_), 404);

    // Answered from the cache: a record of its own all the same.
    std::string second;
    EXPECT_EQ(decide(north_, 1, &second), id);
    decide(north_, 2);
    decide(south_, 1);
    std::string stored;
    found.root().find("results")->each([&](json::Value one) { stored = one.find("input_hash")->as_string(); });
    const std::vector<std::string> both{second, request};
    const auto requests = [&](const std::string& hash) {
        std::vector<std::string> asked;
        const json::Document answer = ask(north_, "/api/compliance/duplicates/" + hash);
        answer.root().find("results")->each(
            [&](json::Value one) { asked.emplace_back(one.find("request_id")->as_string()); });
        return asked;
    };
    EXPECT_EQ(requests(stored), both) << "as the record has it";
    const std::string plain = to_hex(sha256(text(1)));
    EXPECT_NE(plain, stored) << "privacy.input_hash is keyed";
    EXPECT_EQ(requests(plain), both) << "as who has the input knows it";
    EXPECT_EQ(number(ask(north_, "/api/compliance/duplicates/" + to_hex(sha256("never asked"))), "count"), 0);
    // Under another tenant's key the same input has another hash; its plain one finds one's own.
    EXPECT_EQ(number(ask(south_, "/api/compliance/duplicates/" + stored), "count"), 0);
    EXPECT_EQ(number(ask(south_, "/api/compliance/duplicates/" + plain), "count"), 1);
    // Who sees all names the tenant whose key it is.
    EXPECT_EQ(number(ask(auditor_, "/api/compliance/duplicates/" + plain), "count"), 0);
    EXPECT_EQ(number(ask(auditor_, "/api/compliance/duplicates/" + plain + "?tenant=north"), "count"), 2);
    expect_problem(get(port_, "/api/compliance/duplicates/" + plain + "?tenant=north", south_), 403);
    expect_problem(get(port_, "/api/compliance/duplicates/" + std::string(64, 'g'), north_), 422);
}

TEST_F(ComplianceQuery, AnExportIsWholeInEachFormAndTheStatisticsAreItsCounts) {
    const std::vector<std::string> made = decide_some(north_, 30);
    decide_some(south_, 4);
    const std::vector<json::Document> records = exported_records(north_, R"({"format":"ndjson"})");
    std::vector<std::string> found;
    std::int64_t bytes = 0;
    double latency = 0;
    std::map<std::string, std::int64_t> bands;
    for (const json::Document& record : records) {
        found.emplace_back(record.root().find("id")->as_string());
        bytes += record.root().find("input_size")->as_int();
        latency += record.root().find("latency_ms")->as_double();
        ++bands[std::string(record.root().find("band")->as_string())];
    }
    EXPECT_EQ(found, made) << "oldest first";
    const std::string csv = exported(north_, R"({"format":"csv","order":"newest"})", "text/csv");
    const auto rows = split(csv, '\n');
    ASSERT_EQ(rows.size(), made.size() + 2) << "a head, and nothing behind the last line end";
    for (std::size_t i = 0; i < made.size(); ++i) EXPECT_TRUE(rows[i + 1].starts_with(made[made.size() - 1 - i]));
    const json::Document array = parse_json(exported(north_, R"({"format":"json"})", "application/json"));
    EXPECT_EQ(array.root().size(), made.size());
    EXPECT_EQ(exported(north_, R"({"format":"ndjson","band":"nothing-of-it"})", "application/x-ndjson"), "");

    const json::Document statistics = ask(north_, "/api/compliance/statistics?service=provenance");
    EXPECT_EQ(number(statistics, "total_requests"), static_cast<std::int64_t>(made.size()));
    EXPECT_EQ(number(statistics, "input_bytes"), bytes);
    EXPECT_NEAR(statistics.root().find("avg_processing_time_ms")->as_double(),
                latency / static_cast<double>(made.size()), 0.001);
    for (const auto& [band, count] : bands) {
        EXPECT_EQ(statistics.root().find("by_band")->find(band)->as_int(), count) << band;
    }
    EXPECT_EQ(number(ask(south_, "/api/compliance/statistics?service=provenance"), "total_requests"), 4);
    EXPECT_EQ(number(ask(auditor_, "/api/compliance/statistics?service=provenance"), "total_requests"), 34);
}

TEST_F(ComplianceQuery, ATenantNeverSeesAnother) {
    std::string request;
    const std::string id = decide(north_, 1, &request);
    const std::vector<std::string> others = decide_some(south_, 3);
    for (const std::string body : {"{}", R"({"service":"provenance"})", R"({"tenant":"south"})"}) {
        for (const std::string& one : ids(query(south_, body))) EXPECT_NE(one, id) << body;
        EXPECT_EQ(exported(south_, body, "application/x-ndjson").find(id), std::string::npos) << body;
    }
    // One's own events, and nobody else's.
    EXPECT_EQ(to_text(query(south_, R"({"kind":"event","limit":500})").root()).find("north"), std::string::npos);
    for (const std::string path : {"query", "export"}) {
        expect_problem(post(port_, "/api/compliance/" + path, R"({"tenant":"north"})", south_), 403);
    }
    for (const std::string path : {"statistics", "statistics/stream", "stream"}) {
        expect_problem(get(port_, "/api/compliance/" + path + "?tenant=north", south_), 403);
    }
    expect_problem(get(port_, "/api/compliance/request/" + request, south_), 404);
    EXPECT_EQ(ids(query(auditor_, "{}")).size(), 4U);
    EXPECT_EQ(ids(query(auditor_, R"({"tenant":"north"})")), std::vector<std::string>{id});
    // A key for one thing is not one for the other.
    const HeaderList writer = create({"writer", "--tenant", "north", "--scope", "provenance"});
    EXPECT_EQ(ask_until([&] { return post(port_, "/api/compliance/query", "{}", writer).status; },
                        [](int status) { return status != 401; }),
              403);
    expect_problem(post(port_, "/api/compliance/query", "{}"), 401);
}

TEST_F(ComplianceQuery, EachReadingIsAnEventOfTheRecord) {
    std::string request;
    decide(north_, 1, &request);
    std::set<std::string> expected;
    const auto reads = [&](const std::string& operation) { expected.insert(operation); };
    query(north_, R"({"band":"uncertain"})"), reads("access/query");
    exported(north_, "{}", "application/x-ndjson"), reads("access/export");
    ask(north_, "/api/compliance/request/" + request), reads("access/request");
    ask(north_, "/api/compliance/duplicates/" + to_hex(sha256(text(1)))), reads("access/duplicates");
    EXPECT_TRUE(Listener(port_, "/api/compliance/stream", north_).listening());
    reads("access/stream");
    EXPECT_TRUE(Listener(port_, "/api/compliance/statistics/stream", north_).listening());
    reads("access/statistics_stream");
    const json::Document events = query(auditor_, R"({"kind":"event","tenant":"north","service":"compliance"})");
    std::multiset<std::string> found;
    events.root().find("results")->each([&](json::Value one) {
        found.emplace(one.find("operation")->as_string());
        EXPECT_TRUE(one.find("actor")->as_string().starts_with("key:"));
        if (one.find("operation")->as_string() == "access/query") {
            EXPECT_EQ(one.find("output")->find("band")->as_string(), "uncertain") << "what was asked for";
        }
    });
    EXPECT_EQ(found, (std::multiset<std::string>(expected.begin(), expected.end()))) << "each once";
    EXPECT_EQ(number(ask(north_, "/api/compliance/statistics"), "total_requests"), 1) << "events are no decisions";
}

TEST_F(ComplianceQuery, AStreamGoesOnWhereItWasCutAlsoOverARestart) {
    std::string last;
    {
        Listener listener(port_, "/api/compliance/stream", north_);
        ASSERT_TRUE(listener.listening());
        decide(south_, 5);
        const std::string first = decide(north_, 1);
        const Event event = listener.next("decision");
        EXPECT_EQ(parse_json(event.data).root().find("id")->as_string(), first);
        last = event.id;
    }
    std::vector<std::string> missed{decide(north_, 2)};
    decide(south_, 6);
    ASSERT_EQ(server_->stop(SIGTERM, 60), 0) << server_->log();
    open();
    missed.push_back(decide(north_, 3));
    HeaderList resuming = north_;
    resuming.emplace_back("Last-Event-ID", last);
    Listener listener(port_, "/api/compliance/stream", resuming);
    ASSERT_TRUE(listener.listening());
    missed.push_back(decide(north_, 4));
    for (const std::string& id : missed) {
        const Event event = listener.next("decision");
        ASSERT_FALSE(event.data.empty()) << "not all came";
        EXPECT_EQ(parse_json(event.data).root().find("id")->as_string(), id);
    }
    HeaderList wrong = north_;
    wrong.emplace_back("Last-Event-ID", "999999999");
    expect_problem(get(port_, "/api/compliance/stream", wrong), 400);
}

TEST_F(ComplianceQuery, AStopEndsOpenStreamsWholeAndLeavesNothing) {
    std::vector<RawClient> clients;
    clients.reserve(3);
    for (const char* path : {"/api/compliance/stream", "/api/compliance/statistics/stream", "/api/drift/stream"}) {
        RawClient& client = clients.emplace_back(port_);
        ASSERT_TRUE(client.send(request_text("GET", path, {}, north_)));
        ASSERT_TRUE(client.wait_for("\n\n")) << path;
    }
    // A leak is an exit status of its own in the sanitizers' build.
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0) << server_->log();
    for (RawClient& client : clients) {
        const auto rest_of_it = client.receive_all();
        ASSERT_TRUE(rest_of_it.has_value());
        EXPECT_TRUE(rest_of_it->ends_with("\r\n0\r\n\r\n")) << *rest_of_it;
    }
}

TEST_F(ComplianceQuery, AStreamOfStatisticsTellsEachChange) {
    Listener listener(port_, "/api/compliance/statistics/stream?service=provenance", north_);
    ASSERT_TRUE(listener.listening());
    EXPECT_EQ(number(parse_json(listener.next("statistics").data), "total_requests"), 0);
    decide(north_, 1);
    EXPECT_EQ(number(parse_json(listener.next("statistics").data), "total_requests"), 1);
}

}  // namespace
}  // namespace tidegate::testing
