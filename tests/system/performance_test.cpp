// The performance layer of the real server: what it samples is what it counts, it is still there after a restart, and what it does to
// the server is measured.
#include <fstream>
#include <sstream>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr const char* kEverySecond = "performance: {interval_s: 1}\n";
const std::string kDetect = "/api/v1/detect/text";

class PerformanceTest : public GateFixture {
  protected:
    HeaderList admin_key() const {
        const RunResult made =
            run_binary({"keys", "create", "--name", "boss", "--admin", "--json", "--data-dir", folder_.path()});
        EXPECT_EQ(made.status, 0) << made.error;
        return {{"Authorization", "Bearer " + std::string(parse_json(made.out).root().find("key")->as_string())}};
    }
    static void detect(std::uint16_t port, int count) {
        RawClient client(port);
        for (int i = 0; i < count; ++i) {
            const std::string body = R"({"text":"This is text number )" + std::to_string(i) + R"(."})";
            ASSERT_EQ(client.ask(request_text("POST", kDetect, body, {{"Content-Type", "application/json"}})).status,
                      200);
        }
    }
    static json::Document given(std::uint16_t port, const std::string& target) {
        return until_given([&] { return get(port, target); }, json::Kind::kObject);
    }
    static json::Document report(std::uint16_t port, const std::string& more = {}) {
        return given(port, "/api/v1/performance/report?period=1h" + more);
    }
    /// Requests of the route in a report.
    static std::int64_t requests_in(json::Value root) {
        std::int64_t found = 0;
        each_in(root, "routes", [&](json::Value route) {
            if (route.find("route")->as_string() == kDetect) found = route.find("requests")->as_int();
        });
        return found;
    }
    /// The log is written by a thread of its own, some time after what it tells of.
    static bool is_logged(const ServerProcess& server, std::string_view word) {
        return ask_until([&] { return server.log().contains(word); }, [](bool there) { return there; });
    }
    static std::string server_url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }
};

TEST_F(PerformanceTest, StoredSamplesEqualTheMetricsAndSurviveARestart) {
    auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    detect(server->port(), 50);
    const auto document = ask_until([&] { return report(server->port()); },
                                    [](const json::Document& seen) { return requests_in(seen.root()) >= 50; });
    EXPECT_EQ(requests_in(document.root()), 50);
    EXPECT_EQ(metric(server->port(), "http_requests_total", "handler=\"" + kDetect + "\""), 50);
    // Not yet sampled, perhaps: the last sample is taken at the end.
    detect(server->port(), 7);
    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    const json::Document after = report(server->port());
    EXPECT_EQ(requests_in(after.root()), 57);
    EXPECT_GT(after.root().find("response_times_ms")->find("p95")->as_double(), 0);
    bool queued = false;
    after.root().find("stages")->each(
        [&](json::Value stage) { queued = queued || stage.find("stage")->as_string() == "detect"; });
    EXPECT_TRUE(queued);
}

TEST_F(PerformanceTest, MetricsTellOfTheLastMinuteByRouteAndStage) {
    const auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    detect(server->port(), 30);
    const std::uint16_t port = server->port();
    const auto document = ask_until([&] { return given(port, "/api/v1/performance/metrics"); },
                                    [](const json::Document& seen) { return requests_in(seen.root()) >= 30; });
    const json::Value root = document.root();
    EXPECT_EQ(requests_in(root), 30);
    EXPECT_GT(root.find("process")->find("resident_bytes")->as_double(), 1e6);
    EXPECT_GT(root.find("process")->find("open_descriptors")->as_double(), 3);
    EXPECT_EQ(root.find("process")->find("loop_lag_ms")->is_number(), true);
    EXPECT_GT(root.find("process")->find("thread_groups")->size(), 3U);
    double loops = 0;
    root.find("process")->find("thread_groups")->each([&](json::Value group) {
        if (group.find("name")->as_string() == "loop") loops = group.find("threads")->as_double();
    });
    EXPECT_GE(loops, 1) << "what serves the requests is not counted as `other`";
    EXPECT_EQ(root.find("pools")->size(), 2U);
    EXPECT_EQ(get(port, "/api/v1/metrics/performance").status, 200);
    const json::Document health = given(port, "/health/performance");
    EXPECT_EQ(health.root().find("database")->find("status")->as_string(), "ok");
    bool latency_judged = false;
    health.root().find("metrics")->each([&](json::Value one) {
        if (one.find("name")->as_string() == "requests_per_second") {
            EXPECT_EQ(one.find("state")->as_string(), "off");
        }
        if (one.find("name")->as_string() == "hit_percent") {
            EXPECT_EQ(one.find("state")->as_string(), "unknown");
        }
        latency_judged = latency_judged || one.find("name")->as_string() == "latency_p95_ms";
    });
    EXPECT_TRUE(latency_judged);
    EXPECT_GT(metric(port, "tidegate_stage_duration_seconds_count", "stage=\"detect\""), 0);
    EXPECT_GT(metric(port, "tidegate_database_statements_total"), 0);
}

