// HealthChecker: asks the targets of a pool at intervals whether they live; the schedule and the verdicts.
//
// Position    One a pool, on one loop. It does not open sockets: `probe` does, and calls back on the same loop.
// Guarantee   A target changes sides only after `failures_max` bad or `successes_min` good answers in a row; the very first
//             answer decides at once. At most one probe a target is under way; an answer after the time-out is ignored.
//             Intervals are jittered by a tenth so that many gates do not ask in step.
// Threads     One, the loop's. The pool may be asked from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "pipeline/upstream/pool.h"

namespace tidegate::upstream {

struct HealthOptions {
    std::string path;  // Empty: no active checks.
    Duration interval = std::chrono::seconds(5);
    Duration timeout = std::chrono::seconds(2);
    std::uint32_t failures_max = 3;
    std::uint32_t successes_min = 2;
    std::uint16_t status_min = 200;
    std::uint16_t status_max = 399;
};

struct ProbeAnswer {
    int status = 0;                     // 0: no answer.
    Outcome failure = Outcome::kReset;  // When there was none.
};

struct HealthCounters {
    std::atomic<std::uint64_t> probes{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> changes{0};
};

class HealthChecker {
  public:
    using Done = std::function<void(ProbeAnswer answer, SteadyTime now)>;
    /// GET `path` of the target within `timeout`; calls `done` later, at most once, on the same thread. `done` may be kept
    /// beyond the checker's life.
    using Probe = std::function<void(const PoolTarget& target, const HealthOptions& options, Done done)>;

    /// `pool` and `random` outlive it. The first probes are spread over one interval from `now`.
    HealthChecker(Pool& pool, HealthOptions options, Random& random, Probe probe, SteadyTime now);
    ~HealthChecker();

    /// Starts what is due, ends what is late; returns when to call again (SteadyTime::max(): never, checks are off).
    SteadyTime tick(SteadyTime now);
    const HealthCounters& counters() const noexcept { return counters_; }

  private:
    struct Check;
    void start(std::size_t target, SteadyTime now);
    void judge(std::size_t target, bool good, std::string_view why, SteadyTime now);
    Duration jittered_interval();

    Pool& pool_;
    const HealthOptions options_;
    Random& random_;
    const Probe probe_;
    std::vector<Check> checks_;
    HealthCounters counters_;
    std::shared_ptr<HealthChecker*> self_;  // Emptied by the destructor, for late answers.
};

}  // namespace tidegate::upstream
