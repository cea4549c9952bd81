// Distances, tails, cells and corrections against values that are known.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "drift/cells.h"
#include "drift/dice.h"
#include "drift/multiplicity.h"
#include "drift/reference.h"
#include "drift/special.h"
#include "drift/statistics.h"
#include "drift/verdict.h"

namespace tidegate::drift {
namespace {

TEST(Tails, ChiSquareAgreesWithPublishedTables) {
    EXPECT_NEAR(chi_square_tail(3.841458820694124, 1), 0.05, 1e-10);
    EXPECT_NEAR(chi_square_tail(16.918977604620448, 9), 0.05, 1e-10);
    EXPECT_NEAR(chi_square_tail(27.877164871256568, 9), 0.001, 1e-10);
    EXPECT_NEAR(chi_square_quantile(0.001, 9), 27.877164871256568, 1e-6);
    EXPECT_NEAR(chi_square_quantile(0.99, 100), 70.06489492539978, 1e-6);
    EXPECT_EQ(chi_square_tail(0, 9), 1);
    EXPECT_LT(chi_square_tail(1000, 9), 1e-200);
}

TEST(Tails, KolmogorovAgreesWithPublishedTables) {
    EXPECT_NEAR(kolmogorov_tail(1.3580986393225507), 0.05, 1e-9);
    EXPECT_NEAR(kolmogorov_tail(1.6276236115189503), 0.01, 1e-9);
    EXPECT_NEAR(kolmogorov_tail(0.8275735551899077), 0.5, 1e-9);
    EXPECT_EQ(kolmogorov_tail(0), 1);
}

TEST(Tails, TheExactTwoSampleChanceIsWhatCountingOrdersGives) {
    // n = m = 3: of the 20 orders 2 separate the samples wholly (D = 1), and 12 have D of 2/3 or more.
    EXPECT_NEAR(ks_two_sample_p(1.0, 3, 3), 2.0 / 20, 1e-12);
    EXPECT_NEAR(ks_two_sample_p(2.0 / 3, 3, 3), 12.0 / 20, 1e-12);
    EXPECT_NEAR(ks_two_sample_p(1.0 / 3, 3, 3), 1, 1e-12);
    // n = 1, m = 4: the single value first or last.
    EXPECT_NEAR(ks_two_sample_p(1.0, 1, 4), 2.0 / 5, 1e-12);
}

TEST(Tails, TheExactChanceMeetsTheLimitWhereTheyMeet) {
    const double exact = ks_two_sample_p(0.1, 400, 500);
    const double limit = ks_two_sample_p(0.1, 400, 501);
    EXPECT_NEAR(exact / limit, 1, 0.06);
}

TEST(Distances, AgreeWithHandCalculation) {
    const std::vector<double> a{1, 2, 3, 4};
    const std::vector<double> b{3, 4, 5, 6};
    EXPECT_DOUBLE_EQ(ks_distance(a, b), 0.5);
    EXPECT_DOUBLE_EQ(wasserstein_distance(a, b), 2);
    EXPECT_DOUBLE_EQ(wasserstein_distance(a, a), 0);
    const std::vector<double> c{2};
    EXPECT_DOUBLE_EQ(wasserstein_distance(a, c), (1 + 0 + 1 + 2) / 4.0);
    const std::vector<std::uint64_t> p{50, 50};
    const std::vector<std::uint64_t> q{25, 75};
    EXPECT_NEAR(population_stability(p, q), 0.25 * std::log(3), 1e-12);
    EXPECT_NEAR(chi_square_statistic(p, q), 13.333333333333334, 1e-9);
    EXPECT_NEAR(jensen_shannon(p, q), 0.048794940695398636, 1e-12);
    const std::vector<std::uint64_t> left{10, 0};
    const std::vector<std::uint64_t> right{0, 10};
    EXPECT_GT(jensen_shannon(left, right), 0.7);
    EXPECT_TRUE(std::isfinite(population_stability(left, right)));
}

TEST(Cells, EveryValueHasOneAndDecilesAreEven) {
    Dice dice(1);
    std::vector<double> values(1000);
    for (double& value : values) value = dice.normal();
    const NumericReference reference = NumericReference::from(values);
    ASSERT_EQ(reference.cells.size(), 13U);
    for (std::size_t cell = 1; cell <= 10; ++cell) EXPECT_EQ(reference.counts[cell], 100U);
    EXPECT_EQ(reference.cells.cell_of(-100), reference.cells.below());
    EXPECT_EQ(reference.cells.cell_of(100), reference.cells.above());
    EXPECT_EQ(reference.cells.cell_of(-std::numeric_limits<double>::infinity()), reference.cells.below());
    EXPECT_EQ(reference.cells.cell_of(std::nan("")), reference.cells.missing());
    EXPECT_EQ(reference.counts.total(), 1000U);
}

TEST(Cells, RepeatedValuesShareOne) {
    std::vector<double> values(700, 0.0);
    for (int i = 1; i <= 300; ++i) values.push_back(i);
    const NumericReference reference = NumericReference::from(values);
    EXPECT_EQ(reference.cells.edges().size(), 4U);
    EXPECT_EQ(reference.counts[1], 700U);
    const NumericReference constant = NumericReference::from(std::vector<double>(50, 2.0));
    EXPECT_EQ(constant.cells.edges().size(), 1U);
    EXPECT_EQ(constant.cells.cell_of(2.0), 1U);
    EXPECT_EQ(constant.cells.cell_of(2.1), constant.cells.above());
}

TEST(Cells, CountsOfPartsAddUpToTheCountsOfTheWhole) {
    Dice dice(2);
    std::vector<double> values(500);
    for (double& value : values) value = dice.uniform();
    const NumericReference reference = NumericReference::from(values);
    CellCounts whole(reference.cells.size());
    CellCounts parts(reference.cells.size());
    for (int part = 0; part < 4; ++part) {
        CellCounts one(reference.cells.size());
        for (int i = 0; i < 100; ++i) {
            const std::size_t cell = reference.cells.cell_of(dice.uniform() * 1.2);
            one.add(cell);
            whole.add(cell);
        }
        parts.merge(one);
    }
    EXPECT_EQ(std::vector(parts.all().begin(), parts.all().end()), std::vector(whole.all().begin(), whole.all().end()));
}

TEST(Cells, RareWordsAreOther) {
    const CategoryCells cells({{"a", 5}, {"b", 9}, {"c", 5}, {"d", 1}, {"", 99}}, 2);
    EXPECT_EQ(cells.name(0), "b");
    EXPECT_EQ(cells.name(1), "a");
    EXPECT_EQ(cells.cell_of("c"), cells.other());
    EXPECT_EQ(cells.cell_of("never seen"), cells.other());
    EXPECT_EQ(cells.cell_of(""), cells.missing());
    EXPECT_EQ(cells.name(cells.missing()), "missing");
}

TEST(Cells, AWordBelowAHundredthHasNoneOfItsOwn) {
    const CategoryCells cells({{"a", 500}, {"b", 495}, {"c", 5}}, 20);
    EXPECT_EQ(cells.size(), 4U);
    EXPECT_EQ(cells.cell_of("c"), cells.other());
}

TEST(Correction, OverFeaturesIsBenjaminiAndHochbergs) {
    const std::vector<double> p{0.01, 0.04, 0.03, std::nan(""), 0.005};
    const std::vector<double> adjusted = adjusted_p(p);
    EXPECT_NEAR(adjusted[4], 0.025, 1e-12);
    EXPECT_NEAR(adjusted[0], 0.025, 1e-12);
    EXPECT_NEAR(adjusted[2], 0.05, 1e-12);
    EXPECT_NEAR(adjusted[1], 0.05, 1e-12);
    EXPECT_EQ(adjusted[3], 1);
    EXPECT_TRUE(adjusted_p({}).empty());
}

TEST(Correction, TwentyFeaturesWithoutChangeAlarmNoMoreOftenThanOne) {
    Dice dice(3);
    int alarms = 0;
    for (int look = 0; look < 20'000; ++look) {
        std::vector<double> p(20);
        for (double& one : p) one = dice.uniform();
        const std::vector<double> adjusted = adjusted_p(p);
        alarms += std::ranges::any_of(adjusted, [](double one) { return one <= 0.01; }) ? 1 : 0;
    }
    EXPECT_NEAR(alarms, 200, 4 * std::sqrt(200));
}

TEST(Correction, OverTimeKeepsTheStatedRunOrTheStatedChance) {
    // One false alarm a month with a look each hour.
    const double level = level_of_look(3600, 30 * 86'400);
    EXPECT_NEAR(level, 1.0 / 720, 1e-15);
    EXPECT_EQ(level_of_look(100, 10), 0.5);
    EXPECT_EQ(level_of_look(0, 10), 0);
    double spent = 0;
    for (std::uint64_t k = 1; k < 100'000; ++k) spent += spent_at_look(0.01, k);
    EXPECT_NEAR(spent, 0.01, 1e-6);
    EXPECT_LE(spent, 0.01);
}

TestResult result_of(double p, double effect, double effect_min) {
    TestResult result;
    result.p = p;
    result.effect = effect;
    result.effect_min = effect_min;
    return result;
}

TEST(Verdicts, NeedSignificanceAndEffectAndRankByContribution) {
    const std::vector<FeatureTest> tests{{"small", result_of(1e-9, 0.01, 0.1)},
                                         {"large", result_of(1e-9, 0.6, 0.1)},
                                         {"unsure", result_of(0.2, 0.3, 0.1)}};
    const auto verdicts = judge(tests, 0.01);
    ASSERT_EQ(verdicts.size(), 3U);
    EXPECT_EQ(verdicts[0].feature, "large");
    EXPECT_TRUE(verdicts[0].drifted);
    EXPECT_EQ(verdicts[1].feature, "unsure");
    EXPECT_FALSE(verdicts[1].drifted);
    EXPECT_FALSE(verdicts[2].drifted);
    EXPECT_NEAR(verdicts[0].contribution, 6.0 / 9.1, 1e-12);
    EXPECT_NEAR(verdicts[0].contribution + verdicts[1].contribution + verdicts[2].contribution, 1, 1e-12);
}

TEST(Verdicts, SayWhichCellsMoved) {
    const std::vector<std::uint64_t> before{100, 100, 100, 0};
    const std::vector<std::uint64_t> now{100, 40, 150, 10};
    const auto shifts = what_moved(before, now);
    ASSERT_EQ(shifts.size(), 4U);
    EXPECT_EQ(shifts[0].cell, 1U);
    EXPECT_EQ(shifts.back().cell, 0U);
    double sum = 0;
    for (const CellShift& shift : shifts) sum += shift.contribution;
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_TRUE(what_moved(before, std::vector<std::uint64_t>(4)).empty());
}

}  // namespace
}  // namespace tidegate::drift
