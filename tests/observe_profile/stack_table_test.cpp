#include "observe/profile/stack_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace tidegate::profile {
namespace {

TEST(StackTable, AddsByStack) {
    StackTable table;
    const std::vector<std::uintptr_t> a{100, 200};
    const std::vector<std::uintptr_t> b{100, 200, 300};
    const int slot = table.add(a, 1, 10);
    table.add(b, 1, 20);
    EXPECT_EQ(table.add(a, 0, 0), slot);
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
    const int slot = table.hold(a, 1, 10);
    EXPECT_EQ(table.hold(a, 2, 5), slot);
    table.release(slot, 1, 10);
    ASSERT_EQ(table.samples().size(), 1U);
    EXPECT_EQ(table.samples()[0].values, (std::vector<std::int64_t>{2, 5}));
    table.release(slot, 2, 5);
    EXPECT_TRUE(table.samples().empty());
}

TEST(StackTable, StacksThatHoldNothingMoreGiveTheirPlacesToOthers) {
    StackTable table;
    constexpr std::size_t kMany = StackTable::kSlots * 20;
    const std::vector<std::uintptr_t> kept{5, 6};
    table.add(kept, 1, 1);
    const std::vector<std::uintptr_t> held{7, 8};
    const int slot = table.hold(held, 1, 100);
    for (std::uintptr_t i = 0; i < kMany; ++i) {
        const std::vector<std::uintptr_t> stack{i + 100};
        const int at = table.hold(stack, 1, 50);
        ASSERT_GE(at, 0) << i;
        table.release(at, 1, 50);
    }
    EXPECT_EQ(table.dropped(), 0U);
    EXPECT_EQ(table.samples().size(), 2U) << "what is kept and what is held stay";
    // And its sums begin at nothing.
    const std::vector<std::uintptr_t> last{1};
    const int at = table.hold(last, 3, 4);
    ASSERT_GE(at, 0);
    for (const Sample& sample : table.samples()) {
        if (sample.stack.size() == 1) {
            EXPECT_EQ(sample.values, (std::vector<std::int64_t>{3, 4}));
        }
    }
    table.release(at, 3, 4);
    table.release(slot, 1, 100);
    EXPECT_EQ(table.samples().size(), 1U);
}

TEST(StackTable, ThreadsThatHoldAndReleaseWhileOthersLookEndAtNothingAndNoStackHasAnothersSums) {
    StackTable table;
    std::atomic<bool> ended{false};
    std::vector<std::thread> threads;
    for (std::uintptr_t t = 0; t < 4; ++t) {
        threads.emplace_back([&table, t] {
            std::vector<std::pair<int, std::int64_t>> held;
            for (std::uintptr_t i = 0; i < 30'000; ++i) {
                // More stacks than there are slots; the second sum says whose it is.
                const std::uintptr_t which = 1 + (i * 7919 + t * 104'729) % 20'000;
                const std::vector<std::uintptr_t> stack{which, which * 3};
                const int at = table.hold(stack, 1, static_cast<std::int64_t>(which));
                if (at >= 0) held.emplace_back(at, which);
                if (held.size() > 200) {
                    table.release(held.front().first, 1, held.front().second);
                    held.erase(held.begin());
                }
            }
            for (const auto& [at, which] : held) table.release(at, 1, which);
        });
    }
    std::thread looker([&] {
        while (!ended) {
            for (const Sample& sample : table.samples()) {
                ASSERT_EQ(sample.stack.size(), 2U);
                ASSERT_EQ(sample.stack[1] + 1, (sample.stack[0] + 1) * 3) << "two halves of one stack";
            }
        }
    });
    for (auto& thread : threads) thread.join();
    ended = true;
    looker.join();
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
