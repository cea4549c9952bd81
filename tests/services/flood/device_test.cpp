// What a device's state makes of readings: faults, events, restarts.
#include "services/flood/sensor/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "services/flood/sensor/evaluate.h"
#include "services/flood/sensor/nab.h"

namespace tidegate::flood {
namespace {

constexpr UnixMillis kQuarter = 900'000;

/// A river that breathes and jitters, read each quarter of an hour.
double level_at(int i) {
    return 100 + 8 * std::sin(i / 60.0) + 0.3 * std::sin(i * 1.7) + 0.2 * std::sin(i * 0.37);
}

struct Rig {
    Device device;
    int next = 0;

    Verdict add(double level, double rain = std::nan(""), std::optional<double> upstream = std::nullopt) {
        std::vector<FieldReading> fields{{"water_level_cm", level}};
        if (std::isfinite(rain)) fields.push_back({"rainfall_mm", rain});
        auto verdict = device.add({(next++ + 1) * kQuarter, fields, upstream}, kThresholds);
        EXPECT_TRUE(verdict);
        return *verdict;
    }
    void learn() {
        while (next < 1000) add(level_at(next));
    }
};

TEST(Device, AUsualReadingIsNoAnomaly) {
    Rig rig;
    int anomalies = 0;
    for (int i = 0; i < 3000; ++i) anomalies += rig.add(level_at(i)).is_anomaly ? 1 : 0;
    EXPECT_LE(anomalies, 2);
}

TEST(Device, ASensorThatIsTakenOutIsAFault) {
    Rig rig;
    rig.learn();
    const Verdict verdict = rig.add(60);
    EXPECT_EQ(verdict.state, State::kFault);
    EXPECT_TRUE(verdict.is_anomaly);
    EXPECT_GE(verdict.severity, Severity::kMedium);
    EXPECT_FALSE(verdict.requires_maintenance) << "once is a visit";
    EXPECT_FALSE(rig.add(level_at(rig.next)).is_anomaly);
}

TEST(Device, ARiseWithRainUpstreamIsAnEventAndWithoutItUnsure) {
    Rig dry;
    dry.learn();
    Rig wet = dry;
    const double risen = level_at(dry.next) + 100;
    const Verdict unsure = dry.add(risen);
    EXPECT_EQ(unsure.state, State::kUnsure);
    EXPECT_TRUE(unsure.is_anomaly);
    const Verdict event = wet.add(risen, std::nan(""), 12.0);
    EXPECT_EQ(event.state, State::kEvent);
    EXPECT_FALSE(event.is_anomaly);
    EXPECT_FALSE(event.requires_maintenance);
    Rig own;
    own.learn();
    own.add(level_at(own.next), 6.0);
    EXPECT_EQ(own.add(level_at(own.next) + 100, 3.0).state, State::kEvent) << "rain of the device's own gauge";
}

TEST(Device, AnErrorValueIsAFaultAndTeachesNothing) {
    Rig rig;
    rig.learn();
    for (int i = 0; i < 5; ++i) {
        const Verdict verdict = rig.add(-9999);
        EXPECT_EQ(verdict.flags.gross_range, Flag::kFail);
        EXPECT_EQ(verdict.severity, Severity::kHigh);
        EXPECT_EQ(verdict.requires_maintenance, i >= 2) << i;
    }
    EXPECT_EQ(rig.add(level_at(rig.next)).state, State::kNormal);
}

TEST(Device, AStuckSensorNeedsMaintenance) {
    Rig rig;
    rig.learn();
    Verdict verdict;
    for (int i = 0; i < 100; ++i) verdict = rig.add(101.5);
    EXPECT_EQ(verdict.flags.flat_line, Flag::kFail);
    EXPECT_TRUE(verdict.requires_maintenance);
}

TEST(Device, ANewLevelIsAcceptedInTheEnd) {
    Rig rig;
    rig.learn();
    bool still = true;
    for (int i = 0; i < 40; ++i) still = rig.add(level_at(rig.next) - 30).is_anomaly;
    EXPECT_FALSE(still);
}

TEST(Device, ARestartChangesNoVerdict) {
    Rig rig;
    rig.learn();
    auto back = Device::restore(rig.device.save());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->save(), rig.device.save());
    Rig other{.device = *back, .next = rig.next};
    for (int i = 0; i < 50; ++i) {
        const double level = level_at(rig.next) - (i == 20 ? 50 : 0);
        const Verdict a = rig.add(level);
        const Verdict b = other.add(level);
        EXPECT_EQ(a.state, b.state);
        EXPECT_EQ(a.score, b.score);
    }
}

TEST(Device, DamagedStateIsRefused) {
    Rig rig;
    rig.learn();
    const std::string sound = rig.device.save();
    EXPECT_FALSE(Device::restore(sound.substr(0, sound.size() - 1)));
    EXPECT_FALSE(Device::restore(sound + "x"));
    EXPECT_FALSE(Device::restore(""));
    std::string other = sound;
    other[0] = 9;
    EXPECT_FALSE(Device::restore(other));
}

TEST(Device, TimeThatGoesBackIsRefusedAndChangesNothing) {
    Rig rig;
    rig.learn();
    const std::string before = rig.device.save();
    const std::array<FieldReading, 1> fields{{{"water_level_cm", 100}}};
    const auto verdict = rig.device.add({kQuarter, fields, std::nullopt}, kThresholds);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::kConflict);
    EXPECT_EQ(rig.device.save(), before);
}

TEST(Device, AGapIsSaid) {
    Rig rig;
    rig.learn();
    rig.next += 20;
    EXPECT_EQ(rig.add(level_at(rig.next)).flags.gap, Flag::kSuspect);
}

TEST(Nab, WhatTheRouteCallsAnAnomalyHasItsScoreAndNothingElseHasOne) {
    LabelledSeries series;
    for (int i = 0; i < 2000; ++i) {
        series.times_s.push_back(900.0 * i);
        series.values.push_back(level_at(i) - (i == 1500 ? 60 : 0));
    }
    for (const bool with_range : {false, true}) {
        const std::vector<double> scores = scores_of_device(series, kThresholds, with_range);
        ASSERT_EQ(scores.size(), 2000U);
        // Smoothed over three values: it may take one more to be sure.
        EXPECT_GE(*std::max_element(scores.begin() + 1500, scores.begin() + 1503), kPatternThreshold) << with_range;
        int others = 0;
        for (std::size_t i = 0; i < scores.size(); ++i) others += (i < 1500 || i > 1502) && scores[i] > 0 ? 1 : 0;
        EXPECT_LE(others, 3) << with_range;
    }
}

TEST(Nab, PerfectIsAHundredAndSilenceNothing) {
    NabSeries series{.scores = std::vector<double>(2000, 0.0), .windows = {{1000, 1100}, {1500, 1600}}};
    EXPECT_NEAR(nab_at({&series, 1}, 1).standard, 0, 1e-9);
    series.scores[1000] = series.scores[1500] = 2;
    EXPECT_NEAR(nab_at({&series, 1}, 1).standard, 100, 1e-9);
    series.scores[1300] = 2;
    EXPECT_LT(nab_at({&series, 1}, 1).standard, 100);
    EXPECT_NEAR(nab_best({&series, 1}).threshold, 2, 1e-9);
}

}  // namespace
}  // namespace tidegate::flood
