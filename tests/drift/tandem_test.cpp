// Tandem's promise: the stated run between false alarms where nothing changes, and no miss where something does.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "drift/adwin.h"
#include "drift/dice.h"
#include "drift/hoeffding.h"
#include "drift/score.h"
#include "drift/tandem.h"

namespace tidegate::drift {
namespace {

// False alarms in 1,000 stationary runs of 4,000 values; 40 are the budget of an expected run of 100,000.
template <class Draw>
int alarms_in_a_thousand_runs(Direction direction, Draw draw) {
    int alarms = 0;
    for (std::uint64_t run = 0; run < 1000; ++run) {
        Dice dice(1000 + run);
        Tandem detector({.expected_run = 100'000, .direction = direction});
        for (int i = 0; i < 4000; ++i) alarms += detector.update(draw(dice)) == State::kDrift ? 1 : 0;
    }
    return alarms;
}

// 40 false alarms and three standard deviations of a Poisson count.
constexpr int kBudget = 40 + 19;

TEST(Tandem, KeepsItsFalseAlarmBudgetOverAThousandStationaryRunsOfErrors) {
    for (const double p : {0.05, 0.15, 0.3, 0.5}) {
        EXPECT_LE(alarms_in_a_thousand_runs(Direction::kRise, [p](Dice& dice) { return dice.chance(p) ? 1 : 0; }),
                  kBudget)
            << "error rate " << p;
    }
}

TEST(Tandem, KeepsItsFalseAlarmBudgetInBothDirections) {
    EXPECT_LE(alarms_in_a_thousand_runs(Direction::kBoth, [](Dice& dice) { return dice.chance(0.3) ? 1 : 0; }),
              kBudget);
}

TEST(Tandem, KeepsItsFalseAlarmBudgetOnNumbersThatAreNoCoins) {
    EXPECT_LE(alarms_in_a_thousand_runs(Direction::kRise, [](Dice& dice) { return dice.uniform(); }), kBudget);
    // Skewed: most values near 0.
    EXPECT_LE(alarms_in_a_thousand_runs(Direction::kRise, [](Dice& dice) { return std::pow(dice.uniform(), 6); }),
              kBudget);
}

TEST(Tandem, HddmWWouldBreakThatBudget) {
    int alarms = 0;
    for (std::uint64_t run = 0; run < 100; ++run) {
        Dice dice(1000 + run);
        HddmW detector;
        for (int i = 0; i < 4000; ++i) alarms += detector.update(dice.chance(0.3) ? 1 : 0) == State::kDrift ? 1 : 0;
    }
    EXPECT_GT(alarms, kBudget) << "in a tenth of the runs";
}

TEST(Tandem, MissesNoAbruptChangeAndIsFasterThanAdwinWithoutMoreFalseAlarms) {
    // Seeds that no constant was chosen on.
    Score ours;
    Score adwin;
    for (const Concept kind : {Concept::kSine1, Concept::kMixed}) {
        for (std::uint64_t seed = 9000; seed < 9010; ++seed) {
            const LabelledStream stream = make_stream({.concept_kind = kind, .seed = seed});
            ours.add(score(stream, [] { return std::make_unique<Tandem>(TandemOptions{.expected_run = 2e7}); }));
            adwin.add(score(stream, [] { return std::make_unique<Adwin>(); }));
        }
    }
    EXPECT_EQ(ours.hits, ours.changes);
    // The learner is not quite stationary: its own slow changes make an alarm now and then.
    EXPECT_LE(ours.false_alarms, 1U);
    EXPECT_LE(ours.false_alarms, adwin.false_alarms);
    EXPECT_LT(ours.delay_mean(), 0.8 * adwin.delay_mean());
}

TEST(Tandem, SaysWhatChangedAndWhen) {
    Dice dice(17);
    Tandem detector;
    for (int i = 0; i < 10'000; ++i) ASSERT_NE(detector.update(dice.chance(0.1) ? 1 : 0), State::kDrift);
    int waited = 0;
    while (detector.update(dice.chance(0.6) ? 1 : 0) != State::kDrift) ASSERT_LT(++waited, 200);
    EXPECT_NEAR(detector.mean_before(), 0.1, 0.02);
    EXPECT_NEAR(detector.mean_after(), 0.6, 0.25);
    EXPECT_NEAR(detector.age_of_change(), waited, 10);
}

TEST(Tandem, HearsOnlyTheDirectionThatWasAskedFor) {
    Dice dice(18);
    Tandem rise({.direction = Direction::kRise});
    Tandem fall({.direction = Direction::kFall});
    int rises = 0;
    int falls = 0;
    for (int i = 0; i < 8000; ++i) {
        const double value = dice.chance(i < 4000 ? 0.6 : 0.2) ? 1 : 0;
        rises += rise.update(value) == State::kDrift ? 1 : 0;
        falls += fall.update(value) == State::kDrift ? 1 : 0;
    }
    EXPECT_EQ(rises, 0);
    EXPECT_EQ(falls, 1);
}

TEST(Tandem, AFallThatNobodyAskedForIsNoReferenceForTheNextRise) {
    // 0.6, then 0.2, then 0.45: the rise is one from 0.2, though 0.45 is under the mean of all.
    Dice dice(19);
    Tandem detector;
    for (int i = 0; i < 8000; ++i) ASSERT_NE(detector.update(dice.chance(i < 6000 ? 0.6 : 0.2) ? 1 : 0), State::kDrift);
    int waited = 0;
    while (detector.update(dice.chance(0.45) ? 1 : 0) != State::kDrift) ASSERT_LT(++waited, 400);
    EXPECT_NEAR(detector.mean_before(), 0.2, 0.03);
}

TEST(Tandem, ScalesValuesByTheirRange) {
    Tandem plain;
    Tandem scaled({.low = -50, .high = 150});
    Dice dice(20);
    for (int i = 0; i < 6000; ++i) {
        const double value = dice.chance(i < 5000 ? 0.2 : 0.8) ? 1 : 0;
        ASSERT_EQ(plain.update(value), scaled.update(-50 + 200 * value));
    }
}

}  // namespace
}  // namespace tidegate::drift
