// What every streaming detector must keep, whatever its method.

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "drift/adwin.h"
#include "drift/dice.h"
#include "drift/error_rate.h"
#include "drift/hoeffding.h"
#include "drift/kswin.h"
#include "drift/page_hinkley.h"
#include "drift/tandem.h"

namespace tidegate::drift {
namespace {

using Make = std::function<std::unique_ptr<Detector>()>;

std::vector<Make> all() {
    return {[] { return std::make_unique<Adwin>(); },
            [] { return std::make_unique<Ddm>(); },
            [] { return std::make_unique<Eddm>(); },
            [] { return std::make_unique<HddmA>(); },
            [] { return std::make_unique<HddmA>(HddmOptions{.two_sided = true}); },
            [] { return std::make_unique<HddmW>(); },
            [] { return std::make_unique<HddmW>(HddmOptions{.two_sided = true}); },
            [] { return std::make_unique<Fhddm>(); },
            [] { return std::make_unique<PageHinkley>(); },
            [] { return std::make_unique<Kswin>(); },
            [] { return std::make_unique<Tandem>(); }};
}

std::vector<State> states(Detector& detector, std::uint64_t seed, bool with_gaps) {
    Dice dice(seed);
    std::vector<State> result;
    for (int i = 0; i < 4000; ++i) {
        if (with_gaps && i % 7 == 0) {
            EXPECT_EQ(detector.update(std::numeric_limits<double>::quiet_NaN()), State::kNormal);
            EXPECT_EQ(detector.update(std::numeric_limits<double>::infinity()), State::kNormal);
        }
        result.push_back(detector.update(dice.chance(i < 2000 ? 0.1 : 0.7) ? 1 : 0));
    }
    return result;
}

TEST(Detectors, FindAChangeFromATenthToSevenTenths) {
    for (const Make& make : all()) {
        const auto detector = make();
        const std::vector<State> seen = states(*detector, 5, false);
        const auto alarm = std::find(seen.begin() + 2000, seen.end(), State::kDrift);
        ASSERT_NE(alarm, seen.end()) << detector->name();
        EXPECT_LT(alarm - seen.begin(), 2000 + 300) << detector->name();
    }
}

TEST(Detectors, LookAwayFromWhatIsNoNumberAndCountIt) {
    for (const Make& make : all()) {
        const auto plain = make();
        const auto gaps = make();
        EXPECT_EQ(states(*plain, 5, false), states(*gaps, 5, true)) << plain->name();
        EXPECT_EQ(plain->ignored(), 0U);
        EXPECT_EQ(gaps->ignored(), 2U * 572U) << plain->name();
        gaps->reset();
        EXPECT_EQ(gaps->ignored(), 2U * 572U) << "the count outlives a reset: " << plain->name();
    }
}

TEST(Detectors, StartAfreshWhenReset) {
    for (const Make& make : all()) {
        const auto detector = make();
        const std::vector<State> first = states(*detector, 5, false);
        detector->reset();
        EXPECT_EQ(states(*detector, 5, false), first) << detector->name();
    }
}

TEST(Detectors, StaySilentOnAConstant) {
    for (const double value : {0.0, 1.0, 0.25}) {
        for (const Make& make : all()) {
            const auto detector = make();
            // DDM and EDDM take errors; a constant 1 is a model that is always wrong, and no change either.
            for (int i = 0; i < 5000; ++i) ASSERT_NE(detector->update(value), State::kDrift) << detector->name();
        }
    }
}

TEST(Detectors, AdwinForgetsTheOldMeanAfterAChange) {
    Adwin adwin;
    Dice dice(3);
    for (int i = 0; i < 5000; ++i) adwin.update(dice.uniform());
    EXPECT_NEAR(adwin.mean(), 0.5, 0.05);
    EXPECT_EQ(adwin.width(), 5000);
    for (int i = 0; i < 5000; ++i) adwin.update(3 + dice.uniform());
    EXPECT_NEAR(adwin.mean(), 3.5, 0.05);
    EXPECT_LE(adwin.width(), 5100);
}

}  // namespace
}  // namespace tidegate::drift
