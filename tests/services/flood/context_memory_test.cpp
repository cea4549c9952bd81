// What a series' own past says of its next value: the counts against a plain reading of the method, ranges, rests, what is stored.
#include "services/flood/sensor/context_memory.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "services/flood/sensor/device.h"
#include "services/flood/sensor/evaluate.h"

namespace tidegate::flood {
namespace {

constexpr double kNever = 1e9;

/// Prediction by partial matching as its description reads, over levels that are given: contexts in a map, nothing forgotten.
class Plain {
  public:
    double score(int level) {
        double p = 1.0 / ContextMemory::kLevels;
        for (std::size_t depth = 0; depth <= std::min(ContextMemory::kDepth, past_.size()); ++depth) {
            const std::map<int, int>& counts = after_[{past_.end() - static_cast<std::ptrdiff_t>(depth), past_.end()}];
            double all = 0;
            for (const auto& [_, count] : counts) all += count;
            if (all == 0) break;
            const auto found = counts.find(level);
            const double hit = found == counts.end() ? 0 : found->second;
            const auto kinds = static_cast<double>(counts.size());
            p = (hit + kinds * p) / (all + kinds);
        }
        return -std::log10(p);
    }
    void add(int level) {
        for (std::size_t depth = 0; depth <= std::min(ContextMemory::kDepth, past_.size()); ++depth) {
            ++after_[{past_.end() - static_cast<std::ptrdiff_t>(depth), past_.end()}][level];
        }
        past_.push_back(level);
    }

