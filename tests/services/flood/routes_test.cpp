// The routes through the pipeline, without a socket: answers, errors, decisions, a restart.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "base/json.h"
#include "pipeline/dispatcher.h"
#include "services/flood/flood.h"
#include "services/flood/hydro/calibrate.h"
#include "services/flood/hydro/indicative.h"
#include "store/temporary_folder.h"
#include "support/fake_exchange.h"

namespace tidegate::flood {
namespace {

constexpr std::string_view kRisk = "/api/v1/predict/flood-risk";
constexpr std::string_view kPlace =
    R"({"latitude":6.5,"longitude":3.4,"location_name":"Lagos","rainfall_mm":85.5,"temperature":28.5,"humidity":85})";

Basin brook() {
    Series series;
    series.start = 1'577'836'800'000;  // 2020-01-01
    const HydroModel truth({.production_mm = 250, .exchange_mm = 0, .routing_mm = 60, .base_steps = 1.6}, false);
    HydroState state = truth.usual_state();
    for (int day = 0; day < 1461; ++day) {
        const double rain = day * 7919 % 10 < 3 ? day * 104729 % 37 : 0;
        series.precip.push_back(rain);
        series.pet.push_back(1.5);
        series.temp.push_back(12);
        series.flow.push_back(truth.step(state, {rain, 1.5, 12}) * std::exp(0.2 * std::sin(day / 9.0)));
    }
    Basin basin = calibrate(series, {.trials = 60}).value();
    basin.id = "brook";
    basin.area_km2 = 120;
    basin.latitude = 51.5;
    basin.longitude = -0.5;
    basin.version = "test";
    return basin;
}

class FloodRoutes : public ::testing::Test {
  protected:
    void SetUp() override {
        settings_.batch_items_max = 500;
        settings_.save_every = std::chrono::seconds(60);
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        start();
    }
    void TearDown() override {
        cpu_.stop();  // Before the dispatcher goes: a worker may still be at the end of its task.
        blocking_.stop();
    }
    void start() {
        auto flood = Flood::open({.settings = settings_,
                                  .clock = clock_,
                                  .database_path = folder_.file("tidegate.db"),
                                  .drop_answers = [this](std::string_view tag) {
                                      dropped_ = tag;
                                      return std::uint64_t{3};
                                  }});
        ASSERT_TRUE(flood) << flood.error().message;
        flood_ = *std::move(flood);
        std::vector<pipeline::Route> routes;
        flood_->register_routes(routes);
        const pipeline::Parts parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_};
        if (!dispatcher_) {
            dispatcher_ =
                std::make_unique<pipeline::Dispatcher>(parts, pipeline::PipelineSettings{}, std::move(routes));
        }
    }
    void store(const Basin& basin) {
        const auto store = FloodStore::open(folder_.file("tidegate.db"), clock_);
        ASSERT_TRUE(store);
        ASSERT_TRUE((*store)->save_basin(basin, 0));
    }
    std::shared_ptr<testing::FakeExchange> send(http::Method method, std::string_view path, std::string body) {
        http::RequestHead head;
        head.method = method;
        head.path = path;
        if (!body.empty()) head.content_length = body.size();
        auto exchange = std::make_shared<testing::FakeExchange>(std::move(head), std::move(body));
        dispatcher_->on_head(exchange);
        if (!exchange->responded) dispatcher_->on_request(exchange);
        exchange->wait();
        return exchange;
    }
    json::Document ok(std::string_view path, std::string_view body) {
        const auto exchange = send(body.empty() ? http::Method::kGet : http::Method::kPost, path, std::string(body));
        EXPECT_EQ(exchange->answer().status, 200) << exchange->answer().body;
        return std::move(json::parse(exchange->answer().body)).value();
    }
    int status(std::string_view path, std::string_view body) {
        return send(http::Method::kPost, path, std::string(body))->answer().status;
    }

