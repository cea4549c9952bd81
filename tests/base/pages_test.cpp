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
    auto block = std::allocate_shared_for_overwrite<Block>(PageAllocator<Block>());
    EXPECT_LT(resident_bytes(), before + kSlack);
    block->fill(1);
    EXPECT_GT(resident_bytes(), before + block->size() - kSlack);
    EXPECT_EQ(block->back(), 1);
    block.reset();
    EXPECT_LT(resident_bytes(), before + kSlack);
}

TEST(Pages, MoreThanThereIsIsRefusedLikeAnyMemory) {
    PageAllocator<std::uint64_t> pages;
    EXPECT_THROW(static_cast<void>(pages.allocate(std::size_t{1} << 62U)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(pages.allocate(std::size_t{1} << 57U)), std::bad_alloc);
}

}  // namespace
}  // namespace tidegate