  private:
    std::vector<int> past_;
    std::map<std::vector<int>, std::map<int, int>> after_;
};

TEST(ContextMemory, CountsAsTheMethodIsWritten) {
    ContextMemory memory;
    memory.declare_range(0, ContextMemory::kInside);
    Plain plain;
    std::mt19937 random(7);
    double smooth = 0;
    // Up to a whole window, over the borders of blocks: nothing is forgotten yet.
    for (std::size_t i = 0; i < ContextMemory::kWindow; ++i) {
        // Habits with surprises, so that long contexts come back.
        const int level =
            random() % 5 == 0 ? static_cast<int>(random() % ContextMemory::kInside) : static_cast<int>(i % 7);
        const double expected = i == 0 ? 0 : plain.score(level);
        plain.add(level);
        smooth += 0.5 * (expected - smooth);
        ASSERT_NEAR(memory.add(level + 0.5, kNever).score, smooth, 1e-9) << i;
    }
}

TEST(ContextMemory, WhatLeftTheWindowIsForgotten) {
    ContextMemory memory;
    memory.declare_range(0, 12);
    // A pair that was everywhere for a window, then never for another.
    for (std::size_t i = 0; i < ContextMemory::kWindow; ++i) memory.add(i % 2 == 0 ? 1.5 : 2.5, kNever);
    for (std::size_t i = 0; i < ContextMemory::kWindow; ++i) memory.add(i % 2 == 0 ? 1.5 : 9.5, kNever);
    const double gone = memory.add(2.5, kNever).score;
    ContextMemory fresh;
    fresh.declare_range(0, 12);
    for (std::size_t i = 0; i < ContextMemory::kWindow; ++i) fresh.add(i % 2 == 0 ? 1.5 : 9.5, kNever);
    EXPECT_NEAR(gone, fresh.add(2.5, kNever).score, 1e-6);
}

/// A day of 96 steps, low by night and high by day.
double day_at(int i) {
    return i % 96 < 40 ? 10 + 0.5 * std::sin(i * 1.3) : 40 + 0.5 * std::sin(i * 0.7);
}

TEST(ContextMemory, AnUnusualCourseWithinTheRangeIsFoundOnce) {
    ContextMemory memory;
    int before = 0;
    for (int i = 0; i < 1'920; ++i) before += memory.add(day_at(i), kPatternThreshold).alarm ? 1 : 0;
    EXPECT_LE(before, 2);
    // At night as high as half-way: neither high nor low, and never seen there.
    int alarms = 0;
    for (int i = 1'920; i < 1'950; ++i) alarms += memory.add(25, kPatternThreshold).alarm ? 1 : 0;
    EXPECT_GE(alarms, 1);
    EXPECT_LE(alarms, 4) << "one event, not forty";
}

TEST(ContextMemory, AWildValueIsFoundAndDoesNotBluntTheGridForever) {
    ContextMemory memory;
    for (int i = 0; i < 1'000; ++i) memory.add(day_at(i), kPatternThreshold);
    EXPECT_TRUE(memory.add(1e6, kPatternThreshold).alarm);
    for (int i = 0; i < 6'000; ++i) memory.add(day_at(i), kPatternThreshold);
    bool found = false;
    for (int i = 0; i < 4; ++i) found = memory.add(25, kPatternThreshold).alarm || found;
    EXPECT_TRUE(found) << "the cells are as fine again as before";
}

TEST(ContextMemory, WhatNeverChangedAndChangesIsASurprise) {
    ContextMemory memory;
    for (int i = 0; i < 500; ++i) EXPECT_FALSE(memory.add(3, 1.0).alarm);
    EXPECT_TRUE(memory.add(3.001, 1.0).alarm);
}

TEST(ContextMemory, ValuesAtTheEndsOfWhatANumberHoldsAreTaken) {
    ContextMemory memory;
    for (const double one : {1e308, -1e308, 0.0, 5e-324, 1e308, -1e308}) {
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(std::isfinite(memory.add(one, 1).score));
    }
    memory.declare_range(-1e308, 1e308);
    EXPECT_TRUE(std::isfinite(memory.add(1e308, 1).score));
}

Verdict add(Device& device, int minute, double value, std::optional<Span> range = std::nullopt) {
    const std::array<FieldReading, 1> fields{{{.name = "queue_length", .value = value, .range = range}}};
    auto verdict = device.add({(minute + 1) * UnixMillis{60'000}, fields, std::nullopt}, kThresholds);
    EXPECT_TRUE(verdict);
    return *std::move(verdict);
}

TEST(DevicePattern, AFieldOfNoKnownKindIsJudgedByItsPatternAndSaysSo) {
    Device device;
    int minute = 0;
    while (minute < 1'920) add(device, minute, day_at(minute)), ++minute;
    EXPECT_EQ(device.patterns(), 1U);
    Verdict verdict;
    while (minute < 1'950 && !verdict.is_anomaly) verdict = add(device, minute++, 25);
    ASSERT_TRUE(verdict.is_anomaly);
    EXPECT_EQ(verdict.state, State::kUnsure);
    EXPECT_EQ(verdict.fields[0].detector, Detector::kPattern);
    EXPECT_EQ(verdict.threshold, kPatternThreshold);
    EXPECT_GE(verdict.score, kPatternThreshold);
    EXPECT_FALSE(verdict.requires_maintenance);
    ASSERT_EQ(verdict.reasons.size(), 1U);
    EXPECT_NE(verdict.reasons[0].find("queue_length"), std::string::npos);
}

TEST(DevicePattern, NothingForADayIsUsualWhereItsPastSaysSo) {
    Device device;
    for (int minute = 0; minute < 3 * 24 * 60; ++minute) {
        EXPECT_FALSE(add(device, minute, 0).is_anomaly) << minute;
        if (::testing::Test::HasFailure()) break;
    }
}

TEST(DevicePattern, OutsideADeclaredRangeIsAFaultForLaterReadingsToo) {
    Device device;
    EXPECT_FALSE(add(device, 0, 7'999, Span{0, 10'000}).is_anomaly) << "in a declared range no code of a logger";
    EXPECT_FALSE(add(device, 1, 50).is_anomaly);
    auto back = Device::restore(device.save());
    ASSERT_TRUE(back);
    const Verdict verdict = add(*back, 2, 10'001);
    EXPECT_EQ(verdict.state, State::kFault);
    EXPECT_EQ(verdict.flags.gross_range, Flag::kFail);
}

TEST(DevicePattern, ARestartChangesNoVerdict) {
    Device device;
    int minute = 0;
    std::mt19937 random(3);
    const auto next = [&] { return day_at(minute) + static_cast<double>(random() % 100) / 20; };
    while (minute < 5'000) add(device, minute, next()), ++minute;
    auto back = Device::restore(device.save());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->save(), device.save());
    EXPECT_EQ(back->patterns(), 1U);
    for (int i = 0; i < 600; ++i, ++minute) {
        const double value = i % 150 == 100 ? 60 : next();
        const Verdict a = add(device, minute, value);
        const Verdict b = add(*back, minute, value);
        ASSERT_EQ(a.score, b.score) << i;
        ASSERT_EQ(a.state, b.state) << i;
    }
}

TEST(DevicePattern, StateOfTheFirstFormatIsRead) {
    Device device;
    const std::array<FieldReading, 1> fields{{{.name = "water_level_cm", .value = 100}}};
    ASSERT_TRUE(device.add({60'000, fields, std::nullopt}, kThresholds));
    std::string old = device.save();
    // The second format added a number to each field: which newer parts follow; none here.
    ASSERT_EQ(old.substr(old.size() - 4), std::string(4, '\0'));
    old.resize(old.size() - 4);
    old[0] = 1;
    const auto back = Device::restore(old);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->save(), device.save());
}

TEST(DevicePattern, DamagedStateIsRefusedOrWholeAndNeverCrashes) {
    Device device;
    for (int minute = 0; minute < 300; ++minute) add(device, minute, day_at(minute), Span{0, 100});
    const std::string sound = device.save();
    for (std::size_t cut = 0; cut < sound.size(); cut += 7) EXPECT_FALSE(Device::restore(sound.substr(0, cut))) << cut;
    std::mt19937 random(11);
    for (int i = 0; i < 3'000; ++i) {
        std::string damaged = sound;
        damaged[random() % damaged.size()] = static_cast<char>(random());
        auto back = Device::restore(damaged);
        if (!back || back->last_time() > 1'000'000'000) continue;
        const std::array<FieldReading, 1> fields{{{.name = "queue_length", .value = 20}}};
        const auto verdict = back->add({back->last_time() + 60'000, fields, std::nullopt}, kThresholds);
        if (verdict) EXPECT_FALSE(std::isnan(verdict->score));
    }
}

}  // namespace
}  // namespace tidegate::flood
