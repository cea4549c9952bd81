// The flood service over the network: basins loaded by the command line, risks, batches, sensors over a restart, bad input.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/clock.h"
#include "system/client.h"

namespace tidegate::testing {
namespace {

constexpr std::string_view kRisk = "/api/v1/predict/flood-risk";
constexpr std::string_view kBatch = "/api/v1/predict/batch";
constexpr std::string_view kAnomaly = "/api/v1/predict/anomaly";
constexpr std::string_view kPlace =
    R"({"latitude":6.5,"longitude":3.4,"location_name":"Lagos","rainfall_mm":85.5,"temperature":28.5,"humidity":85})";

/// Four years of a made-up river that answers to its rain.
std::string basin_csv() {
    std::string out = "time,precip_mm,pet_mm,temp_c,flow_mm\n";
    double store = 30;
    std::uint64_t dice = 3;
    for (int day = 0; day < 1461; ++day) {
        dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
        const double rain = (dice >> 33U) % 3 == 0 ? static_cast<double>((dice >> 40U) % 30) : 0;
        store += rain;
        const double flow = 0.05 * store + 0.0008 * store * store;
        store -= flow + 0.02 * store;
        const UnixMillis time = 1'577'836'800'000 + static_cast<UnixMillis>(day) * 86'400'000;
        out +=
            format_rfc3339(time).substr(0, 10) + "," + std::to_string(rain) + ",1.5,12," + std::to_string(flow) + "\n";
    }
    return out;
}

class FloodService : public ::testing::Test {
  protected:
    void start(const std::vector<std::string>& arguments = {}) {
        server_ = ServerProcess::start(folder_.path(), arguments);
        ASSERT_NE(server_, nullptr);
    }
    void load_basin() {
        std::ofstream(folder_.path() + "/brook.csv") << basin_csv();
        const RunResult run = run_binary({"flood", "load", folder_.path() + "/brook.csv", "--area", "120", "--latitude",
                                          "51.5", "--longitude", "-0.5", "--data-dir", folder_.path()});
        ASSERT_EQ(run.status, 0) << run.error;
        EXPECT_NE(run.out.find("brook: Nash-Sutcliffe"), std::string::npos) << run.out;
    }
    std::uint16_t port() const { return server_->port(); }
    json::Document ok(std::string_view route, std::string_view body) {
        const RawResponse response = post(port(), route, body);
        EXPECT_EQ(response.status, 200) << response.body;
        return parse_json(response.body);
    }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

double number(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    EXPECT_TRUE(found && found->is_number()) << name << " of " << to_text(value);
    return found && found->is_number() ? found->as_double() : std::nan("");
}

std::string text(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    EXPECT_TRUE(found && found->kind() == json::Kind::kString) << name << " of " << to_text(value);
    return found ? std::string(found->as_string()) : std::string();
}

void expect_sums(json::Value risk) {
    double sum = number(risk, "baseline");
    risk.find("drivers")->each([&](json::Value driver) { sum += number(driver, "contribution"); });
    EXPECT_NEAR(sum, number(risk, "log_odds"), 1e-5) << to_text(risk);
    double low = 0;
    double high = 0;
    bool first = true;
    risk.find("interval")->each([&](json::Value end) { (std::exchange(first, false) ? low : high) = end.as_double(); });
    EXPECT_LE(low, number(risk, "flood_probability"));
    EXPECT_GE(high, number(risk, "flood_probability"));
}

TEST_F(FloodService, APlaceOfWhichOnlyTheWeatherIsKnownGetsAWideIndicativeAnswer) {
    start();
    const json::Document risk = ok(kRisk, kPlace);
    EXPECT_EQ(text(risk.root(), "method"), "indicative");
    EXPECT_GT(risk.root().find("missing_inputs")->size(), 0U);
    EXPECT_EQ(to_text(*risk.root().find("unused_inputs")), R"(["humidity"])");
    expect_sums(risk.root());
    const json::Document wetter = ok(kRisk, R"({"latitude":6.5,"longitude":3.4,"rainfall_mm":200,"temperature":28})");
    EXPECT_GT(number(wetter.root(), "flood_probability"), number(risk.root(), "flood_probability"));
}

TEST_F(FloodService, ALoadedBasinAnswersFromItsOwnPast) {
    load_basin();
    start();
    const auto ask = [&](int rain) {
        return ok(kRisk, R"({"latitude":51.5,"longitude":-0.5,"date":"2024-01-01","temperature":12,"rainfall_mm":)" +
                             std::to_string(rain) + "}");
    };
    const json::Document dry = ask(0);
    const json::Document wet = ask(120);
    EXPECT_EQ(text(dry.root(), "method"), "gauged");
    EXPECT_EQ(text(dry.root(), "basin"), "brook");
    EXPECT_GT(number(wet.root(), "flood_probability"), number(dry.root(), "flood_probability"));
    expect_sums(dry.root());
    expect_sums(wet.root());
    EXPECT_EQ(
        text(ok(kRisk, R"({"latitude":0,"longitude":0,"basin":"brook","date":"2024-01-02","rainfall_mm":0})").root(),
             "basin"),
        "brook");
    EXPECT_EQ(text(ok(kRisk, R"({"latitude":40,"longitude":0,"rainfall_mm":0})").root(), "method"), "indicative")
        << "no basin lies there";
    const json::Document metadata = parse_json(get(port(), "/api/v1/models/risk_scorer/metadata").body);
    EXPECT_EQ(metadata.root().find("basins")->size(), 1U);
}

TEST_F(FloodService, ABasinThatIsLoadedWhileTheServerRunsIsTakenUpOnRequest) {
    start();
    const std::string body = R"({"latitude":51.5,"longitude":-0.5,"date":"2024-01-01","rainfall_mm":5})";
    EXPECT_EQ(text(ok(kRisk, body).root(), "method"), "indicative");
    load_basin();
    EXPECT_EQ(post(port(), "/api/v1/models/reload", "").status, 200);
    EXPECT_EQ(text(ok(kRisk, body).root(), "method"), "gauged") << "an answer from before stayed";
}

TEST_F(FloodService, AFailedItemOfABatchIsAnErrorAndNeverALevel) {
    start();
    const std::string bad = R"({"latitude":91,"longitude":0,"rainfall_mm":1})";
    const json::Document batch =
        ok(kBatch, "{\"locations\":[" + std::string(kPlace) + "," + bad + ",7," + std::string(kPlace) + "]}");
    EXPECT_EQ(number(batch.root(), "total"), 4);
    EXPECT_EQ(number(batch.root(), "failed"), 2);
    std::vector<std::string> items;
    batch.root().find("predictions")->each([&](json::Value item) { items.push_back(to_text(item)); });
    ASSERT_EQ(items.size(), 4U);
    for (const std::size_t failed : {1U, 2U}) {
        EXPECT_NE(items[failed].find("\"failed\""), std::string::npos);
        EXPECT_EQ(items[failed].find("risk_level"), std::string::npos) << items[failed];
        EXPECT_EQ(items[failed].find("flood_probability"), std::string::npos);
    }
    EXPECT_EQ(items[0], items[3]);
    EXPECT_EQ(ok(kBatch, "{\"predictions\":[" + std::string(kPlace) + "]}").root().find("predictions")->size(), 1U);
}

TEST_F(FloodService, TheSingleRouteAndTheBatchSayTheSame) {
    start();
    const json::Document one = ok(kRisk, kPlace);
    const json::Document many = ok(kBatch, "{\"locations\":[" + std::string(kPlace) + "]}");
    many.root().find("predictions")->each([&](json::Value item) {
        for (const char* name : {"flood_probability", "log_odds", "confidence"}) {
            EXPECT_EQ(number(item, name), number(one.root(), name)) << name;
        }
        EXPECT_EQ(text(item, "risk_level"), text(one.root(), "risk_level"));
    });
}

TEST_F(FloodService, EveryAnswerIsADecisionAndKeptAnswersAreDroppedOnRequest) {
    const RunResult made = run_binary({"keys", "create", "--data-dir=" + folder_.path(), "--name", "boss", "--admin"});
    ASSERT_EQ(made.status, 0) << made.error;
    const HeaderList admin{{"Authorization", "Bearer " + made.out.substr(0, made.out.find('\n'))}};
    start();
    const RawResponse first = post(port(), kRisk, kPlace);
    const RawResponse second = post(port(), kRisk, kPlace);
    EXPECT_EQ(first.header("x-cache"), "MISS");
    EXPECT_EQ(second.header("x-cache"), "HIT");
    const std::string id = text(parse_json(first.body).root(), "decision_id");
    const RawResponse statistics = get(port(), "/api/compliance/statistics");
    ASSERT_EQ(statistics.status, 200) << statistics.body;
    EXPECT_EQ(number(parse_json(statistics.body).root(), "total_requests"), 2) << statistics.body;
    RawClient client(port());
    const RawResponse dropped = client.ask(request_text("DELETE", "/api/v1/models/risk_scorer/cache", {}, admin));
    ASSERT_EQ(dropped.status, 200) << dropped.body;
    EXPECT_EQ(number(parse_json(dropped.body).root(), "dropped"), 1);
    EXPECT_EQ(post(port(), kRisk, kPlace).header("x-cache"), "MISS");
    EXPECT_FALSE(id.empty());
}

std::string reading(int minute, double level, std::string_view more = "") {
    const std::string time = format_rfc3339(1'767'225'600'000 + static_cast<UnixMillis>(minute) * 60'000);
    return R"({"device_id":"bridge","timestamp":")" + time + R"(","water_level_cm":)" + std::to_string(level) +
           std::string(more) + "}";
}

double level_at(int i) {
    return 100 + 8 * std::sin(i / 40.0) + 0.3 * std::sin(i * 1.7);
}

TEST_F(FloodService, WhatADeviceTaughtSurvivesARestart) {
    start({"--flood.cache_ttl_anomaly_s", "0"});
    RawClient client(port());
    for (int i = 0; i < 400; ++i) {
        const RawResponse response = client.ask(
            request_text("POST", kAnomaly, reading(15 * i, level_at(i)), {{"Content-Type", "application/json"}}));
        ASSERT_EQ(response.status, 200) << response.body;
    }
    ASSERT_EQ(server_->stop(SIGTERM, 60), 0);
    start();
    const RawResponse old = post(port(), kAnomaly, reading(15 * 399, 100));
    expect_problem(old, 409);
    const json::Document fault = ok(kAnomaly, reading(15 * 400, 40));
    EXPECT_EQ(text(fault.root(), "state"), "fault") << "what was learned is gone";
    EXPECT_TRUE(fault.root().find("is_anomaly")->as_bool());
    const json::Document event = ok(kAnomaly, reading(15 * 401, 200, R"(,"rain_upstream_mm":14)"));
    EXPECT_EQ(text(event.root(), "state"), "hydrological_event");
    EXPECT_FALSE(event.root().find("is_anomaly")->as_bool());
}

TEST_F(FloodService, TheSameReadingSentAgainGetsTheSameAnswer) {
    start();
    const RawResponse first = post(port(), kAnomaly, reading(0, 100));
    const RawResponse second = post(port(), kAnomaly, reading(0, 100));
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(second.body, first.body);
}

TEST_F(FloodService, TheModelsSayWhatTheyAre) {
    start();
    for (const char* path : {"/api/v1/models", "/api/v1/models/status", "/api/v1/models/health"}) {
        const RawResponse response = get(port(), path);
        ASSERT_EQ(response.status, 200) << path;
        EXPECT_EQ(parse_json(response.body).root().find("models")->size(), 2U);
    }
    EXPECT_EQ(get(port(), "/api/v1/models/anomaly_detector/stats").status, 200);
    expect_problem(get(port(), "/api/v1/models/oracle/stats"), 404);
    expect_problem(get(port(), "/api/v1/models/oracle/metadata"), 404);
    EXPECT_NE(get(port(), "/metrics").body.find("tidegate_flood_answers_total"), std::string::npos);
}

struct Bad {
    std::string_view name, route, body, field;
    int status = 422;
};

TEST_F(FloodService, BadInputIsNamedAndNeverAnswered) {
    start();
    const std::vector<Bad> cases{
        {"nothing", kRisk, "{}", "latitude"},
        {"no rain", kRisk, R"({"latitude":1,"longitude":1})", "rainfall_mm"},
        {"negative rain", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":-1})", "rainfall_mm"},
        {"rain of a deluge", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":2001})", "rainfall_mm"},
        {"rain twice", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1,"rainfall_series":[1]})",
         "rainfall_series"},
        {"an empty series", kRisk, R"({"latitude":1,"longitude":1,"rainfall_series":[]})", "rainfall_series"},
        {"a word in the series", kRisk, R"({"latitude":1,"longitude":1,"rainfall_series":[1,"a"]})",
         "rainfall_series[1]"},
        {"humidity of 140", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1,"humidity":140})", "humidity"},
        {"beyond the pole", kRisk, R"({"latitude":91,"longitude":1,"rainfall_mm":1})", "latitude"},
        {"text as a number", kRisk, R"({"latitude":"1","longitude":1,"rainfall_mm":1})", "latitude"},
        {"an unknown basin", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1,"basin":"nowhere"})", "basin"},
        {"no date", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1,"date":"tomorrow, or so"})", "date"},
        {"stages that fall", kRisk,
         R"({"latitude":1,"longitude":1,"rainfall_mm":1,"stage_thresholds":{"minor":3,"major":2}})",
         "stage_thresholds"},
        {"a curve number of 5", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1,"curve_number":5})",
         "curve_number"},
        {"no JSON", kRisk, "rain", "", 400},
        {"infinite rain", kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":1e999})", "", 400},
        {"an empty batch", kBatch, R"({"locations":[]})", "locations"},
        {"no batch", kBatch, "{}", "locations"},
        {"two batches", kBatch, R"({"locations":[{}],"predictions":[{}]})", "predictions"},
        {"a batch that is none", kBatch, R"({"locations":{}})", "locations"},
        {"no device", kAnomaly, R"({"timestamp":"2026-01-01T00:00:00Z","water_level_cm":1})", "device_id"},
        {"no time", kAnomaly, R"({"device_id":"a","water_level_cm":1})", "timestamp"},
        {"a bad time", kAnomaly, R"({"device_id":"a","timestamp":"noon","water_level_cm":1})", "timestamp"},
        {"no value", kAnomaly, R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z"})", ""},
        {"a word as a value", kAnomaly, R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","values":{"x":"high"}})",
         "values"},
        {"a field twice", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"values":{"humidity":2}})", "values"},
        {"a range of nothing", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"ranges":{"x":[0,1]}})", "ranges"},
        {"a range upside down", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"ranges":{"humidity":[1,0]}})", "ranges"},
        {"a range of one end", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"ranges":{"humidity":[1]}})", "ranges"},
        {"a range of three ends", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"ranges":{"humidity":[1,2,3]}})",
         "ranges"},
        {"a range that is a word", kAnomaly,
         R"({"device_id":"a","timestamp":"2026-01-01T00:00:00Z","humidity":1,"ranges":{"humidity":"wide"}})", "ranges"},
    };
    for (const Bad& one : cases) {
        const RawResponse response = post(port(), one.route, one.body);
        expect_problem(response, one.status);
        EXPECT_EQ(response.body.find("risk_level"), std::string::npos) << one.name;
        if (one.status != 422 || one.field.empty()) continue;
        EXPECT_NE(response.body.find("\"field\":\"" + std::string(one.field) + "\""), std::string::npos)
            << one.name << ": " << response.body;
    }
    std::string many = R"({"locations":[)";
    for (int i = 0; i < 101; ++i) many += (i > 0 ? "," : "") + std::string(kPlace);
    expect_problem(post(port(), kBatch, many + "]}"), 422);
    EXPECT_EQ(post(port(), kRisk, kPlace).status, 200);
}

