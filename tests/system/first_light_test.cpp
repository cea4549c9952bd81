// The way of a first question: asked, answered, recorded, counted, documented.
#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

class FirstLight : public ::testing::Test {
  protected:
    void SetUp() override {
        server_ = ServerProcess::start(folder_.path());
        ASSERT_NE(server_, nullptr);
    }
    std::uint16_t port() const { return server_->port(); }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

/// The answer without the two members that belong to one answer only.
std::string comparable(json::Value answer) {
    std::string out;
    answer.each_member([&](std::string_view name, json::Value value) {
        if (name != "analysis_id" && name != "processing_time_ms")
            out += std::string(name) + "=" + to_text(value) + "\n";
    });
    return out;
}

std::vector<std::pair<std::string, std::string>> events_of(const std::string& body) {
    std::vector<std::pair<std::string, std::string>> events;
    std::string name;
    std::size_t start = 0;
    while (start < body.size()) {
        const std::size_t end = body.find('\n', start);
        const std::string line = body.substr(start, end - start);
        if (line.starts_with("event: ")) name = line.substr(7);
        if (line.starts_with("data: ")) events.emplace_back(name, line.substr(6));
        start = end == std::string::npos ? body.size() : end + 1;
    }
    return events;
}

TEST_F(FirstLight, AnswersWithEveryMemberOfTheContract) {
    const RawResponse response =
        post(port(), "/api/v1/detect/text", text_body(kHumanText), {{"X-Request-Id", "first-1"}});
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.header("x-request-id"), "first-1");
    EXPECT_EQ(response.header("cache-control"), "no-store");
    const json::Document answer = parse_json(response.body);
    for (const char* member :
         {"analysis_id", "is_ai_generated", "confidence", "decision_band", "interval", "calibration_version",
          "model_version", "signals", "segments", "uncertainty_flags", "explanation", "processing_time_ms"}) {
        EXPECT_TRUE(answer.root().find(member)) << member;
    }
    EXPECT_FALSE(answer.root().find("is_ai_generated")->as_bool()) << "Thoreau called a machine";
    double sum = answer.root().find("intercept")->as_double();
    answer.root().find("signals")->each([&](json::Value signal) { sum += signal.find("contribution")->as_double(); });
    EXPECT_NEAR(sum, answer.root().find("log_odds")->as_double(), 1e-9);
}

TEST_F(FirstLight, SingleBatchAndStreamGiveTheSameAnswer) {
    const std::string body = text_body(kHumanText);
    const json::Document single = parse_json(post(port(), "/api/v1/detect/text", body).body);
    const json::Document batch =
        parse_json(post(port(), "/api/v1/batch/text", R"({"items":[{"item_id":"a",)" + body.substr(1) + "]}").body);
    json::Value result = single.root();
    batch.root().find("items")->each([&](json::Value item) { result = *item.find("result"); });
    EXPECT_EQ(comparable(result), comparable(single.root()));

    const RawResponse stream = post(port(), "/api/v1/detect/stream/text", body);
    ASSERT_TRUE(stream.complete);
    EXPECT_EQ(stream.header("content-type"), "text/event-stream");
    const auto events = events_of(stream.body);
    ASSERT_GE(events.size(), 5U);
    EXPECT_EQ(events.front().first, "started");
    EXPECT_EQ(events.back().first, "done");
    EXPECT_EQ(events[events.size() - 2].first, "result");
    const json::Document streamed = parse_json(events[events.size() - 2].second);
    EXPECT_EQ(comparable(streamed.root()), comparable(single.root()));
    const auto count = [&](std::string_view name) {
        return static_cast<std::size_t>(
            std::ranges::count_if(events, [&](const auto& event) { return event.first == name; }));
    };
    EXPECT_EQ(count("signal"), single.root().find("signals")->size());
    EXPECT_EQ(count("segment"), single.root().find("segments")->size());
}

