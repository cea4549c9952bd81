// What a check of the limits costs in process: three rules a request, for keys known and new, on one and several threads.
//
// Use         bench_limits. `instructions`: user-space instructions a check, counted by the kernel (perf_event_open); 0 where
//             it does not offer that, as on most virtual machines.
#include <benchmark/benchmark.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/hash.h"
#include "pipeline/limits/headers.h"
#include "pipeline/limits/limiter.h"

namespace tidegate::limits {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

/// User-space instructions of this thread; 0 when they cannot be counted.
class Instructions {
  public:
    Instructions() {
        perf_event_attr what{};
        what.type = PERF_TYPE_HARDWARE;
        what.size = sizeof what;
        what.config = PERF_COUNT_HW_INSTRUCTIONS;
        what.exclude_kernel = 1;
        what.exclude_hv = 1;
        fd_ = static_cast<int>(::syscall(SYS_perf_event_open, &what, 0, -1, -1, 0));
    }
    ~Instructions() {
        if (fd_ >= 0) ::close(fd_);
    }
    Instructions(const Instructions&) = delete;
    Instructions& operator=(const Instructions&) = delete;
    std::uint64_t value() const {
        std::uint64_t count = 0;
        if (fd_ < 0 || ::read(fd_, &count, sizeof count) != sizeof count) return 0;
        return count;
    }

  private:
    int fd_ = -1;
};

// Fresh for each run: Setup is called once, before the threads of a run begin.
std::unique_ptr<RateLimiter> limiter;

void make_limiter(const benchmark::State&) {
    static SystemClock clock;
    static SystemRandom random;
    // A nanosecond a permit: never denied.
    const Rate rate{1'000'000'000, seconds(1), 1'000'000'000};
    limiter = RateLimiter::create({{.name = "caller", .per = Per::kKey, .rate = rate},
                                   {.name = "address", .per = Per::kAddress, .rate = rate},
                                   {.name = "family", .per = Per::kFamily, .rate = rate}},
                                  {.keys_max = 1'048'576}, clock, random)
                  .value();
}

void check_three(benchmark::State& state) {
    RateLimiter& limits = *limiter;
    const RouteRules route = limits.rules().of_route("provenance", "detect_text").value();
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const Instructions instructions;
    std::uint64_t n = static_cast<std::uint64_t>(state.thread_index()) << 40U;
    SteadyTime now{hours(1)};
    const std::uint64_t before = instructions.value();
    std::uint64_t allowed = 0;
    for (auto _ : state) {
        const std::uint64_t subject = mix64(++n % keys + 1);
        now += std::chrono::nanoseconds(300);
        const Asks asks = limits.rules().asks(route, {.key = subject, .address = ~subject}, nullptr);
        Verdict verdict;
        limits.check_local(asks.all(), now, verdict);
        allowed += verdict.answer == Answer::kAllowed ? 1 : 0;
    }
    const auto done = static_cast<double>(state.iterations());
    state.counters["instructions"] =
        benchmark::Counter(static_cast<double>(instructions.value() - before) / done, benchmark::Counter::kAvgThreads);
    state.counters["allowed"] =
        benchmark::Counter(static_cast<double>(allowed) / done, benchmark::Counter::kAvgThreads);
}
BENCHMARK(check_three)->Setup(make_limiter)->Arg(1)->Arg(1'000)->Arg(300'000);
BENCHMARK(check_three)->Setup(make_limiter)->Arg(1'000)->Threads(2)->UseRealTime();

void render_three(benchmark::State& state) {
    RateLimiter& limits = *limiter;
    const RouteRules route = limits.rules().of_route("provenance", "detect_text").value();
    const Asks asks = limits.rules().asks(route, {.key = 5, .address = 6}, nullptr);
    Verdict verdict;
    limits.check_local(asks.all(), SteadyTime{hours(1)}, verdict);
    for (auto _ : state) benchmark::DoNotOptimize(render(verdict, limits.rules(), nullptr));
}
BENCHMARK(render_three)->Setup(make_limiter);

}  // namespace
}  // namespace tidegate::limits

BENCHMARK_MAIN();
