#include "observe/profile/heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/file.h"
#include "observe/profile/frames.h"
#include "observe/profile/symbols.h"

namespace tidegate::profile {
namespace {

constexpr std::size_t kSmallBlock = 1024;
constexpr std::size_t kBlocks = 1'000'000;  // Of 1 KiB: 2,000 samples, so that the sum is off by 2.2 % (one sigma).

/// Addresses that nobody has: the profile never looks at what they point to.
void* address_of(std::size_t block) {
    return reinterpret_cast<void*>((block + 1) * 2048);
}

// As an operator new: something follows the note, so that it is no tail call and this function has a frame.
[[gnu::noinline]] void take_one(std::size_t block, std::size_t bytes) {
    void* const address = address_of(block);
    note_block(address, bytes);
    asm volatile("" : : "r"(address) : "memory");
}
[[gnu::noinline]] void hold_in_this_function(std::size_t from, std::size_t count) {
    for (std::size_t i = from; i < from + count; ++i) take_one(i, kSmallBlock);
}
void give_back_all(std::size_t from, std::size_t count) {
    for (std::size_t i = from; i < from + count; ++i) forget_block(address_of(i));
}

/// alloc_objects, alloc_space, inuse_objects, inuse_space of the stacks that begin in the function.
std::array<double, 4> sums_of(const Profile& profile, std::string_view function) {
    const SystemDisk disk;
    Symbols symbols(disk);
    std::array<double, 4> sums{};
    for (const Sample& sample : profile.samples) {
        if (sample.stack.empty() || !symbols.find(sample.stack.front()).name.ends_with(function)) continue;
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(sample.values[i]);
    }
    return sums;
}

class HeapProfile : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!kSupported) GTEST_SKIP() << "stacks are read on x86-64 Linux only";
        ASSERT_TRUE(start_heap(clock_));
    }
    SystemClock clock_;
};

TEST_F(HeapProfile, WhoHoldsMemoryIsNamedFirstAndItsSumIsRightWithinSampling) {
    const std::array<double, 4> before = sums_of(heap_profile(clock_), "hold_in_this_function");
    hold_in_this_function(0, kBlocks);
    const Profile profile = heap_profile(clock_);
    EXPECT_EQ(profile.types[3].type, "inuse_space");
    EXPECT_EQ(profile.period, kHeapPeriod);
    const std::array<double, 4> held = sums_of(profile, "hold_in_this_function");
    const double bytes = static_cast<double>(kBlocks * kSmallBlock);
    EXPECT_NEAR(held[3] - before[3], bytes, 0.12 * bytes) << "five sigma";
    EXPECT_NEAR(held[2] - before[2], static_cast<double>(kBlocks), 0.12 * static_cast<double>(kBlocks));
    give_back_all(0, kBlocks);
    const std::array<double, 4> after = sums_of(heap_profile(clock_), "hold_in_this_function");
    EXPECT_EQ(after[2], before[2]) << "what was given back is not in use";
    EXPECT_EQ(after[3], before[3]);
    EXPECT_EQ(after[1], held[1]) << "and was asked for all the same";
}

TEST_F(HeapProfile, ABlockAsLargeAsManyPeriodsCountsOnceAtItsSize) {
    constexpr std::size_t kLarge = 64 * 1024 * 1024;
    take_one(0, 1);  // The first of a thread only begins the count.
    const double before = sums_of(heap_profile(clock_), "TestBody")[3];
    for (std::size_t i = 0; i < 100; ++i) take_one(i, kLarge);
    const std::array<double, 4> held = sums_of(heap_profile(clock_), "TestBody");
    EXPECT_NEAR(held[3] - before, 100.0 * kLarge, 2.0 * kLarge);
    give_back_all(0, 100);
}

TEST_F(HeapProfile, MoreLiveSamplesThanThereIsRoomForAreDroppedAndCounted) {
    constexpr std::size_t kLarge = 64 * 1024 * 1024;
    const std::uint64_t before = heap_profile(clock_).dropped;
    for (std::size_t i = 0; i < kHeapLiveMax + 2000; ++i) take_one(i, kLarge);
    EXPECT_GE(heap_profile(clock_).dropped - before, 1000U);
    give_back_all(0, kHeapLiveMax + 2000);
    EXPECT_EQ(sums_of(heap_profile(clock_), "TestBody")[2], 0) << "what was dropped is not taken away twice";
}

TEST_F(HeapProfile, ThreadsThatTakeAndGiveEachOthersBlocksEndAtNothing) {
    constexpr std::size_t kEach = 200'000;
    std::vector<std::thread> takers;
    for (std::size_t t = 0; t < 4; ++t) {
        takers.emplace_back([t] { hold_in_this_function(t * kEach, kEach); });
    }
    for (std::thread& one : takers) one.join();
    std::vector<std::thread> givers;
    for (std::size_t t = 0; t < 4; ++t) {
        givers.emplace_back([t] { give_back_all(((t + 1) % 4) * kEach, kEach); });
    }
    for (std::thread& one : givers) one.join();
    EXPECT_EQ(sums_of(heap_profile(clock_), "hold_in_this_function")[3], 0);
}

}  // namespace
}  // namespace tidegate::profile
