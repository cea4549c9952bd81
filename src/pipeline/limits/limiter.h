// RateLimiter: the limits of the process: its rules, its table, and whether Redis is asked.
//
// Position    One a process. Each event loop has a LoopLimiter of its own in front of it, which asks Redis where there is
//             one and comes here where there is none or it is away.
// Guarantee   check_local() is exact within the process: all rules of a request allow and are charged, or none is.
// Cost        A check of three rules: 70 to 90 ns of CPU and 1,060 instructions with a warm table, 300 ns with 600,000 keys
//             (bench/limits_bench.cpp, Xeon 2.6 GHz).
// Memory      The table (key_table.h); a few counters a rule.
// Threads     Any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "pipeline/limits/counters.h"
#include "pipeline/limits/key_table.h"
#include "pipeline/limits/rules.h"

namespace tidegate::limits {

struct LimiterOptions {
    std::size_t keys_max = 262'144;  // 8 MiB. A key counts while it is not at rest.
};

/// Redis is set up and not used now: each process counts for itself.
struct Degraded {
    std::string reason;
    UnixMillis since = 0;
};

class RateLimiter {
  public:
    /// `clock` and `random` outlive it (random is used here only).
    static Result<std::unique_ptr<RateLimiter>> create(std::vector<LimitRule> rules, const LimiterOptions& options,
                                                       const Clock& clock, Random& random);

    const RuleSet& rules() const noexcept { return rules_; }
    /// Answers kAllowed or kDenied. No ask: allowed, and not counted.
    void check_local(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept;

    /// From the first loop that could not ask Redis to the last that can again.
    std::optional<Degraded> degraded() const TG_EXCLUDES(mutex_);
    /// Hears of each change, on the thread where it happens; set before the loops begin.
    void on_degraded(std::function<void(bool degraded, const std::string& reason)> callback) {
        on_degraded_ = std::move(callback);
    }
    const LimitCounters& counters() const noexcept { return counters_; }
    const KeyTable& table() const noexcept { return table_; }

  private:
    friend class LoopLimiter;
    RateLimiter(RuleSet rules, const LimiterOptions& options, const Clock& clock, Random& random);
    void decide(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept;
    /// Of a verdict that is final.
    void count(const Verdict& verdict) noexcept;
    void loop_degraded(const std::string& reason) TG_EXCLUDES(mutex_);
    void loop_recovered() TG_EXCLUDES(mutex_);

    const Clock& clock_;
    const RuleSet rules_;
    KeyTable table_;
    LimitCounters counters_;
    std::function<void(bool, const std::string&)> on_degraded_;
    mutable Mutex mutex_;
    Degraded state_ TG_GUARDED_BY(mutex_);
    unsigned loops_degraded_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::limits