TEST_F(PerformanceTest, AResetBeginsTheFiguresAnewAndLosesNothingThatWasCounted) {
    const HeaderList admin = admin_key();
    const auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    detect(port, 30);
    ask_until([&] { return given(port, "/api/v1/metrics/performance"); },
              [](const json::Document& seen) { return requests_in(seen.root()) >= 30; });
    RawClient client(port);
    const std::string path = "/api/v1/metrics/performance/reset";
    expect_problem(client.ask(request_text("POST", path, {}, {})), 401);
    EXPECT_EQ(requests_in(given(port, "/api/v1/metrics/performance").root()), 30) << "what is refused resets nothing";
    const RawResponse reset = client.ask(request_text("POST", path, {}, admin));
    ASSERT_EQ(reset.status, 200) << reset.body;
    EXPECT_TRUE(parse_json(reset.body).root().find("since").has_value());
    EXPECT_EQ(requests_in(given(port, "/api/v1/metrics/performance").root()), 0);
    detect(port, 3);
    const auto after = ask_until([&] { return given(port, "/api/v1/metrics/performance"); },
                                 [](const json::Document& seen) { return requests_in(seen.root()) >= 3; });
    EXPECT_EQ(requests_in(after.root()), 3);
    EXPECT_EQ(requests_in(report(port).root()), 33) << "the stored samples are all there";
    EXPECT_EQ(metric(port, "http_requests_total", "handler=\"" + kDetect + "\""), 33);
    const HeaderList json_admin{{"Content-Type", "application/json"}, admin.front()};
    const RawResponse events =
        client.ask(request_text("POST", "/api/compliance/query", R"({"kind":"event"})", json_admin));
    EXPECT_NE(events.body.find("metrics/performance/reset"), std::string::npos) << events.body.substr(0, 500);
}

TEST_F(PerformanceTest, AReportComesInThreeForms) {
    const auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    const RawResponse page = get(server->port(), "/api/v1/performance/report?period=1h&format=html");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
    EXPECT_NE(page.body.find("<h2>Capacity</h2>"), std::string::npos);
    const RawResponse text = get(server->port(), "/api/v1/performance/report?period=1h&format=md");
    EXPECT_EQ(text.header("content-type"), "text/markdown; charset=utf-8");
    EXPECT_NE(text.body.find("## Trends"), std::string::npos);
    EXPECT_EQ(get(server->port(), "/api/v1/performance/trends?period=7d").status, 200);
    for (const char* bad : {"report?period=yesterday", "report?period=0h", "report?format=pdf", "trends?period=5"}) {
        expect_problem(get(server->port(), std::string("/api/v1/performance/") + bad), 400);
    }
}

TEST_F(PerformanceTest, OptimizeTellsWhatItChangedAndNeedsAnAdmin) {
    const HeaderList admin = admin_key();
    const auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    RawClient client(port);
    const auto optimize = [&](const std::string& type, const HeaderList& key) {
        return client.ask(request_text("POST", "/api/v1/performance/optimize?type=" + type, {}, key));
    };
    EXPECT_NE(optimize("all", {}).status, 200);
    expect_problem(optimize("disk", admin), 400);
    // A sample that is being stored at the same moment holds the file: it is asked again, and the next sample gives it work again.
    const auto ask = [&] { return until_given([&] { return optimize("database", admin); }, json::Kind::kObject); };
    const json::Document document = ask_until(ask, [](const json::Document& seen) {
        int done = 0;
        each_in(seen.root(), "actions",
                [&](json::Value action) { done += action.find("outcome")->as_string() == "done" ? 1 : 0; });
        return done == 2;
    });
    int done = 0;
    each_in(document.root(), "actions", [&](json::Value action) {
        EXPECT_EQ(action.find("group")->as_string(), "database");
        EXPECT_EQ(action.find("outcome")->as_string(), "done") << to_text(action);
        if (action.find("action")->as_string() == "checkpoint_wal") {
            action.find("changes")->each([&](json::Value change) {
                EXPECT_GT(change.find("before")->as_double(), 0);
                EXPECT_LT(change.find("after")->as_double(), change.find("before")->as_double());
            });
        }
        ++done;
    });
    EXPECT_EQ(done, 2);
    EXPECT_GE(metric(port, "tidegate_performance_actions_total", "checkpoint_wal\",outcome=\"done\""), 1);
    EXPECT_TRUE(is_logged(*server, "performance_action"));
    EXPECT_EQ(parse_json(optimize("all", admin).body).root().find("actions")->size(), 5U);
}

