// What the samplers cost: CPU profiles at 100 and 1,000 Hz against none, by work done for each second of a thread's own CPU time,
// in turns; and a free lock of base/mutex.h against std::mutex. Prints a Markdown table.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "observe/profile/contention.h"
#include "observe/profile/cpu_sampler.h"

namespace {

using tidegate::profile::CpuSampler;

constexpr int kRounds = 25;
constexpr int kDepth = 30;  // As deep as a handler of ours stands.
constexpr std::int64_t kRoundNs = 200'000'000;

std::int64_t cpu_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

[[gnu::noinline]] std::uint64_t work(int depth, std::uint64_t seed) {
    if (depth > 0) return work(depth - 1, seed) + 1;
    for (int i = 0; i < 2000; ++i) seed = seed * 6364136223846793005U + 1442695040888963407U;
    return seed;
}

/// Nanoseconds of CPU time for one piece of work.
double measure(unsigned hz, std::uint64_t& sink) {
    const tidegate::SystemClock clock;
    std::unique_ptr<CpuSampler> sampler;
    if (hz > 0) {
        auto started = CpuSampler::start(clock, hz);
        if (!started) return 0;
        sampler = *std::move(started);
    }
    const std::int64_t began = cpu_ns();
    std::int64_t done = 0;
    while (cpu_ns() - began < kRoundNs) {
        for (int i = 0; i < 100; ++i, ++done) sink += work(kDepth, sink);
    }
    const double each = static_cast<double>(cpu_ns() - began) / static_cast<double>(done);
    if (sampler) static_cast<void>(sampler->stop());
    return each;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

template <class Lockable>
double lock_ns(Lockable& lockable) {
    constexpr int kTimes = 2'000'000;
    const std::int64_t began = cpu_ns();
    for (int i = 0; i < kTimes; ++i) {
        lockable.lock();
        lockable.unlock();
    }
    return static_cast<double>(cpu_ns() - began) / kTimes;
}

}  // namespace

int main() {
    std::uint64_t sink = 1;
    constexpr std::array<unsigned, 3> kHz{0, 100, 1000};
    std::array<std::vector<double>, 3> rounds;
    for (int round = 0; round < kRounds; ++round) {
        for (std::size_t i = 0; i < kHz.size(); ++i) rounds[i].push_back(measure(kHz[i], sink));
    }
    fmt::print("| samples a second | ns of CPU for a piece of work (median of {}) | least | more than without |\n",
               kRounds);
    fmt::print("|---|---|---|---|\n");
    // The share of each round against the one without beside it: the machine's mood cancels.
    for (std::size_t i = 0; i < kHz.size(); ++i) {
        std::vector<double> shares;
        for (std::size_t r = 0; r < rounds[i].size(); ++r) shares.push_back(rounds[i][r] / rounds[0][r] - 1);
        fmt::print("| {} | {:.1f} | {:.1f} | {:.2f} % |\n", kHz[i], median(rounds[i]),
                   *std::ranges::min_element(rounds[i]), 100 * median(shares));
    }
    std::vector<double> ours;
    std::vector<double> with_hook;
    std::vector<double> standard;
    const tidegate::SystemClock clock;
    std::mutex plain;  // What the one lock is made of, and is compared with.
    tidegate::Mutex mutex;
    // With one thread only glibc leaves the atomic exchange of std::mutex out; a server has many.
    std::thread([] {}).join();
    for (int round = 0; round < kRounds; ++round) {
        standard.push_back(lock_ns(plain));
        ours.push_back(lock_ns(mutex));
    }
    tidegate::profile::start_contention(clock);
    for (int round = 0; round < kRounds; ++round) with_hook.push_back(lock_ns(mutex));
    fmt::print("\n| a free lock, taken and given back | ns (median of {}) |\n|---|---|\n", kRounds);
    fmt::print("| std::mutex | {:.2f} |\n| base/mutex.h | {:.2f} |\n| base/mutex.h, contention counted | {:.2f} |\n",
               median(standard), median(ours), median(with_hook));
    return sink == 0 ? 1 : 0;
}
