#include "observe/profile/cpu_sampler.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include "observe/profile/frames.h"
#include "observe/profile/symbols.h"

namespace tidegate::profile {
namespace {

/// Burns CPU time of its thread: of how long the machine makes it wait nothing depends.
[[gnu::noinline]] std::uint64_t burn(std::int64_t ms) {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    const std::int64_t until = now.tv_sec * 1'000'000'000 + now.tv_nsec + ms * 1'000'000;
    std::uint64_t sum = 1;
    do {
        for (int i = 0; i < 10'000; ++i) sum = sum * 6364136223846793005U + 1442695040888963407U;
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * 1'000'000'000 + now.tv_nsec < until);
    return sum;
}

[[gnu::noinline]] std::uint64_t outer(std::int64_t ms) {
    return burn(ms) + 1;
}

class CpuSampling : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!kSupported) GTEST_SKIP() << "CPU profiles are made on x86-64 Linux only";
    }
    std::unique_ptr<CpuSampler> start(std::size_t bytes = CpuSampler::kBufferBytes) {
        auto sampler = CpuSampler::start(clock_, 100, bytes);
        EXPECT_TRUE(sampler.has_value());
        return sampler ? *std::move(sampler) : nullptr;
    }
    SystemClock clock_;
    SystemDisk disk_;
};

std::int64_t ticks(const Profile& profile) {
    std::int64_t sum = 0;
    for (const Sample& sample : profile.samples) sum += sample.values[0];
    return sum;
}

TEST_F(CpuSampling, ThreadsAreFoundByWhatTheyBurn) {
    const auto sampler = start();
    ASSERT_NE(sampler, nullptr);
    std::atomic<std::uint64_t> sink{0};
    std::atomic<bool> timed{false};
    std::thread busy([&] {
        ::pthread_setname_np(::pthread_self(), "busy one");
        while (!timed) std::this_thread::yield();
        sink += outer(500);
    });
    // It began after the sampler: the next look finds it.
    sampler->rescan();
    timed = true;
    busy.join();
    const Profile profile = sampler->stop();
    EXPECT_EQ(profile.dropped, 0U);
    EXPECT_EQ(profile.missed, 0U);
    EXPECT_EQ(profile.period, 10'000'000);
    Symbols symbols(disk_);
    std::int64_t in_burn = 0;
    std::int64_t in_both = 0;
    for (const Sample& sample : profile.samples) {
        const auto has = [&](std::string_view name) {
            return std::ranges::any_of(
                sample.stack, [&](std::uintptr_t address) { return symbols.find(address).name.ends_with(name); });
        };
        EXPECT_EQ(sample.values[1], sample.values[0] * profile.period);
        if (!has("::burn")) continue;
        in_burn += sample.values[0];
        if (has("::outer")) in_both += sample.values[0];
    }
    // 500 ms of CPU at 100 Hz: 50 ticks; the kernel's own clock ticks are 4 ms, so each may come that much late.
    EXPECT_GE(in_burn, 20);
    EXPECT_LE(in_burn, 60);
    EXPECT_GE(in_both * 10, in_burn * 8);
}

TEST_F(CpuSampling, AThreadThatWaitsCostsNothing) {
    const auto sampler = start();
    ASSERT_NE(sampler, nullptr);
    EXPECT_LT(ticks(sampler->stop()), 20);
}

TEST_F(CpuSampling, OneAtATime) {
    auto first = start();
    ASSERT_NE(first, nullptr);
    const auto second = CpuSampler::start(clock_, 100);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
    first.reset();  // Dropped without stop().
    EXPECT_NE(start(), nullptr);
}

TEST_F(CpuSampling, WhatFindsNoRoomIsCounted) {
    const auto sampler = start(4096);  // 512 words: some ten stacks.
    ASSERT_NE(sampler, nullptr);
    std::atomic<std::uint64_t> sink{0};
    std::thread deep([&] { sink += outer(1000); });
    sampler->rescan();
    sampler->rescan();
    deep.join();
    // The thread may have begun after both looks; this one burns as well and was there from the start.
    sink += outer(1500);
    const Profile profile = sampler->stop();
    EXPECT_GT(profile.dropped, 0U);
    EXPECT_LT(ticks(profile), 512);
}

TEST_F(CpuSampling, ATickThatComesLateHarmsNothing) {
    std::atomic<bool> ended{false};
    std::atomic<std::uint64_t> sink{0};
    std::thread busy([&] {
        while (!ended) sink += outer(1);
    });
    for (int i = 0; i < 50; ++i) {
        auto sampler = CpuSampler::start(clock_, CpuSampler::kHzMax);
        ASSERT_TRUE(sampler.has_value());
        sink += outer(2);
        static_cast<void>((*sampler)->stop());
    }
    ended = true;
    busy.join();
}

TEST(Frames, NothingIsReadOutsideTheStack) {
    std::array<std::uintptr_t, 8> out{};
    // Registers hold what they like in code without frame pointers.
    for (const std::uintptr_t frame :
         {std::uintptr_t{0}, std::uintptr_t{8}, std::uintptr_t{0xDEAD'BEEF'0000}, ~std::uintptr_t{7}}) {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        EXPECT_EQ(walk(frame, here, out), 0U);
    }
    EXPECT_EQ(walk(0x1000, 0x1000, out), 0U);
}

TEST(Frames, AThreadFindsItsCallers) {
    if (!kSupported) GTEST_SKIP() << "stacks are read on x86-64 Linux only";
    std::size_t depth = 0;
    std::thread([&depth] {
        std::array<std::uintptr_t, kFramesMax> out{};
        depth = walk_here(out);
    }).join();
    EXPECT_GE(depth, 2U);
}

}  // namespace
}  // namespace tidegate::profile
