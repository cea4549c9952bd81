#include "load/run.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "load/worker.h"

namespace tidegate::load {
namespace {

// A result has at most so many points in time, and none shorter than a second.
constexpr double kIntervalsMax = 300;
constexpr Duration kWatchEvery = std::chrono::milliseconds(200);

struct Sums {
    std::uint64_t answers = 0;
    std::uint64_t errors = 0;
    std::uint64_t latency_ns = 0;
    std::uint32_t level = 0;
};

Sums sums_of(const std::vector<std::unique_ptr<Progress>>& all) {
    Sums sums;
    for (const auto& one : all) {
        sums.answers += one->answers.load(std::memory_order_relaxed);
        sums.errors += one->errors.load(std::memory_order_relaxed);
        sums.latency_ns += one->latency_ns.load(std::memory_order_relaxed);
        sums.level += one->level.load(std::memory_order_relaxed);
    }
    return sums;
}

/// Looks on until the workers are done; tells and interrupts.
class Watcher {
  public:
    Watcher(Shared& shared, const std::vector<std::unique_ptr<Progress>>& progress, double end)
        : shared_(shared), progress_(progress), end_(end) {}

    void look(const std::function<bool(const Now&)>& watch, const std::function<void()>& on_measure) {
        const SteadyTime at = SystemClock().now();
        Now now = read(at);
        if (now.measuring && !measured_) {
            measured_ = true;
            on_measure();
        }
        if (watch(now) || shared_.interrupted.load(std::memory_order_relaxed)) return;
        shared_.interrupted.store(true, std::memory_order_relaxed);
        shared_.stop.store(true, std::memory_order_relaxed);
    }

  private:
    Now read(SteadyTime at) {
        Now now;
        now.second = std::chrono::duration<double>(at - shared_.start).count();
        now.end = end_;
        now.measuring = now.second >= shared_.plan.lead_s();
        const Sums sums = sums_of(progress_);
        now.answers = sums.answers;
        now.errors = sums.errors;
        now.level = sums.level;
        const std::uint64_t answers = sums.answers - last_.answers;
        const double passed = std::chrono::duration<double>(at - last_at_).count();
        if (passed > 0 && last_at_ != SteadyTime{}) now.per_s = static_cast<double>(answers) / passed;
        if (answers > 0) {
            now.latency_ms =
                static_cast<double>(sums.latency_ns - last_.latency_ns) / static_cast<double>(answers) / 1e6;
        }
        last_ = sums;
        last_at_ = at;
        return now;
    }

    Shared& shared_;
    const std::vector<std::unique_ptr<Progress>>& progress_;
    const double end_;
    Sums last_;
    SteadyTime last_at_{};
    bool measured_ = false;
};

}  // namespace

Result<RunOutcome> run_load(const Plan& plan, const Mix& mix, const Place& place,
                            const std::function<bool(const Now&)>& watch, const std::function<void()>& on_measure) {
    Shared shared{.plan = plan, .mix = mix, .place = place};
    shared.interval_s = std::max(1.0, plan.window_s() / kIntervalsMax);
    std::vector<std::unique_ptr<Progress>> progress;
    std::vector<std::unique_ptr<Worker>> workers;
    for (unsigned i = 0; i < plan.threads; ++i) {
        progress.push_back(std::make_unique<Progress>());
        workers.push_back(std::make_unique<Worker>(shared, i, *progress.back()));
        TG_CHECK(workers.back()->prepare());
    }
    shared.start = SystemClock().now();
    std::atomic<unsigned> running{plan.threads};
    std::vector<std::thread> threads;
    for (const auto& worker : workers) {
        threads.emplace_back([&worker = *worker, &running] {
            worker.run();
            running.fetch_sub(1, std::memory_order_release);
        });
    }
    Watcher watcher(shared, progress, plan.lead_s() + plan.window_s());
    const auto lead = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(plan.lead_s()));
    // Nobody rings it: a wait that a test of the whole could end.
    Mutex mutex;
    Condition rest;
    while (running.load(std::memory_order_acquire) > 0) {
        watcher.look(watch, on_measure);
        // The beginning of the measured window is met to the millisecond: the server's counters are read then.
        const Duration to_window = shared.start + lead - SystemClock().now();
        const Lock lock(mutex);
        rest.wait_for(mutex, to_window > Duration::zero() ? std::min<Duration>(kWatchEvery, to_window) : kWatchEvery);
    }
    for (std::thread& thread : threads) thread.join();
    RunOutcome outcome{.tally = Tally(mix.operations().size(), shared.interval_s)};
    for (const auto& worker : workers) outcome.tally.merge(worker->tally());
    outcome.interrupted = shared.interrupted.load(std::memory_order_relaxed);
    SteadyTime ended{};
    for (const auto& worker : workers) ended = std::max(ended, worker->ended());
    const double until = std::chrono::duration<double>(ended - shared.start).count() - plan.lead_s();
    outcome.window_s = std::clamp(until, 0.0, plan.window_s());
    const SystemClock clock;
    const double since = std::chrono::duration<double>(SystemClock().now() - shared.start).count();
    outcome.began_ms = clock.unix_ms() - static_cast<UnixMillis>((since - plan.lead_s()) * 1000);
    outcome.ended_ms = outcome.began_ms + static_cast<UnixMillis>(outcome.window_s * 1000);
    return outcome;
}

}  // namespace tidegate::load
