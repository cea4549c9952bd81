#include "performance/significance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "drift/dice.h"

namespace tidegate::performance {
namespace {

/// First-order autocorrelation `phi`, plus a rise a step.
std::vector<double> series(drift::Dice& dice, std::size_t n, double phi, double rise = 0) {
    std::vector<double> out;
    double state = dice.normal() / std::sqrt(1 - phi * phi);
    for (std::size_t i = 0; i < n; ++i) {
        out.push_back(state + rise * static_cast<double>(i));
        state = phi * state + dice.normal();
    }
    return out;
}

TEST(TrendTest, GivesTheValuesOfMannAndKendall) {
    // S and its variance by hand: n (n - 1) (2 n + 5) / 18 = 125.
    const TrendTest rising = trend_test(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    EXPECT_EQ(rising.s, 45);
    EXPECT_DOUBLE_EQ(rising.tau, 1);
    EXPECT_DOUBLE_EQ(rising.slope, 1);
    EXPECT_NEAR(rising.z * std::sqrt(rising.inflation), 44 / std::sqrt(125.0), 1e-9);
    // Five ties of two take 5 * 2 * 1 * 9 / 18 = 5 off.
    const TrendTest tied = trend_test(std::vector<double>{1, 1, 2, 2, 3, 3, 4, 4, 5, 5});
    EXPECT_EQ(tied.s, 40);
    EXPECT_NEAR(tied.z * std::sqrt(tied.inflation), 39 / std::sqrt(120.0), 1e-9);
    const TrendTest flat = trend_test(std::vector<double>(20, 3));
    EXPECT_EQ(flat.p, 1);
    EXPECT_FALSE(trend_test(std::vector<double>(9, 3)).enough);
}

double trend_alarms(double phi, double rise, int runs) {
    drift::Dice dice(11);
    int alarms = 0;
    for (int i = 0; i < runs; ++i) alarms += trend_test(series(dice, 60, phi, rise)).p <= 0.05 ? 1 : 0;
    return static_cast<double>(alarms) / runs;
}

// Seeded, so the same on every machine. The plain test alarms in a quarter of the series with an autocorrelation of 0.5.
TEST(TrendTest, HoldsItsLevelWithoutATrendAndFindsOne) {
    EXPECT_LE(trend_alarms(0, 0, 500), 0.08);
    EXPECT_LE(trend_alarms(0.5, 0, 500), 0.12);
    EXPECT_GE(trend_alarms(0, 0.05, 200), 0.9);
}

TEST(DifferenceTest, GivesTheValuesOfMannAndWhitney) {
    const std::vector<double> before{3, 1, 8, 2, 6, 4, 7, 5};
    const std::vector<double> now{11, 9, 16, 10, 14, 12, 15, 13};
    const DifferenceTest test = difference_test(before, now);
    // U is 64, its mean 32, its variance 8 * 8 * 17 / 12.
    EXPECT_NEAR(test.z * std::sqrt(test.inflation), 31.5 / std::sqrt(64.0 * 17 / 12), 1e-9);
    EXPECT_LT(test.p, 0.01);
    EXPECT_EQ(difference_test(std::vector<double>(10, 1), std::vector<double>(10, 1)).p, 1);
    EXPECT_FALSE(difference_test(std::vector<double>(7, 1), before).enough);
}

double difference_alarms(double phi, double shift, int runs) {
    drift::Dice dice(13);
    int alarms = 0;
    for (int i = 0; i < runs; ++i) {
        const auto before = series(dice, 60, phi);
        auto now = series(dice, 60, phi);
        for (double& value : now) value += shift;
        alarms += difference_test(before, now).p <= 0.05 ? 1 : 0;
    }
    return static_cast<double>(alarms) / runs;
}

TEST(DifferenceTest, HoldsItsLevelWithoutADifferenceAndFindsOne) {
    EXPECT_LE(difference_alarms(0, 0, 500), 0.08);
    EXPECT_LE(difference_alarms(0.5, 0, 500), 0.12);
    EXPECT_GE(difference_alarms(0, 1, 200), 0.95);
}

TEST(FitLine, FindsBaseAndSlope) {
    const std::vector<double> x{1, 2, 3, 4};
    const std::vector<double> y{3, 5, 7, 9};
    const Line line = fit_line(x, y);
    EXPECT_NEAR(line.base, 1, 1e-12);
    EXPECT_NEAR(line.slope, 2, 1e-12);
    EXPECT_NEAR(line.r_squared, 1, 1e-12);
    EXPECT_FALSE(fit_line(std::vector<double>{2, 2, 2}, std::vector<double>{1, 2, 3}).enough);
}

}  // namespace
}  // namespace tidegate::performance
