// `tidegate load` and `tidegate generate` against the real server: that they measure, judge, end, and say what they did.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "system/gate.h"
#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

class Load : public GateFixture {
  protected:
    void SetUp() override {
        server_ = start(settings("  ping: {path: /ping, upstream: app}\n"), {"--audit.durability=process"});
        ASSERT_NE(server_, nullptr);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
    std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
    RunResult load(std::vector<std::string> words) const {
        words.insert(words.begin(), "load");
        words.insert(words.end(), {"--target", url()});
        return run_binary(words);
    }
    json::Document result() const { return parse_json(read_file(file("result.json"))); }
    static json::Value all(const json::Document& document) { return *document.root().find("all"); }
    static std::uint64_t number(json::Value value, std::string_view name) { return value.find(name)->as_unsigned(); }
    Process server_;
};

TEST_F(Load, AProfileAsksEveryServiceAndTheServerCountsTheSame) {
    const RunResult run =
        load({"normal", "--users", "4", "--duration", "1s", "--ramp", "0s", "--warm-up", "100ms", "--out",
              file("result.json"), "--html", file("report.html"), "--slo", "errors<=0%,detect_text.p50<60s"});
    ASSERT_EQ(run.status, 0) << run.out << run.error;
    const json::Document document = result();
    EXPECT_EQ(document.root().find("format")->as_string(), "tidegate-load-1");
    EXPECT_EQ(number(all(document), "errors"), 0U) << run.out;
    std::set<std::string> names;
    document.root().find("operations")->each([&](json::Value one) { names.emplace(one.find("name")->as_string()); });
    for (const char* name : {"detect_text", "detect_batch", "history", "stats", "statistics", "embed"}) {
        EXPECT_TRUE(names.contains(name)) << name;
    }
    // What the target does not have is left out, and the result says so.
    bool said = false;
    document.root().find("left_out")->each([&](json::Value one) {
        said = said || one.find("operation")->as_string() == "infer";
    });
    EXPECT_TRUE(said);
    // The counters are read when the window begins and after the last answer; what is under way at its edge may fall to either side.
    std::uint64_t server = 0;
    document.root().find("server_metrics")->find("routes")->each([&](json::Value route) {
        if (route.find("handler")->as_string() != "/metrics") server += number(route, "count");
    });
    const auto client = static_cast<double>(number(all(document), "requests"));
    EXPECT_NEAR(static_cast<double>(server), client, 0.1 * client + 50);
    EXPECT_NE(read_file(file("report.html")).find("<svg"), std::string::npos);
}

TEST_F(Load, AnUpstreamRouteIsAskedWhereItAnswersAndLeftOutWhereItDoesNot) {
    const std::vector<std::string> words{"--requests", "40",        "--users", "2",      "--ramp",
                                         "0s",         "--warm-up", "0s",      "--quiet"};
    const RunResult away = load(words);
    EXPECT_NE(away.out.find("left out: call_ping: a GET of /ping is answered 404"), std::string::npos) << away.out;
    upstream_.on("/ping", 200, "{}");
    const RunResult there = load(words);
    EXPECT_EQ(there.out.find("left out: call_ping"), std::string::npos) << there.out;
    const unsigned before = upstream_.asked("/ping");
    const RunResult named =
        load({"--requests", "10", "--users", "1", "--ramp", "0s", "--warm-up", "0s", "--quiet", "--call",
              "POST /ping {\"n\": {number}, \"key\": {key}}", "--mix", "call", "--slo", "errors<=0"});
    EXPECT_EQ(named.status, 0) << named.out << named.error;
    EXPECT_EQ(upstream_.asked("/ping"), before + 10);
}

TEST_F(Load, OpenLoopKeepsItsRateAndTheResultIsWhole) {
    const RunResult run = load({"--rate", "50", "--arrivals", "constant", "--duration", "1s", "--ramp", "0s",
                                "--warm-up", "0s", "--mix", "history,stats", "--out", file("result.json")});
    ASSERT_EQ(run.status, 0) << run.error;
    const json::Document document = result();
    EXPECT_EQ(number(all(document), "requests"), 50U);
    EXPECT_EQ(document.root().find("settings")->find("loop")->as_string(), "open");
    EXPECT_TRUE(document.root().find("machine")->find("cores")->as_unsigned() > 0);
}

TEST_F(Load, AMissedSloIsExitStatusThree) {
    const RunResult run = load(
        {"--requests", "10", "--users", "1", "--ramp", "0s", "--warm-up", "0s", "--mix", "stats", "--slo", "p50<1ns"});
    EXPECT_EQ(run.status, 3) << run.out << run.error;
    EXPECT_NE(run.out.find("MISSED p50<1ns"), std::string::npos);
}

TEST_F(Load, InterruptedItWritesWhatItHas) {
    // An hour's run that is ended once the server has answered something; bash waits for its exit status.
    const std::string script =
        "\"$0\" load --users 2 --duration 1h --ramp 0s --warm-up 0s --mix stats --target " + url() + " --out " +
        file("result.json") +
        " & pid=$!; for i in $(seq 1200); do if \"$0\" load --requests 1 --users 1 --ramp 0s --warm-up 0s --quiet "
        "--mix stats --target " +
        url() + " >/dev/null && [ $i -gt 3 ]; then break; fi; sleep 0.05; done; kill -INT $pid; wait $pid";
    const RunResult run = run_program("bash", {"-c", script, binary_path()});
    EXPECT_EQ(run.status, 0) << run.error;
    const json::Document document = result();
    EXPECT_TRUE(document.root().find("interrupted")->as_bool());
    EXPECT_GT(number(all(document), "good"), 0U);
    EXPECT_LT(document.root().find("window_s")->as_double(), 3600);
}

TEST_F(Load, TwoResultsAreCompared) {
    for (const char* name : {"a.json", "b.json"}) {
        const RunResult run = load({"--users", "1", "--requests", "30", "--ramp", "0s", "--warm-up", "0s", "--mix",
                                    "stats", "--out", file(name)});
        ASSERT_EQ(run.status, 0) << run.error;
    }
    const RunResult run = run_binary({"load", "compare", file("a.json"), file("b.json")});
    EXPECT_EQ(run.status, 0) << run.error;
    EXPECT_NE(run.out.find("p95"), std::string::npos);
    EXPECT_NE(run.out.find("is it more than chance?"), std::string::npos);
    const RunResult report = run_binary({"load", "report", file("a.json"), "--html", file("a.html")});
    EXPECT_EQ(report.status, 0) << report.error;
    EXPECT_TRUE(std::filesystem::exists(file("a.html")));
    EXPECT_EQ(run_binary({"load", "compare", file("a.json"), file("a.html")}).status, 1);
}

TEST_F(Load, ServerThatIsNotThereIsStatusOne) {
    server_->kill_now();
    EXPECT_EQ(load({"--requests", "1"}).status, 1);
}

TEST(LoadWords, WhatItDoesNotKnowIsRefusedWithTheNearest) {
    const RunResult run = run_binary({"load", "--uesrs", "5"});
    EXPECT_EQ(run.status, 2);
    EXPECT_NE(run.error.find("did you mean `--users`?"), std::string::npos) << run.error;
    const std::vector<std::vector<std::string>> all_wrong{
        {"load", "norml"},
        {"load", "--users", "0"},
        {"load", "--users"},
        {"load", "--users", "5", "--rate", "5"},
        {"load", "--connections", "5"},
        {"load", "--repeats", "172%"},
        {"load", "--slo", "p95<"},
        {"load", "--duration", "0s"},
        {"load", "--duration", "5"},
        {"load", "normal", "stress"},
        {"load", "--key", "a b"},
        {"load", "compare", "a.json"},
        {"generate", "--users", "5"},
        {"generate", "--count", "0"},
        {"generate", "--mix", "nothing"},
        {"generate", "more"},
    };
    for (const auto& wrong : all_wrong) {
        EXPECT_EQ(run_binary(wrong).status, 2) << wrong[0] << " " << wrong[1];
    }
}

TEST(Generate, LinesAreRequestsWithTheStatedShareOfRepeats) {
    const RunResult run = run_binary(
        {"generate", "--count", "4000", "--mix", "detect_text,embed=0.001,detect_batch", "--repeats", "72%"});
    // Without a server there is no embedding model whose name could be asked.
    EXPECT_EQ(run.status, 2);
    const RunResult lines =
        run_binary({"generate", "--count", "4000", "--mix", "detect_text,detect_batch", "--repeats", "72%"});
    ASSERT_EQ(lines.status, 0) << lines.error;
    std::set<std::string> seen;
    int count = 0;
    int repeats = 0;
    for (const std::string_view line : split(lines.out, '\n')) {
        if (line.empty()) continue;
        const json::Document document = parse_json(line);
        ++count;
        const std::string body = to_text(*document.root().find("body"));
        const bool known = !seen.insert(body).second;
        EXPECT_EQ(known, document.root().find("repeat")->as_bool());
        repeats += known ? 1 : 0;
    }
    EXPECT_EQ(count, 4000);
    EXPECT_NEAR(repeats / 4000.0, 0.72, 0.025);
    EXPECT_EQ(run_binary({"generate", "--count", "50"}).out, run_binary({"generate", "--count", "50"}).out);
    EXPECT_NE(run_binary({"generate", "--count", "50"}).out,
              run_binary({"generate", "--count", "50", "--seed", "2"}).out);
}

/// The real Locust with the file of examples/load, without its web page, for some seconds.
TEST_F(Load, LocustAsksTheSameMix) {
    const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe): one thread
    const std::string root = source != nullptr ? source : ".";
    const std::string environment = root + "/build/locust";
    RunResult fetched{.status = 2};
    for (int turn = 0; turn < 5 && fetched.status != 0 && fetched.status != 1; ++turn) {
        fetched = run_program("bash", {root + "/tests/load/fetch_locust.sh", environment});
    }
    if (fetched.status != 0) GTEST_SKIP() << "Locust cannot be had: " << fetched.out;
    const std::string requests = file("requests.ndjson");
    ASSERT_EQ(run_binary({"generate", "--count", "200", "--target", url(), "--out", requests}).status, 0);
    for (const std::string& replay : {std::string(), requests}) {
        const std::string stats = file(replay.empty() ? "made" : "replayed");
        const RunResult run = run_program(
            "env", {"REQUESTS=" + replay, environment + "/bin/locust", "-f", root + "/examples/load/locustfile.py",
                    "--host", url(), "--headless", "--users", "3", "--spawn-rate", "3", "--run-time", "8s", "--csv",
                    stats, "--only-summary", "--exit-code-on-error", "1"});
        EXPECT_EQ(run.status, 0) << run.out << run.error;
        const std::string table = read_file(stats + "_stats.csv");
        EXPECT_NE(table.find("/api/v1/detect/text"), std::string::npos) << table << run.error;
    }
}

