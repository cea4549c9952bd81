#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <thread>
#include <vector>

namespace tidegate {
namespace {

// The sequence of SplitMix64 from seed 1234567, as its authors' reference code prints it.
TEST(SeededRandom, GivesThePublishedSequence) {
    SeededRandom random(1'234'567);
    EXPECT_EQ(random.next_u64(), 6457827717110365317ULL);
    EXPECT_EQ(random.next_u64(), 3203168211198807973ULL);
    EXPECT_EQ(random.next_u64(), 9817491932198370423ULL);
}

TEST(SeededRandom, TheSameSeedGivesTheSameBytes) {
    std::vector<std::byte> first(37), second(37), other(37);
    SeededRandom(5).fill(first);
    SeededRandom(5).fill(second);
    SeededRandom(6).fill(other);
    EXPECT_EQ(first, second);
    EXPECT_NE(first, other);
}

TEST(SystemRandom, FillsEverySizeToItsEnd) {
    SystemRandom random;
    for (const std::size_t size : {1U, 7U, 8U, 127U, 128U, 129U, 512U, 1000U, 5000U}) {
        std::vector<std::byte> bytes(size);
        // The last byte stays zero in 64 fills of a sound generator once in 2^512.
        bool last_changed = false;
        for (int i = 0; i < 64 && !last_changed; ++i) {
            random.fill(bytes);
            last_changed = bytes.back() != std::byte{};
        }
        EXPECT_TRUE(last_changed) << size;
    }
    random.fill({});
}

TEST(SystemRandom, ThreadsDrawDifferentNumbers) {
    std::vector<std::vector<std::uint64_t>> drawn(4);
    std::vector<std::thread> threads;
    for (auto& numbers : drawn) {
        threads.emplace_back([&numbers] {
            SystemRandom random;
            for (int i = 0; i < 500; ++i) numbers.push_back(random.next_u64());
        });
    }
    for (auto& thread : threads) thread.join();
    std::set<std::uint64_t> all;
    for (const auto& numbers : drawn) all.insert(numbers.begin(), numbers.end());
    EXPECT_EQ(all.size(), 2000U);
}

TEST(SystemRandom, BitsAreAboutHalfOnes) {
    SystemRandom random;
    int ones = 0;
    for (int i = 0; i < 1000; ++i) ones += std::popcount(random.next_u64());
    // 64,000 fair bits: sd 126; 8 sd is not met by chance.
    EXPECT_NEAR(ones, 32'000, 1012);
}

}  // namespace
}  // namespace tidegate