    SystemClock clock_;
    SeededRandom random_{7};
    store::TemporaryFolder folder_;
    FloodSettings settings_;
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    testing::FakeLog log_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::string dropped_;
    std::unique_ptr<Flood> flood_;
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
};

double number(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    EXPECT_TRUE(found && found->is_number()) << name;
    return found && found->is_number() ? found->as_double() : std::nan("");
}

std::string text(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    EXPECT_TRUE(found && found->kind() == json::Kind::kString) << name;
    return found ? std::string(found->as_string()) : std::string();
}

void expect_sum(json::Value risk) {
    double sum = number(risk, "baseline");
    risk.find("drivers")->each([&](json::Value driver) { sum += number(driver, "contribution"); });
    EXPECT_NEAR(sum, number(risk, "log_odds"), 1e-5);
}

TEST_F(FloodRoutes, AnIndicativeAnswerIsWideSaysWhatIsMissingAndLeavesADecision) {
    const json::Document risk = ok(kRisk, kPlace);
    EXPECT_EQ(text(risk.root(), "method"), "indicative");
    EXPECT_GE(risk.root().find("missing_inputs")->size(), 3U);
    EXPECT_LT(number(risk.root(), "confidence"), 0.95);
    expect_sum(risk.root());
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept[0].model, kRiskModel);
    EXPECT_EQ(log_.kept[0].model_version, kIndicativeVersion);
    EXPECT_EQ(log_.kept[0].band, text(risk.root(), "risk_level"));
    EXPECT_EQ(text(risk.root(), "decision_id"), to_string(log_.kept[0].id));
}

