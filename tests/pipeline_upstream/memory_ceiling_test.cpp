#include "pipeline/upstream/memory_ceiling.h"

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct MemoryTest : testing::Test {
    std::optional<std::uint64_t> resident = 10;
    int readings = 0;
    int reliefs = 0;
    SteadyTime now = start_time();

    MemoryCeiling make(MemoryOptions options, std::optional<std::uint64_t> allowed) {
        return MemoryCeiling(
            options, allowed,
            [this] {
                ++readings;
                return resident;
            },
            [this] { ++reliefs; });
    }
};

TEST_F(MemoryTest, RefusesAboveAndComesBackOnlyAFifthOfATenthBelow) {
    MemoryCeiling ceiling(make({.bytes_max = 1000}, std::nullopt));
    const auto at = [&](std::uint64_t bytes) {
        resident = bytes;
        now += milliseconds(100);
        return ceiling.refuses(now);
    };
    EXPECT_FALSE(at(999));
    EXPECT_TRUE(at(1000));
    EXPECT_TRUE(at(960));
    EXPECT_FALSE(at(949));
    EXPECT_FALSE(at(999)) << "on the way up again the whole ceiling counts";
    EXPECT_TRUE(at(2000));
    const auto shot = ceiling.snapshot();
    EXPECT_EQ(shot.times_over, 2U);
    EXPECT_EQ(shot.refused, 3U);
    EXPECT_EQ(shot.resident_bytes, 2000U);
    EXPECT_EQ(shot.ceiling_bytes, 1000U);
    EXPECT_TRUE(shot.over);
}

TEST_F(MemoryTest, IsReadAtMostTenTimesASecond) {
    MemoryCeiling ceiling(make({.bytes_max = 1000}, std::nullopt));
    for (int i = 0; i < 10000; ++i) {
        now += Duration(100'000);
        ceiling.refuses(now);
    }
    EXPECT_EQ(readings, 10);
}

TEST_F(MemoryTest, ReliefIsAskedForWhenItGoesOverAndEachSecondAfter) {
    MemoryCeiling ceiling(make({.bytes_max = 1000}, std::nullopt));
    resident = 5000;
    for (int i = 0; i < 35; ++i) {
        ceiling.refuses(now);
        now += milliseconds(100);
    }
    EXPECT_EQ(reliefs, 4);
}

TEST_F(MemoryTest, TheLowerOfBytesAndShareCounts) {
    EXPECT_EQ(make({.bytes_max = 0, .share_max = 0.5}, 1000).snapshot().ceiling_bytes, 500U);
    EXPECT_EQ(make({.bytes_max = 300, .share_max = 0.5}, 1000).snapshot().ceiling_bytes, 300U);
    EXPECT_EQ(make({.bytes_max = 800, .share_max = 0.5}, 1000).snapshot().ceiling_bytes, 500U);
    MemoryCeiling none(make({.bytes_max = 0}, std::nullopt));
    EXPECT_FALSE(none.refuses(now));
    EXPECT_EQ(readings, 0);
}

TEST_F(MemoryTest, WhatCannotBeReadRefusesNobodyAndIsCounted) {
    MemoryCeiling ceiling(make({.bytes_max = 1000}, std::nullopt));
    resident = 5000;
    EXPECT_TRUE(ceiling.refuses(now));
    resident = std::nullopt;
    now += milliseconds(100);
    EXPECT_FALSE(ceiling.refuses(now));
    EXPECT_EQ(ceiling.snapshot().unreadable, 1U);
}

TEST(MemoryReadingTest, ThisProcessAndThisMachineAreReadable) {
    const auto before = memory_resident();
    ASSERT_TRUE(before);
    EXPECT_GT(*before, 1U << 20U);
    std::vector<char> block(64U << 20U);
    // Volatile: nobody reads the block, and an allocation that nobody reads may be left out.
    volatile char* const bytes = block.data();
    for (std::size_t i = 0; i < block.size(); i += 4096) bytes[i] = 'x';
    const auto after = memory_resident();
    ASSERT_TRUE(after);
    EXPECT_GT(*after, *before + (48U << 20U));
    const auto allowed = memory_allowed();
    ASSERT_TRUE(allowed);
    EXPECT_GT(*allowed, *after);
}

}  // namespace
}  // namespace tidegate::upstream