class LoadModels : public InferenceSystem {};

TEST_F(LoadModels, AModelThatServesIsAskedWithTensorsOfItsOwnShape) {
    put_linear();
    if (!start()) GTEST_SKIP() << kNoRuntime;
    const std::string out = folder_.path() + "/result.json";
    const RunResult run = run_binary({"load", "--users", "2", "--requests", "40", "--ramp", "0s", "--warm-up", "0s",
                                      "--mix", "infer_linear=1,embed=1", "--out", out, "--target",
                                      "http://127.0.0.1:" + std::to_string(port()), "--slo", "errors<=0"});
    ASSERT_EQ(run.status, 0) << run.out << run.error;
    const RunResult heavy =
        run_binary({"load", "heavy-batch", "--users", "2", "--requests", "10", "--ramp", "0s", "--warm-up", "0s",
                    "--target", "http://127.0.0.1:" + std::to_string(port()), "--slo", "errors<=0"});
    EXPECT_EQ(heavy.status, 0) << heavy.out << heavy.error;
    EXPECT_NE(heavy.out.find("infer_linear_heavy"), std::string::npos) << heavy.out;
    EXPECT_NE(heavy.out.find("detect_batch_heavy"), std::string::npos) << heavy.out;
}

}  // namespace
}  // namespace tidegate::testing
