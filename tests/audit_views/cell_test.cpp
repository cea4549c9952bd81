// The parts of the cube: the scale of latencies, the cover of a window, kinds.
#include "audit/views/cell.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "audit/views/cube_levels.h"
#include "audit_views/cube_fixture.h"

namespace tidegate::audit {
namespace {

TEST(Steps, TheMiddleOfAStepIsWithinA512thOfEveryValueInIt) {
    const auto check = [](std::uint64_t us) {
        const double value = static_cast<double>(us);
        ASSERT_LT(step_of(us), kSteps);
        ASSERT_LE(std::abs(middle_of(step_of(us)) - value), value / 512) << us;
    };
    for (std::uint64_t us = 0; us < 200'000; ++us) check(us);
    std::uint64_t state = 1;
    for (int i = 0; i < 200'000; ++i) check((state = mix64(state + 1)) >> (1 + state % 60));
    for (unsigned bit = 1; bit < 63; ++bit) {
        for (const std::uint64_t near : {0U, 1U, 2U}) check((std::uint64_t{1} << bit) - 1 + near);
    }
    check((std::uint64_t{1} << 63U) - 1);
    EXPECT_EQ(step_of(~std::uint64_t{0}), kSteps - 1) << "beyond the scale counts as its end";
}

TEST(Steps, AscendWithTheValue) {
    std::uint16_t last = 0;
    for (std::uint64_t us = 1; us < 1'000'000; ++us) {
        const std::uint16_t step = step_of(us);
        ASSERT_TRUE(step == last || step == last + 1) << us;
        last = step;
    }
}

TEST(Steps, WhatIsStoredIsReadBackAndDamageIsRefused) {
    SparseSteps steps;
    for (std::uint64_t n = 0; n < 3'000; ++n) steps.add(mix64(n) % 5'000'000);
    steps.settle();
    std::vector<std::uint8_t> bytes;
    steps.encode(bytes);
    SparseSteps back;
    ASSERT_TRUE(back.merge_encoded(bytes));
    std::vector<std::uint8_t> again;
    back.encode(again);
    EXPECT_EQ(again, bytes);
    const auto refused = [](std::vector<std::uint8_t> damaged) {
        SparseSteps into;
        const auto result = into.merge_encoded(damaged);
        return !result && result.error().code == ErrorCode::kDataLoss;
    };
    bytes.pop_back();
    EXPECT_TRUE(refused(bytes)) << "cut";
    EXPECT_TRUE(refused({0xFF, 0xFF, 0xFF, 0x01, 1})) << "a step beyond the scale";
    EXPECT_TRUE(refused({3, 1, 0, 1})) << "a step twice";
    EXPECT_TRUE(refused({3, 0x80})) << "an endless number";
}

TEST(Cover, IsTheWindowWithoutGapOrOverlapInWholePeriods) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 20'000; ++i) {
        const Minute base = static_cast<Minute>(random() % 40'000'000);
        const Minute length = 1 + static_cast<Minute>(random() % (std::uint64_t{1} << random() % 18U));
        const std::vector<Span> spans = cover(base, base + length);
        ASSERT_LE(spans.size(), 5U);
        Minute at = base;
        Minute hours = 0;
        Minute minutes = 0;
        for (const Span& span : spans) {
            ASSERT_EQ(span.from, at);
            ASSERT_LT(span.from, span.to);
            ASSERT_EQ(start_of(span.level, span.from), span.from);
            ASSERT_EQ(start_of(span.level, span.to), span.to);
            if (span.level == Level::kHour) hours += (span.to - span.from) / kHourMinutes;
            if (span.level == Level::kMinute) minutes += span.to - span.from;
            at = span.to;
        }
        ASSERT_EQ(at, base + length);
        ASSERT_LT(minutes, 2 * kHourMinutes);
        ASSERT_LT(hours, 48);
    }
    EXPECT_TRUE(cover(5, 5).empty());
}

TEST(KindsTest, OneKindIsOneNumberWhoeverAsks) {
    Kinds kinds;
    constexpr std::uint64_t kRecords = 20'000;
    const auto name_of = [](std::uint64_t n) {
        // More than the places of the fast table, and texts that only differ in where one ends and the next begins.
        return KindName{.tenant = std::string(n % 3, 'a'),
                        .service = std::string(3 - n % 3, 'a'),
                        .operation = std::to_string(n % 7'000),
                        .model = {},
                        .model_version = {},
                        .band = {}};
    };
    std::array<std::vector<std::uint32_t>, 3> numbers;
    std::vector<std::thread> threads;
    for (auto& mine : numbers) {
        threads.emplace_back([&] {
            for (std::uint64_t n = 0; n < kRecords; ++n) mine.push_back(kinds.intern(name_of(n * 7'919 % kRecords)));
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(numbers[0], numbers[1]);
    EXPECT_EQ(numbers[0], numbers[2]);
    for (std::uint64_t n = 0; n < kRecords; ++n) {
        ASSERT_EQ(kinds.name(numbers[0][n]), name_of(n * 7'919 % kRecords));
    }
    EXPECT_LE(kinds.size(), 21'000U);
    const RecordView record = random_record(5);
    const std::uint32_t kind = kinds.intern(record);
    EXPECT_EQ(kinds.name(kind).tenant, record.tenant);
    EXPECT_EQ(kinds.name(kind).status, record.status);
    EXPECT_EQ(kinds.intern(KindName(kinds.name(kind))), kind);
}

TEST(KindsTest, ATenantThatHasAsManyAsItMayTakesNoneFromTheOthers) {
    Kinds kinds(100);
    const auto kind_of = [&](std::string_view tenant, std::string_view model) {
        RecordView record = random_record(5);
        record.tenant = tenant;
        record.model = model;
        return kinds.name(kinds.intern(record));
    };
    for (int n = 0; n < 100; ++n) {
        const std::string model = std::to_string(n);
        ASSERT_EQ(kind_of("north", model).model, model);
    }
    EXPECT_EQ(kinds.lumped(), 0U);
    for (int n = 100; n < 150; ++n) {
        const KindName name = kind_of("north", std::to_string(n));
        ASSERT_EQ(name.model, Kinds::kOther);
        ASSERT_EQ(name.tenant, "north");
        ASSERT_EQ(name.status, random_record(5).status);
    }
    EXPECT_EQ(kinds.lumped(), 50U);
    EXPECT_EQ(kinds.size(), 101U);
    EXPECT_EQ(kind_of("north", "7").model, "7");  // What it had it keeps.
    EXPECT_EQ(kind_of("south", "149").model, "149");
    for (int n = 0; n < 500; ++n) {
        const std::string model = std::to_string(n);
        ASSERT_EQ(kind_of("", model).model, model);  // Without tenants nobody is kept from anything.
    }
}

}  // namespace
}  // namespace tidegate::audit