TEST_F(FirstLight, TheDecisionIsInHistoryStatisticsAndMetrics) {
    const json::Document answer =
        parse_json(post(port(), "/api/v1/detect/text", text_body(kHumanText), {{"X-Request-Id", "find-me"}}).body);
    const json::Document history = parse_json(get(port(), "/api/v1/analyze/history?limit=10").body);
    ASSERT_EQ(history.root().find("items")->size(), 1U);
    history.root().find("items")->each([&](json::Value item) {
        EXPECT_EQ(item.find("analysis_id")->as_string(), answer.root().find("analysis_id")->as_string());
        EXPECT_EQ(item.find("request_id")->as_string(), "find-me");
        EXPECT_EQ(item.find("decision_band")->as_string(), answer.root().find("decision_band")->as_string());
        EXPECT_EQ(item.find("confidence")->as_double(), answer.root().find("confidence")->as_double());
        EXPECT_EQ(item.find("content_type")->as_string(), "text");
    });
    const json::Document stats = parse_json(get(port(), "/api/v1/analyze/stats?days=1").body);
    EXPECT_EQ(stats.root().find("total_requests")->as_int(), 1);
    // A request is counted when its answer is out: a moment later.
    constexpr std::string_view kCounted =
        "http_requests_total{method=\"POST\",handler=\"/api/v1/detect/text\",status=\"200\"} 1\n";
    std::string metrics = get(port(), "/metrics").body;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!metrics.contains(kCounted) && std::chrono::steady_clock::now() < give_up) {
        rest(std::chrono::milliseconds(10));
        metrics = get(port(), "/metrics").body;
    }
    EXPECT_TRUE(metrics.contains(kCounted)) << metrics;
    EXPECT_NE(metrics.find("tidegate_audit_recorded_total 1"), std::string::npos);
    EXPECT_NE(metrics.find("process_resident_memory_bytes"), std::string::npos);
}

