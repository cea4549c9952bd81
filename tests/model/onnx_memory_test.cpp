// The account of a session's memory: exact, bounded, and gone with its last block.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "model/onnx/memory.h"

namespace tidegate::model::onnx {
namespace {

TEST(MemoryAccount, CountsWhatItGivesAndTakesBack) {
    MemoryAccount* const account = MemoryAccount::open(0);
    std::vector<void*> blocks;
    std::uint64_t asked = 0;
    for (const std::size_t bytes : {0UL, 1UL, 63UL, 64UL, 4096UL, 65'535UL, 65'536UL, 100'000UL, 3'000'000UL}) {
        void* const block = account->allocate(bytes);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % MemoryAccount::kAlignment, 0U);
        std::memset(block, 0x5A, bytes);
        blocks.push_back(block);
        asked += bytes;
    }
    EXPECT_GE(account->used(), asked);
    EXPECT_LE(account->used(), asked + asked / 8 + blocks.size() * 1024);
    for (void* const block : blocks) MemoryAccount::free(block);
    EXPECT_EQ(account->used(), 0U);
    EXPECT_GE(account->kept(), 3'000'000U);
    account->close();
}

TEST(MemoryAccount, GivesKeptBlocksAgain) {
    MemoryAccount* const account = MemoryAccount::open(0);
    void* const first = account->allocate(1'000'000);
    MemoryAccount::free(first);
    void* const second = account->allocate(999'000);
    EXPECT_EQ(first, second) << "of the same size class";
    EXPECT_EQ(account->kept(), 0U);
    MemoryAccount::free(second);
    account->close();
}

TEST(MemoryAccount, StaysUnderItsLimitAndDropsWhatItKeepsFirst) {
    constexpr std::uint64_t kLimit = 4 * 1024 * 1024;
    MemoryAccount* const account = MemoryAccount::open(kLimit);
    EXPECT_EQ(account->allocate(kLimit), nullptr) << "with its head it is over";
    EXPECT_EQ(account->allocate(SIZE_MAX), nullptr);
    EXPECT_EQ(account->allocate(SIZE_MAX / 2), nullptr);
    EXPECT_EQ(account->used(), 0U);
    void* const large = account->allocate(3 * 1024 * 1024);
    ASSERT_NE(large, nullptr);
    EXPECT_EQ(account->allocate(2 * 1024 * 1024), nullptr);
    MemoryAccount::free(large);
    EXPECT_GT(account->kept(), 0U);
    void* const other = account->allocate(2 * 1024 * 1024);
    ASSERT_NE(other, nullptr) << "what was kept made room";
    EXPECT_LE(account->used() + account->kept(), kLimit);
    MemoryAccount::free(other);
    account->close();
}

TEST(MemoryAccount, BlocksOutliveIt) {
    MemoryAccount* const account = MemoryAccount::open(0);
    void* const small = account->allocate(100);
    void* const large = account->allocate(200'000);
    account->close();
    std::memset(large, 1, 200'000);
    std::thread([small] { MemoryAccount::free(small); }).join();
    MemoryAccount::free(large);
}

TEST(MemoryAccount, ThreadsShareOne) {
    constexpr std::uint64_t kLimit = 64ULL * 1024 * 1024;
    MemoryAccount* const account = MemoryAccount::open(kLimit);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([account, t] {
            std::vector<void*> held;
            for (std::size_t i = 0; i < 2000; ++i) {
                if (void* const block = account->allocate((i * 7919 + t * 104'729) % 400'000)) held.push_back(block);
                EXPECT_LE(account->used(), kLimit + 4U * 500'000) << "each thread may be between its two steps";
                if (held.size() > 16) {
                    MemoryAccount::free(held[i % held.size()]);
                    held.erase(held.begin() + static_cast<std::ptrdiff_t>(i % held.size()));
                }
            }
            for (void* const block : held) MemoryAccount::free(block);
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(account->used(), 0U);
    account->close();
}

}  // namespace
}  // namespace tidegate::model::onnx
