#include "performance/scan_plan.h"

#include <gtest/gtest.h>

#include "drift/dice.h"

namespace tidegate::performance {
namespace {

constexpr std::int64_t kFiveMin = 300'000;
constexpr std::int64_t kAnHour = 3'600'000;

HeldSteps held_of(std::pair<UnixMillis, UnixMillis> fine, std::pair<UnixMillis, UnixMillis> fives,
                  std::pair<UnixMillis, UnixMillis> hours) {
    return {{{.step_ms = 1, .begin = fine.first, .until = fine.second},
             {.step_ms = kFiveMin, .begin = fives.first, .until = fives.second},
             {.step_ms = kAnHour, .begin = hours.first, .until = hours.second}}};
}

TEST(ScanPlan, HoursTellTheMiddleAndFinerOnesTheEdges) {
    const HeldSteps held = held_of({0, INT64_MAX}, {0, 10 * kAnHour}, {0, 10 * kAnHour});
    const std::vector<Stretch> plan = plan_scan(kAnHour / 2 + 1, 5 * kAnHour + kFiveMin + 7, held, 2);
    const std::vector<Stretch> wanted{{0, kAnHour / 2 + 1, kAnHour / 2 + kFiveMin},
                                      {1, kAnHour / 2 + kFiveMin, kAnHour},
                                      {2, kAnHour, 5 * kAnHour},
                                      {1, 5 * kAnHour, 5 * kAnHour + kFiveMin},
                                      {0, 5 * kAnHour + kFiveMin, 5 * kAnHour + kFiveMin + 7}};
    EXPECT_EQ(plan, wanted);
}

TEST(ScanPlan, WhatTheFineDoNotReachBackToIsToldByWhatWasRolledUp) {
    const HeldSteps held = held_of({8 * kAnHour, INT64_MAX}, {4 * kAnHour, 10 * kAnHour}, {0, 10 * kAnHour});
    const std::vector<Stretch> wanted{
        {2, 0, 4 * kAnHour}, {1, 4 * kAnHour, 8 * kAnHour}, {0, 8 * kAnHour, 11 * kAnHour}};
    EXPECT_EQ(plan_scan(0, 11 * kAnHour, held, 0), wanted);
}

TEST(ScanPlan, AFirstHourThatBeganInItsMiddleIsToldByFinerOnes) {
    const HeldSteps held = held_of({3 * kFiveMin, INT64_MAX}, {3 * kFiveMin, 5 * kAnHour}, {3 * kFiveMin, 5 * kAnHour});
    const std::vector<Stretch> wanted{{1, 3 * kFiveMin, kAnHour}, {2, kAnHour, 5 * kAnHour}};
    EXPECT_EQ(plan_scan(0, 5 * kAnHour, held, 2), wanted);
}

TEST(ScanPlan, OfNothingIsNothingAndBeforeTheFirstSampleItBeginsThere) {
    EXPECT_TRUE(plan_scan(0, kAnHour, held_of({0, 0}, {0, 0}, {0, 0}), 2).empty());
    EXPECT_TRUE(plan_scan(5, 5, held_of({0, INT64_MAX}, {0, 0}, {0, 0}), 2).empty());
    const std::vector<Stretch> wanted{{0, kFiveMin, kAnHour}};
    EXPECT_EQ(plan_scan(0, kAnHour, held_of({kFiveMin, INT64_MAX}, {0, 0}, {0, 0}), 2), wanted);
}

TEST(ScanPlan, WhateverIsHeldEachMomentIsToldOnceAndInOrder) {
    drift::Dice dice(31);
    const auto some = [&](std::int64_t step) { return static_cast<std::int64_t>(dice.below(30)) * step; };
    for (int run = 0; run < 20'000; ++run) {
        // As the store has them: fine to the end, the rolled up until some time before.
        const UnixMillis end = 60 * kAnHour;
        const UnixMillis fine = some(kFiveMin);
        const UnixMillis fives = some(kFiveMin);
        const UnixMillis hours = some(kFiveMin);
        const HeldSteps held =
            held_of({fine, INT64_MAX}, {fives, std::max(fives, end - some(kFiveMin))}, {hours, end - some(kAnHour)});
        const UnixMillis from = static_cast<UnixMillis>(dice.below(40 * kAnHour));
        const UnixMillis to = from + static_cast<UnixMillis>(dice.below(30 * kAnHour));
        const std::size_t coarsest = dice.below(kSteps);
        UnixMillis at = from;
        for (const Stretch& one : plan_scan(from, to, held, coarsest)) {
            // A gap only where nothing at all is held.
            if (one.from != at) {
                for (const Held& each : held) {
                    ASSERT_TRUE(each.begin >= one.from || each.begin >= each.until);
                }
            }
            ASSERT_GE(one.from, at);
            ASSERT_GT(one.to, one.from);
            ASSERT_LE(one.to, to);
            ASSERT_LT(one.from, held[one.step].until);
            ASSERT_GE(one.from, held[one.step].begin);
            at = one.to;
        }
        if (to > from && to > fine) {
            ASSERT_EQ(at, to);
        }
    }
}

}  // namespace
}  // namespace tidegate::performance