TEST_F(FloodRoutes, AGaugedBasinAnswersAndItsDriversAddUp) {
    store(brook());
    ASSERT_EQ(send(http::Method::kPost, "/api/v1/models/reload", "")->answer().status, 200);
    EXPECT_EQ(dropped_, "model:risk_scorer");
    double last = -1;
    for (const int rain : {0, 30, 90, 200}) {
        const json::Document risk =
            ok(kRisk, R"({"latitude":51.5,"longitude":-0.45,"date":"2024-01-01","temperature":12,"rainfall_mm":)" +
                          std::to_string(rain) + "}");
        EXPECT_EQ(text(risk.root(), "basin"), "brook");
        expect_sum(risk.root());
        EXPECT_GE(number(risk.root(), "flood_probability"), last);
        last = number(risk.root(), "flood_probability");
    }
    EXPECT_GT(last, 0.5) << "200 mm in a day";
    const std::string later =
        R"({"latitude":51.5,"longitude":-0.45,"date":"2024-03-01","temperature":12,"rainfall_mm":10})";
    const json::Document old = ok(kRisk, later);
    EXPECT_NE(std::string(send(http::Method::kPost, kRisk, later)->answer().body).find("weather_since_last_row"),
              std::string::npos);
    EXPECT_GT(number(old.root(), "observation_age_s"), 30 * 86'400.0);
    const json::Document told = ok(kRisk, later.substr(0, later.size() - 1) + R"(,"river_flow_m3s":60})");
    EXPECT_EQ(number(told.root(), "observation_age_s"), 0);
    EXPECT_EQ(status(kRisk, R"({"basin":"brook","latitude":0,"longitude":0,"rainfall_mm":1,"date":"2020-01-01"})"),
              422);
    EXPECT_EQ(status(kRisk, R"({"basin":"creek","latitude":0,"longitude":0,"rainfall_mm":1})"), 422);
}

TEST_F(FloodRoutes, AStageOverItsThresholdIsAFloodThatIsSeen) {
    const json::Document risk = ok(kRisk, R"({"latitude":1,"longitude":1,"rainfall_mm":0,"river_stage_m":4.2,)"
                                          R"("stage_thresholds":{"action":2,"minor":3,"moderate":4,"major":6}})");
    EXPECT_EQ(text(risk.root(), "method"), "observed_stage");
    EXPECT_EQ(text(risk.root(), "risk_level"), "high");
    EXPECT_GT(number(risk.root(), "flood_probability"), 0.9);
    expect_sum(risk.root());
}

TEST_F(FloodRoutes, OneBatchIsOneDecisionAndAFailedItemHasNoLevel) {
    const json::Document batch = ok("/api/v1/predict/batch", "{\"locations\":[" + std::string(kPlace) +
                                                                 R"(,{"latitude":99},)" + std::string(kPlace) + "]}");
    EXPECT_EQ(number(batch.root(), "failed"), 1);
    std::size_t at = 0;
    batch.root().find("predictions")->each([&](json::Value item) {
        const bool failed = at++ == 1;
        EXPECT_EQ(text(item, "status"), failed ? "failed" : "succeeded");
        EXPECT_EQ(item.find("risk_level").has_value(), !failed);
        EXPECT_EQ(item.find("error").has_value(), failed);
    });
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_NE(log_.kept[0].output.find("null"), std::string::npos);
}

TEST_F(FloodRoutes, FiveHundredPlacesAreOneAnswer) {
    std::string body = "{\"locations\":[";
    for (int i = 0; i < 500; ++i) body += (i > 0 ? "," : "") + std::string(kPlace);
    const SteadyTime start = clock_.now();
    const json::Document batch = ok("/api/v1/predict/batch", body + "]}");
    EXPECT_EQ(number(batch.root(), "succeeded"), 500);
    RecordProperty("microseconds", static_cast<int>((clock_.now() - start).count() / 1000));
}

std::string reading(int quarter, double level) {
    return R"({"device_id":"bridge","timestamp":")" +
           format_rfc3339(1'767'225'600'000 + quarter * UnixMillis{900'000}) + R"(","water_level_cm":)" +
           std::to_string(level) + "}";
}

double tidal_level_at(int i) {
    return 100 + 8 * std::sin(i / 60.0) + 0.3 * std::sin(i * 1.7) + 0.2 * std::sin(i * 0.37);
}

TEST_F(FloodRoutes, WhatADeviceTaughtSurvivesARestartAndTimeGoesForward) {
    for (int i = 0; i < 400; ++i) ASSERT_EQ(status("/api/v1/predict/anomaly", reading(i, tidal_level_at(i))), 200);
    flood_->stop();
    EXPECT_EQ(status("/api/v1/predict/anomaly", reading(400, tidal_level_at(400))), 503)
        << "a reading after the last save";
    const std::string tenant = log_.kept.back().tenant;
    auto again = Flood::open(
        {.settings = settings_, .clock = clock_, .database_path = folder_.file("tidegate.db"), .drop_answers = {}});
    ASSERT_TRUE(again) << again.error().message;
    const auto take = [&](int quarter, double level) {
        const std::array<FieldReading, 1> fields{{{"water_level_cm", level}}};
        return (*again)->take(tenant, "bridge",
                              {1'767'225'600'000 + quarter * UnixMillis{900'000}, fields, std::nullopt});
    };
    const auto old = take(399, 100);
    ASSERT_FALSE(old);
    EXPECT_EQ(old.error().code, ErrorCode::kConflict);
    const auto fault = take(400, 40);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->state, State::kFault);
    EXPECT_EQ(log_.kept.back().model, kAnomalyModel);
}

TEST_F(FloodRoutes, AReadingOutOfTimeIsAConflictAndLeavesNoDecision) {
    EXPECT_EQ(status("/api/v1/predict/anomaly", reading(5, 100)), 200);
    EXPECT_EQ(status("/api/v1/predict/anomaly", reading(4, 100)), 409);
    EXPECT_EQ(log_.kept.size(), 1U);
}

TEST_F(FloodRoutes, OneDeviceTooManyIsRefusedAndKnownOnesGoOn) {
    settings_.devices_max = 1;
    EXPECT_EQ(status("/api/v1/predict/anomaly", reading(0, 100)), 200);
    EXPECT_EQ(
        status("/api/v1/predict/anomaly", R"({"device_id":"b","timestamp":"2026-01-01T00:00:00Z","humidity":50})"),
        503);
    EXPECT_EQ(status("/api/v1/predict/anomaly", reading(1, 100)), 200);
}

TEST_F(FloodRoutes, OneTenantCannotTakeTheDevicesOfTheOthersAndARestartCountsTheSame) {
    settings_.devices_max = 10;
    settings_.tenant_share_percent = 40;
    const auto take = [&](std::string_view tenant, const std::string& device, int quarter = 0) {
        const std::array<FieldReading, 1> fields{{{"humidity", 50}}};
        return flood_->take(tenant, device, {1'767'225'600'000 + quarter * UnixMillis{900'000}, fields, std::nullopt});
    };
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(take("loud", std::to_string(i)));
    for (const bool restarted : {false, true}) {
        const auto one_more = take("loud", "fifth");
        ASSERT_FALSE(one_more) << restarted;
        EXPECT_EQ(one_more.error().code, ErrorCode::kResourceExhausted);
        EXPECT_NE(one_more.error().message.find("flood.tenant_share_percent"), std::string::npos);
        EXPECT_TRUE(take("loud", "0", restarted ? 2 : 1)) << "one that is known goes on";
        EXPECT_TRUE(take("quiet", restarted ? "b" : "a"));
        if (!restarted) {
            flood_->stop();
            start();
        }
    }
    // Who has no tenant has no share; all together are bound by devices_max.
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(take("", std::to_string(i)));
    EXPECT_EQ(take("other", "x").error().code, ErrorCode::kUnavailable);
}

TEST_F(FloodRoutes, TheModelsSayWhatTheyAre) {
    ok(kRisk, kPlace);
    const json::Document list = ok("/api/v1/models", "");
    EXPECT_EQ(list.root().find("models")->size(), 2U);
    EXPECT_EQ(number(ok("/api/v1/models/risk_scorer/stats", "").root(), "predictions_count"), 1);
    EXPECT_EQ(send(http::Method::kGet, "/api/v1/models/oracle/stats", "")->answer().status, 404);
}

}  // namespace
}  // namespace tidegate::flood
