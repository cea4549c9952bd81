// The real `go tool pprof` reads what we write.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <ctime>
#include <filesystem>

#include "base/file.h"
#include "observe/profile/contention.h"
#include "observe/profile/cpu_sampler.h"
#include "observe/profile/frames.h"
#include "observe/profile/heap.h"
#include "observe/profile/pprof.h"
#include "support/server_process.h"

namespace tidegate::profile {
namespace {

[[gnu::noinline]] std::uint64_t burn_for_pprof(std::int64_t ms) {
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

// As an operator new: something follows the note, so that it is no tail call and this function has a frame.
[[gnu::noinline]] void note_for_pprof(void* block, std::size_t bytes) {
    note_block(block, bytes);
    asm volatile("" : : "r"(block) : "memory");
}

/// Debian's golang-1.19-go, or a newer one.
std::string find_go() {
    for (const std::string path : {"/usr/lib/go-1.19/bin/go", "/usr/lib/go/bin/go", "/usr/local/go/bin/go"}) {
        if (std::filesystem::exists(path)) return path;
    }
    return {};
}

class PprofTool : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!kSupported) GTEST_SKIP() << "stacks are read on x86-64 Linux only";
        if (go_.empty()) GTEST_SKIP() << "no go here: tools/apt.txt, golang-1.19-go";
    }
    testing::RunResult pprof(const Profile& profile, std::vector<std::string> words) {
        Symbols symbols(disk_);
        const std::string path = folder_.path() + "/profile.pb";
        EXPECT_TRUE(disk_.write_atomic(path, to_pprof(profile, symbols)));
        words.insert(words.begin(), {"tool", "pprof"});
        words.push_back(path);
        return testing::run_program(go_, words);
    }
    const std::string go_ = find_go();
    testing::TemporaryFolder folder_;
    SystemDisk disk_;
    SystemClock clock_;
};

TEST_F(PprofTool, ReadsACpuProfile) {
    auto sampler = CpuSampler::start(clock_, 100);
    ASSERT_TRUE(sampler.has_value());
    std::atomic<std::uint64_t> sink{burn_for_pprof(500)};
    const Profile profile = (*sampler)->stop();
    const auto top = pprof(profile, {"-top", "-symbolize=none"});
    EXPECT_EQ(top.status, 0) << top.error;
    EXPECT_NE(top.out.find("Type: cpu"), std::string::npos) << top.out;
    EXPECT_NE(top.out.find("burn_for_pprof"), std::string::npos) << top.out;
    const auto raw = pprof(profile, {"-raw", "-symbolize=none"});
    EXPECT_EQ(raw.status, 0) << raw.error;
    EXPECT_NE(raw.out.find("PeriodType: cpu nanoseconds"), std::string::npos) << raw.out.substr(0, 500);
    EXPECT_NE(raw.out.find("Period: 10000000"), std::string::npos) << raw.out.substr(0, 500);
}

TEST_F(PprofTool, ReadsAContentionProfile) {
    ASSERT_TRUE(start_contention(clock_));
    Profile profile = contention_profile(clock_);
    // A wait by this function, as the table would have it.
    std::array<std::uintptr_t, kFramesMax> frames{};
    const std::size_t count = walk_here(frames);
    ASSERT_GT(count, 0U);
    Sample sample{.stack = {}, .values = {3, 5'000'000}, .thread = {}};
    for (std::size_t i = 0; i < count; ++i) sample.stack.push_back(frames[i] - 1);
    profile.samples.push_back(sample);
    const auto top = pprof(profile, {"-top", "-symbolize=none", "-unit=ms"});
    EXPECT_EQ(top.status, 0) << top.error;
    EXPECT_NE(top.out.find("Type: delay"), std::string::npos) << top.out;
    EXPECT_NE(top.out.find("ReadsAContentionProfile"), std::string::npos) << top.out;
}

TEST_F(PprofTool, ReadsAHeapProfile) {
    ASSERT_TRUE(start_heap(clock_));
    constexpr std::size_t kLarge = 64 * 1024 * 1024;
    // Addresses that nobody has: the profile never looks at what they point to. The first of a thread only begins the count.
    for (std::uintptr_t i = 1; i <= 4; ++i) note_for_pprof(reinterpret_cast<void*>(i * 4096), kLarge);
    const auto in_use = pprof(heap_profile(clock_), {"-top", "-symbolize=none", "-unit=mb"});
    const auto objects = pprof(heap_profile(clock_), {"-top", "-symbolize=none", "-sample_index=inuse_objects"});
    for (std::uintptr_t i = 1; i <= 4; ++i) forget_block(reinterpret_cast<void*>(i * 4096));
    const auto after = pprof(heap_profile(clock_), {"-raw", "-symbolize=none"});
    EXPECT_EQ(in_use.status, 0) << in_use.error;
    EXPECT_NE(in_use.out.find("Type: inuse_space"), std::string::npos) << in_use.out;
    EXPECT_NE(in_use.out.find("ReadsAHeapProfile"), std::string::npos) << in_use.out;
    EXPECT_NE(in_use.out.find("MB"), std::string::npos) << in_use.out;
    EXPECT_EQ(objects.status, 0) << objects.error;
    EXPECT_NE(objects.out.find("Type: inuse_objects"), std::string::npos) << objects.out;
    EXPECT_EQ(after.status, 0) << after.error;
    EXPECT_NE(after.out.find("alloc_space/bytes"), std::string::npos) << after.out.substr(0, 500);
}

}  // namespace
}  // namespace tidegate::profile
