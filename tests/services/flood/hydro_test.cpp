// GR4J, snow, extreme values, curve numbers: the parts against what is known of them.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "services/flood/hydro/gev.h"
#include "services/flood/hydro/gr4j.h"
#include "services/flood/hydro/indicative.h"
#include "services/flood/hydro/level.h"
#include "services/flood/hydro/series.h"

namespace tidegate::flood {
namespace {

TEST(Gr4j, LosesNoWater) {
    const HydroParameters p{.production_mm = 300, .exchange_mm = 0, .routing_mm = 80, .base_steps = 2.3};
    const HydroModel model(p, false);
    HydroState state = model.usual_state();
    const double before = state.production + state.routing;
    double in = 0;
    double out = 0;
    for (int day = 0; day < 400; ++day) {
        const double rain = day < 200 && day % 3 == 0 ? 12 : 0;
        in += rain;
        out += model.step(state, {rain, 0, 20});
    }
    const double kept = state.production + state.routing + std::accumulate(state.slow.begin(), state.slow.end(), 0.0) +
                        std::accumulate(state.quick.begin(), state.quick.end(), 0.0);
    EXPECT_NEAR(in + before, out + kept, 1e-6);
}

TEST(Gr4j, ADayComputedByHandComesOutTheSame) {
    // Perrin et al. (2003), equations 1 to 24, by hand for one day: S = 90, R = 45, P = 20, E = 3, X4 = 1.
    const HydroParameters p{.production_mm = 300, .exchange_mm = 0.5, .routing_mm = 90, .base_steps = 1};
    const HydroModel model(p, false);
    HydroState state = model.usual_state();
    const double q = model.step(state, {20, 3, 20});
    const double t = std::tanh(17.0 / 300);
    const double stored = 300 * (1 - 0.09) * t / (1 + 0.3 * t);
    const double s = 90 + stored;
    const double percolated = s * (1 - std::pow(1 + std::pow(4.0 / 9 * s / 300, 4), -0.25));
    const double passed = percolated + 17 - stored;
    const double exchange = 0.5 * std::pow(0.5, 3.5);
    const double r = 45 + 0.9 * passed + exchange;  // X4 = 1: the slow hydrograph leaves whole on its day.
    const double slow = r * (1 - std::pow(1 + std::pow(r / 90, 4), -0.25));
    EXPECT_NEAR(q, slow + 0.1 * passed * 0.5 + exchange, 1e-9);  // Half of the quick one.
}

TEST(Snow, FallsWaitsAndMelts) {
    HydroParameters p;
    p.band_spread_c = 0;
    p.cold_memory = 0;
    const HydroModel model(p, false);
    HydroState state = model.usual_state();
    EXPECT_EQ(model.liquid(state, {10, 0, -5}), 0);
    EXPECT_NEAR(state.snow[2], 10, 1e-9);
    EXPECT_GT(model.liquid(state, {0, 0, 5}), 0);
    EXPECT_EQ(model.liquid(state, {7, 0, std::nan("")}), 7) << "no temperature: no snow";
}

TEST(Gev, FindsTheReturnLevelsOfAKnownDistribution) {
    // Quantiles of Gumbel(100, 20) at 400 even probabilities.
    std::vector<double> maxima;
    for (int i = 0; i < 400; ++i) maxima.push_back(100 - 20 * std::log(-std::log((i + 0.5) / 400)));
    const auto gev = fit_gev(maxima);
    ASSERT_TRUE(gev);
    EXPECT_NEAR(gev->shape, 0, 0.02);
    EXPECT_NEAR(gev->return_level(2), 100 - 20 * std::log(std::log(2.0)), 0.5);
    EXPECT_NEAR(gev->return_level(20), 100 - 20 * std::log(-std::log(0.95)), 1.5);
}

TEST(Gev, SaysNothingOfOneYear) {
    const std::vector<double> one{3};
    const std::vector<double> equal{3, 3, 3};
    EXPECT_FALSE(fit_gev(one));
    EXPECT_FALSE(fit_gev(equal));
}

TEST(Indicative, MoreRainOrWetterGroundNeverLowersTheOdds) {
    const Retention ground = retention_of({});
    float last_rain = -100;
    for (float rain = 0; rain <= 400; rain += 5) {
        float last = -100;
        for (float wetness = 0; wetness <= 1; wetness += 0.05F) {
            float runoff = 0;
            float odds = 0;
            score({{&rain, 1}, {&wetness, 1}, {&ground.dry, 1}, {&ground.wet, 1}, {&runoff, 1}, {&odds, 1}});
            EXPECT_GE(odds, last);
            EXPECT_LE(runoff, rain);
            last = odds;
        }
        EXPECT_GE(last, last_rain);
        last_rain = last;
    }
}

TEST(Indicative, ManyPlacesGiveWhatEachGivesAlone) {
    std::vector<float> rain, wetness, dry, wet;
    for (int i = 0; i < 37; ++i) {
        const Retention ground =
            retention_of({.curve_number = 40.0 + i, .imperviousness = i / 50.0, .slope = i / 100.0});
        rain.push_back(static_cast<float>(3 * i));
        wetness.push_back(static_cast<float>(i) / 37);
        dry.push_back(ground.dry);
        wet.push_back(ground.wet);
    }
    std::vector<float> runoff(37), odds(37);
    score({rain, wetness, dry, wet, runoff, odds});
    for (std::size_t i = 0; i < 37; ++i) {
        float q = 0;
        float one = 0;
        score({{&rain[i], 1}, {&wetness[i], 1}, {&dry[i], 1}, {&wet[i], 1}, {&q, 1}, {&one, 1}});
        EXPECT_EQ(one, odds[i]) << i;
    }
}

TEST(Indicative, SealedGroundRunsOffSooner) {
    const Retention fields = retention_of({.curve_number = 70});
    const Retention town = retention_of({.curve_number = 70, .imperviousness = 0.8});
    const Retention hill = retention_of({.curve_number = 70, .slope = 0.4});
    EXPECT_LT(town.dry, fields.dry);
    EXPECT_LT(hill.dry, fields.dry);
}

TEST(Level, FollowsTheRuleOfGloFas) {
    EXPECT_EQ(level_of({0.9, 0.8, 0.31}), Level::kExtreme);
    EXPECT_EQ(level_of({0.9, 0.31, 0.3}), Level::kHigh);
    EXPECT_EQ(level_of({0.31, 0.3, 0.1}), Level::kModerate);
    EXPECT_EQ(level_of({0.3, 0.1, 0.0}), Level::kLow);
    EXPECT_EQ(level_of({0.1, 0.1, 0.0}), Level::kVeryLow);
}

TEST(Series, NamesTheLineThatIsWrong) {
    const std::string head = "time,precip_mm,pet_mm,temp_c,flow_mm\n";
    const auto message = [&](const std::string& rows) {
        const auto series = read_series(head + rows);
        return series ? std::string() : series.error().message;
    };
    EXPECT_EQ(message("2000-01-01,1,2,3,4\n2000-01-02,1,2,,\n"), "");
    EXPECT_NE(message("2000-01-01,1,2,3,4\n2000-01-03,1,2,3,4\n").find("line 3"), std::string::npos);
    EXPECT_NE(message("2000-01-01,1,2,3,4\n2000-01-02,-1,2,3,4\n").find("precip_mm"), std::string::npos);
    EXPECT_NE(message("2000-01-01,1,2,3,4\n2000-01-02,,2,3,4\n").find("empty"), std::string::npos);
    EXPECT_NE(message("2000-01-01,1,2,3,nan\n2000-01-02,1,2,3,4\n").find("flow_mm"), std::string::npos);
    EXPECT_NE(message("yesterday,1,2,3,4\n").find("time"), std::string::npos);
    EXPECT_NE(message("2000-01-01,1,2,3,4\n").find("fewer"), std::string::npos);
    EXPECT_FALSE(read_series("time,precip_mm\n2000-01-01,1\n"));
    EXPECT_FALSE(read_series(""));
}

}  // namespace
}  // namespace tidegate::flood
