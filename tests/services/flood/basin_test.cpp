// A basin whose truth is known: GR4J itself makes the flow, with errors put on it.
#include "services/flood/hydro/basin.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "services/flood/hydro/calibrate.h"
#include "services/flood/hydro/evaluate.h"

namespace tidegate::flood {
namespace {

/// Six years of a made-up catchment: showers, a warm half of the year, and errors of the flow that last for days.
Series make_series(double error_size) {
    Series series;
    series.start = 946'684'800'000;
    const HydroModel truth({.production_mm = 250, .exchange_mm = -0.5, .routing_mm = 60, .base_steps = 1.6}, false);
    HydroState state = truth.usual_state();
    std::uint64_t dice = 7;
    const auto uniform = [&] {
        dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<double>(dice >> 11U) * 0x1.0p-53;
    };
    double error = 0;
    for (int day = 0; day < 2190; ++day) {
        const double warm = 0.5 - 0.5 * std::cos(day * 2 * 3.14159265 / 365);
        const double rain = uniform() < 0.35 ? -8 * std::log(uniform() + 1e-9) : 0;
        series.precip.push_back(rain);
        series.pet.push_back(3 * warm);
        series.temp.push_back(5 + 15 * warm);
        error = 0.9 * error + error_size * (uniform() - 0.5);
        series.flow.push_back(truth.step(state, {rain, 3 * warm, 20}) * std::exp(error));
    }
    return series;
}

TEST(Basin, CalibrationFindsAFlowThatTheModelItselfMade) {
    const Series series = make_series(0);
    const auto basin = calibrate(series, {.trials = 600});
    ASSERT_TRUE(basin) << basin.error().message;
    EXPECT_GT(basin->fit.nse_simulated, 0.95);
}

TEST(Basin, TheLastErrorIsTakenOver) {
    const Series series = make_series(0.4);
    const auto basin = calibrate(series, {.trials = 400});
    ASSERT_TRUE(basin);
    EXPECT_GT(basin->fit.nse_corrected, basin->fit.nse_simulated);
    EXPECT_GT(basin->errors.memory_steps, 1);
}

TEST(Basin, SurvivesItsJson) {
    auto basin = calibrate(make_series(0.2), {.trials = 50});
    ASSERT_TRUE(basin);
    basin->id = "brook";
    basin->area_km2 = 12.5;
    basin->latitude = 51.25;
    basin->longitude = -0.5;
    const std::string text = to_json(*basin);
    const auto back = basin_from_json(text);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json(*back), text);
    EXPECT_FALSE(basin_from_json("{}"));
    EXPECT_FALSE(basin_from_json(text.substr(0, text.size() / 2)));
    std::string other = text;
    other.replace(other.find("\"format\":1"), 10, "\"format\":9");
    EXPECT_FALSE(basin_from_json(other));
}

TEST(Basin, ARarerFloodIsNeverLikelierAndMoreRainNeverLessLikely) {
    const auto basin = calibrate(make_series(0.2), {.trials = 200});
    ASSERT_TRUE(basin);
    const HydroModel model = basin->model();
    double last = -1;
    for (double rain = 0; rain <= 200; rain += 20) {
        const Weather ahead{rain, 1, 15};
        FlowForecast at;
        forecast(*basin, model, standing_of(*basin), {&ahead, 1}, {&at, 1});
        double rarer = 1;
        for (const double flow : basin->thresholds.levels) {
            const double p = at.probability(*basin, flow);
            EXPECT_LE(p, rarer);
            EXPECT_TRUE(p > 0 && p < 1);
            rarer = p;
        }
        EXPECT_GE(at.inputs.log_sim, last);
        last = at.inputs.log_sim;
    }
}

TEST(Basin, AnOldObservationSaysLess) {
    const auto basin = calibrate(make_series(0.3), {.trials = 200});
    ASSERT_TRUE(basin);
    Standing now = standing_of(*basin);
    now.error = 1.0;
    const Weather ahead{0, 1, 15};
    const auto shift = [&](std::optional<double> error, double age) {
        Standing then = now;
        then.error = error;
        then.age_steps = age;
        FlowForecast at;
        forecast(*basin, basin->model(), then, {&ahead, 1}, {&at, 1});
        return at.spread;
    };
    EXPECT_GT(shift(1.0, 0).centre, shift(1.0, 50).centre);
    EXPECT_LE(shift(1.0, 0).width, shift(1.0, 50).width);
    EXPECT_LE(shift(1.0, 0).width, shift(std::nullopt, 0).width);
}

TEST(Basin, TooLittleIsRefused) {
    Series series = make_series(0.2);
    EXPECT_FALSE(calibrate(series.part(0, 200)));
    for (double& q : series.flow) q = std::nan("");
    EXPECT_FALSE(calibrate(series));
    for (double& q : series.flow) q = 1;
    EXPECT_FALSE(calibrate(series));
}

TEST(Basin, ForecastsOfRowsItNeverSawAreWorthSomething) {
    const SystemClock clock;
    const Series series = make_series(0.3);
    const auto score = evaluate_basin(series, series.size() * 6 / 10, clock);
    ASSERT_TRUE(score);
    EXPECT_GT(score->nse_corrected, 0.8);
    EXPECT_GT(score->scores[0].brier_skill, 0.3);
    EXPECT_NEAR(score->coverage, 0.9, 0.08);
}

}  // namespace
}  // namespace tidegate::flood