TEST_F(PerformanceTest, TheCommandsShowARunningServer) {
    const auto server = start(settings({}, kEverySecond));
    ASSERT_NE(server, nullptr);
    detect(server->port(), 30);
    const std::string url = server_url(server->port());
    const RunResult top = run_binary({"top", "--once", "--server", url});
    EXPECT_EQ(top.status, 0) << top.error;
    EXPECT_NE(top.out.find("requests/s"), std::string::npos) << top.out;
    EXPECT_EQ(top.out.find('\x1b'), std::string::npos);
    // Where the first sample of the stream takes longer than two seconds it gets more time.
    RunResult monitor;
    for (const char* length : {"2s", "10s", "60s"}) {
        monitor = run_binary({"perf", "monitor", "--duration", length, "--server", url});
        if (monitor.out.contains("requests/s, mean")) break;
    }
    EXPECT_EQ(monitor.status, 0) << monitor.error;
    EXPECT_NE(monitor.out.find("requests/s, mean"), std::string::npos) << monitor.out;
    const RunResult analysis = run_binary({"perf", "analyze", "--server", url});
    EXPECT_NE(analysis.out.find("slowest routes"), std::string::npos) << analysis.out << analysis.error;
    const std::string file = folder_.path() + "/report.html";
    const RunResult written = run_binary({"perf", "report", "--period", "1h", "--output", file, "--server", url});
    EXPECT_EQ(written.status, 0) << written.error;
    std::stringstream page;
    page << std::ifstream(file).rdbuf();
    EXPECT_NE(page.str().find("<!doctype html>"), std::string::npos);
    const RunResult refused = run_binary({"perf", "optimize", "--server", url});
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.error.find("401"), std::string::npos) << refused.error;
    EXPECT_EQ(run_binary({"perf", "report", "--period", "soon", "--server", url}).status, 2);
    EXPECT_EQ(run_binary({"perf", "frobnicate"}).status, 2);
    EXPECT_EQ(run_binary({"top", "--twice"}).status, 2);
}

TEST_F(PerformanceTest, ByItselfItActsOnlyWhenItIsToldTo) {
    // Every number of memory is past a threshold of nothing at all.
    const std::string low = "  memory_percent: {elevated: 0.000001, warning: 0.000001, critical: 0.000001}\n";
    const auto runs = [&](std::uint16_t port) {
        return metric(port, "tidegate_performance_actions_total", "action=\"return_memory_to_system\"");
    };
    const std::string text = "performance:\n  interval_s: 1\n" + low;
    {
        const auto server = start(settings({}, text));
        ASSERT_NE(server, nullptr);
        const auto advice =
            ask_until([&] { return given(server->port(), "/api/v1/performance/optimize"); },
                      [](const json::Document& seen) { return seen.root().find("recommended")->size() > 0; });
        EXPECT_GT(advice.root().find("recommended")->size(), 0U);
        EXPECT_EQ(runs(server->port()), 0);
        ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    }
    const auto server = start(settings({}, text + "  auto_apply: true\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_GE(ask_until([&] { return runs(server->port()); }, [](double count) { return count >= 1; }), 1);
    EXPECT_TRUE(is_logged(*server, "auto_apply"));
}

TEST_F(PerformanceTest, ThresholdsOutOfOrderStopTheStart) {
    std::ofstream(folder_.path() + "/bad.yaml") << "performance: {p95_ms: {elevated: 500, warning: 100}}\n";
    const RunResult refused =
        run_binary({"serve", "--port", "0", "--data-dir", folder_.path(), "--config", folder_.path() + "/bad.yaml"});
    EXPECT_NE(refused.status, 0);
    EXPECT_NE(refused.error.find("performance.p95_ms"), std::string::npos) << refused.error;
}

}  // namespace
}  // namespace tidegate::testing