TEST_F(FirstLight, HistoryPagesFilterAndExport) {
    for (int i = 0; i < 7; ++i)
        post(port(), "/api/v1/detect/text", text_body("Short text number " + std::to_string(i)));
    std::vector<std::string> seen;
    std::string cursor;
    do {
        const json::Document page = parse_json(
            get(port(), "/api/v1/analyze/history?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor)).body);
        page.root().find("items")->each(
            [&](json::Value item) { seen.emplace_back(item.find("analysis_id")->as_string()); });
        const auto next = page.root().find("next_cursor");
        cursor = next->kind() == json::Kind::kString ? std::string(next->as_string()) : "";
    } while (!cursor.empty());
    EXPECT_EQ(seen.size(), 7U);
    // By their milliseconds: within one the record's order counts, and the rest of an id is random.
    EXPECT_TRUE(std::ranges::is_sorted(seen, std::greater{}, [](const std::string& id) { return id.substr(0, 13); }));
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 7U);
    const json::Document none = parse_json(get(port(), "/api/v1/analyze/history?band=ai").body);
    const json::Document uncertain = parse_json(get(port(), "/api/v1/analyze/history?band=uncertain").body);
    EXPECT_EQ(none.root().find("items")->size(), 0U);
    EXPECT_EQ(uncertain.root().find("items")->size(), 7U);
    const RawResponse csv = get(port(), "/api/v1/analyze/history/export?format=csv");
    EXPECT_EQ(std::ranges::count(csv.body, '\n'), 8);
    const RawResponse ndjson = get(port(), "/api/v1/analyze/history/export?format=ndjson");
    EXPECT_EQ(std::ranges::count(ndjson.body, '\n'), 7);
    const json::Document array = parse_json(get(port(), "/api/v1/analyze/history/export").body);
    EXPECT_EQ(array.root().size(), 7U);
    expect_problem(get(port(), "/api/v1/analyze/history?cursor=garbage"), 400);
    expect_problem(get(port(), "/api/v1/analyze/history?limit=501"), 422);
    const std::string_view backwards = "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    expect_problem(get(port(), "/api/v1/analyze/history?" + std::string(backwards)), 422);
    expect_problem(get(port(), "/api/v1/analyze/history/export?" + std::string(backwards)), 422);
    RawClient head(port());
    const RawResponse headers = head.ask(request_text("HEAD", "/api/v1/analyze/history/export?format=csv"));
    EXPECT_EQ(headers.status, 200);
    EXPECT_EQ(headers.header("content-type"), "text/csv; charset=utf-8");
    EXPECT_EQ(headers.header("content-length"), "") << "the length is not known";
    EXPECT_EQ(head.ask(request_text("GET", "/live")).status, 200) << "the connection is out of step";
}

TEST_F(FirstLight, BatchItemsFailAlone) {
    const std::string body =
        R"({"items":[{"item_id":"a","text":"fine text"},{"item_id":"b","text":""},{"item_id":"c","text":"fine too"}]})";
    const json::Document answer = parse_json(post(port(), "/api/v1/batch/text", body).body);
    EXPECT_EQ(answer.root().find("total")->as_int(), 3);
    EXPECT_EQ(answer.root().find("succeeded")->as_int(), 2);
    EXPECT_EQ(answer.root().find("failed")->as_int(), 1);
    std::string statuses;
    answer.root().find("items")->each(
        [&](json::Value item) { statuses += std::string(item.find("status")->as_string()) + " "; });
    EXPECT_EQ(statuses, "succeeded failed succeeded ");
    const std::string stopping = body.substr(0, body.size() - 1) + R"(,"stop_on_error":true})";
    const json::Document stopped = parse_json(post(port(), "/api/v1/batch/text", stopping).body);
    EXPECT_EQ(stopped.root().find("skipped")->as_int(), 1);
    expect_problem(
        post(port(), "/api/v1/batch/text", R"({"items":[{"item_id":"a","text":"x"},{"item_id":"a","text":"y"}]})"),
        422);
}

TEST_F(FirstLight, UnknownFieldsAreAcceptedAndNamed) {
    const RawResponse response = post(port(), "/api/v1/detect/text", R"({"text":"hello there","langage":"en"})");
    ASSERT_EQ(response.status, 200);
    const json::Document answer = parse_json(response.body);
    EXPECT_EQ(to_text(*answer.root().find("warnings")), R"(["unknown field ignored: langage"])");
}

TEST_F(FirstLight, AnotherLanguageIsUncertain) {
    std::string body = text_body(kHumanText);
    body.insert(body.size() - 1, R"(,"language":"de")");
    const json::Document answer = parse_json(post(port(), "/api/v1/detect/text", body).body);
    EXPECT_EQ(answer.root().find("decision_band")->as_string(), "uncertain");
    EXPECT_NE(to_text(*answer.root().find("uncertainty_flags")).find("declared_language_not_supported"),
              std::string::npos);
}

TEST_F(FirstLight, DocsPageAndItsFilesAreServed) {
    const RawResponse page = get(port(), "/docs");
    EXPECT_EQ(page.status, 200);
    EXPECT_NE(page.header("content-security-policy").find("script-src 'self'"), std::string::npos);
    EXPECT_EQ(get(port(), "/docs", {{"If-None-Match", page.header("etag")}}).status, 304);
    EXPECT_EQ(get(port(), "/docs/docs.js").header("content-type"), "text/javascript; charset=utf-8");
    EXPECT_EQ(get(port(), "/docs/docs.css").status, 200);
    const RawResponse packed = get(port(), "/openapi.json", {{"Accept-Encoding", "br"}});
    EXPECT_EQ(packed.header("content-encoding"), "br");
    EXPECT_LT(packed.body.size(), get(port(), "/openapi.json").body.size() / 3);
}

TEST_F(FirstLight, LogsOneLineARequestWithStagesAndNoBody) {
    post(port(), "/api/v1/detect/text", text_body("a very secret sentence"), {{"X-Request-Id", "logged-1"}});
    std::string log;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const auto has_line = [&] {
        const std::size_t found = log.find("logged-1");
        return found != std::string::npos && log.find('\n', found) != std::string::npos;
    };
    while (!has_line() && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        log = server_->log();
    }
    const std::size_t at = log.find("logged-1");
    ASSERT_NE(at, std::string::npos);
    const std::size_t from = log.rfind('\n', at) + 1;
    const json::Document line = parse_json(log.substr(from, log.find('\n', at) - from));
    EXPECT_EQ(line.root().find("event")->as_string(), "request");
    EXPECT_EQ(line.root().find("status")->as_int(), 200);
    EXPECT_EQ(line.root().find("route")->as_string(), "/api/v1/detect/text");
    EXPECT_TRUE(line.root().find("stages_ms")->find("detect").has_value());
    EXPECT_EQ(log.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::testing