TEST_F(FloodService, ADateBeforeTheBasinsDataIsRefused) {
    load_basin();
    start();
    const RawResponse response =
        post(port(), kRisk, R"({"latitude":51.5,"longitude":-0.5,"rainfall_mm":1,"date":"2020-01-01"})");
    expect_problem(response, 422);
    EXPECT_NE(response.body.find("\"field\":\"date\""), std::string::npos);
}

TEST_F(FloodService, OneDeviceTooManyIsRefused) {
    start({"--flood.devices_max", "1"});
    EXPECT_EQ(post(port(), kAnomaly, reading(0, 100)).status, 200);
    expect_problem(post(port(), kAnomaly, R"({"device_id":"other","timestamp":"2026-01-01T00:00:00Z","humidity":50})"),
                   503);
}

TEST_F(FloodService, AFieldOfNoKnownKindIsFollowedByItsPatternAsFarAsTheSettingsAllow) {
    start({"--flood.pattern_fields_max", "1", "--flood.pattern_threshold", "2.5"});
    const auto send = [&](int minute, std::string_view values, std::string_view more = {}) {
        const std::string time = format_rfc3339(1'767'225'600'000 + minute * 60'000);
        return post(port(), kAnomaly,
                    fmt::format(R"({{"device_id":"press","timestamp":"{}","values":{}{}}})", time, values, more));
    };
    int minute = 0;
    for (; minute < 400; ++minute) {
        const RawResponse answer = send(minute, minute % 8 < 4 ? R"({"strokes":10})" : R"({"strokes":40})");
        ASSERT_EQ(answer.status, 200) << answer.body;
        if (minute > 100) EXPECT_TRUE(answer.body.contains("\"is_anomaly\":false")) << answer.body;
    }
    bool found = false;
    for (int i = 0; i < 4 && !found; ++i) {
        const RawResponse answer = send(minute++, R"({"strokes":25})");
        found = answer.body.contains("\"is_anomaly\":true");
        EXPECT_TRUE(answer.body.contains("\"detector\":\"pattern\"")) << answer.body;
        if (found) EXPECT_TRUE(answer.body.contains("strokes does not go on as its past does")) << answer.body;
    }
    EXPECT_TRUE(found);
    const RawResponse outside = send(minute++, R"({"strokes":300})", R"(,"ranges":{"strokes":[0,200]})");
    EXPECT_TRUE(outside.body.contains("\"state\":\"fault\"")) << outside.body;
    const RawResponse one_more = send(minute++, R"({"strokes":10,"oil":1})");
    expect_problem(one_more, 503);
    EXPECT_TRUE(one_more.body.contains("flood.pattern_fields_max")) << one_more.body;
    EXPECT_EQ(send(minute++, R"({"strokes":10})").status, 200);
    EXPECT_NE(get(port(), "/metrics").body.find("tidegate_flood_pattern_fields 1"), std::string::npos);
}

TEST(FloodCommand, SaysWhatIsWrong) {
    const TemporaryFolder folder;
    const auto run = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "flood");
        words.insert(words.end(), {"--data-dir", folder.path()});
        return run_binary(words);
    };
    EXPECT_EQ(run({"load"}).status, 2);
    EXPECT_EQ(run({"drain"}).status, 2);
    EXPECT_NE(run({"load", folder.path() + "/absent.csv", "--area", "10"}).status, 0);
    std::ofstream(folder.path() + "/short.csv")
        << "time,precip_mm,pet_mm,temp_c,flow_mm\n2020-01-01,1,1,1,1\n2020-01-02,1,1,1,1\n";
    EXPECT_NE(run({"load", folder.path() + "/short.csv"}).status, 0) << "no area";
    const RunResult tiny = run({"load", folder.path() + "/short.csv", "--area", "10"});
    EXPECT_EQ(tiny.status, 1);
    EXPECT_NE(tiny.error.find("300 steps"), std::string::npos) << tiny.error;
    EXPECT_NE(run({"list"}).out.find("no basin"), std::string::npos);
    EXPECT_EQ(run({"remove", "absent"}).status, 1);
    const RunResult nothing = run_binary({"eval", "flood", "--data", folder.path(), "--data-dir", folder.path()});
    EXPECT_EQ(nothing.status, 1);
    EXPECT_NE(nothing.error.find("nab"), std::string::npos) << nothing.error;
    EXPECT_EQ(run_binary({"eval", "flood", "--data"}).status, 2);
}

}  // namespace
}  // namespace tidegate::testing
