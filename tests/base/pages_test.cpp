#include "base/pages.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

namespace tidegate {
namespace {

using Block = std::array<std::uint8_t, std::size_t{64} << 20U>;

std::uint64_t resident_bytes() {
    std::ifstream status("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    status >> all >> resident;
    return resident * 4096;
}

TEST(Pages, WhatIsFreedIsNotResidentAnyMoreAndWhatIsNotWrittenNeverIs) {
    constexpr std::uint64_t kSlack = 16U << 20U;
    const std::uint64_t before = resident_bytes();
    auto block = make_in_pages<Block>();
    EXPECT_LT(resident_bytes(), before + kSlack);
    block->fill(1);
    EXPECT_GT(resident_bytes(), before + block->size() - kSlack);
    EXPECT_EQ(block->back(), 1);
    block.reset();
    EXPECT_LT(resident_bytes(), before + kSlack);
}

TEST(Pages, AnObjectIsMadeAndEndsAsAnyOther) {
    struct Watched {
        explicit Watched() { ++alive(); }
        ~Watched() { --alive(); }
        static int& alive() {
            static int count = 0;
            return count;
        }
        std::array<std::uint8_t, 10'000> bytes;
        int of_its_own = 7;
    };
    auto first = make_in_pages<Watched>();
    const auto second = first;
    EXPECT_EQ(Watched::alive(), 1);
    EXPECT_EQ(second->of_its_own, 7);
    first.reset();
    EXPECT_EQ(Watched::alive(), 1);
}

}  // namespace
}  // namespace tidegate
