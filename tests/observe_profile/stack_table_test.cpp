#include "observe/profile/stack_table.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

namespace tidegate::profile {
namespace {

TEST(StackTable, AddsByStack) {
    StackTable table;
    const std::vector<std::uintptr_t> a{100, 200};
    const std::vector<std::uintptr_t> b{100, 200, 300};
    const int slot = table.add(a, 1, 10);
    table.add(b, 1, 20);
    EXPECT_EQ(table.add(a, 1, 5), slot);
    table.add_at(slot, -1, -5);
    auto samples = table.samples();
    ASSERT_EQ(samples.size(), 2U);
    if (samples[0].stack.size() > 2) std::swap(samples[0], samples[1]);
    EXPECT_EQ(samples[0].stack, (std::vector<std::uintptr_t>{99, 199}));  // Inside the calls.
    EXPECT_EQ(samples[0].values, (std::vector<std::int64_t>{1, 10}));
    EXPECT_EQ(samples[1].values, (std::vector<std::int64_t>{1, 20}));
}

TEST(StackTable, WhatIsTakenBackWholeIsNotShown) {
    StackTable table;
    const std::vector<std::uintptr_t> a{100};
    const int slot = table.add(a, 1, 10);
    table.add_at(slot, -1, -10);
    EXPECT_TRUE(table.samples().empty());
}

TEST(StackTable, ThreadsLoseNothing) {
    StackTable table;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&table] {
            for (std::uintptr_t i = 0; i < 4000; ++i) {
                const std::vector<std::uintptr_t> stack{1000 + i % 100, 7};
                table.add(stack, 1, 2);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    std::int64_t count = 0;
    for (const Sample& sample : table.samples()) count += sample.values[0];
    EXPECT_EQ(count, 16'000);
    EXPECT_EQ(table.dropped(), 0U);
}

TEST(StackTable, OneThatIsFullCountsWhatItDrops) {
    StackTable table;
    constexpr std::size_t kMany = StackTable::kSlots * 2;
    for (std::uintptr_t i = 0; i < kMany; ++i) {
        const std::vector<std::uintptr_t> stack{i + 1};
        table.add(stack, 1, 1);
    }
    EXPECT_GT(table.dropped(), 0U);
    EXPECT_EQ(table.samples().size() + table.dropped(), kMany);
    EXPECT_LE(table.samples().size(), StackTable::kSlots);
}

}  // namespace
}  // namespace tidegate::profile
