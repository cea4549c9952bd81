// Breaker: stops calls to one target that fails, and finds out by a few probes when it works again.
//
// Algorithm   Circuit breaker (Nygard, Release It!, 2007) with resilience4j's meaning: closed, open, half-open; opens on
//             consecutive failures or on the share of failures among the last `window` calls. Open time doubles with each
//             failed trial, with jitter, and starts over once the target has stayed closed for as long as it was last open.
// Guarantee   While open no call is admitted; while half-open at most `probes` are under way. A result of a call that began
//             before the last change of state is not counted: what was slow to fail does not judge what came after.
// Memory      One byte a call of the window.
// Threads     Any. may_pass() is one or two atomic loads; admit() and record() hold a short lock (some 30 ns of work). The
//             listener is called without it, on the thread that caused the change.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "pipeline/upstream/outcome.h"

namespace tidegate::upstream {

struct BreakerOptions {
    bool enabled = true;
    std::uint32_t failures_max = 5;  // Consecutive; the default.
    std::uint32_t window = 100;      // Calls looked back on.
    std::uint32_t calls_min = 20;    // Fewer in the window say nothing about a share.
    double failure_share_max = 0.5;  // At this share of the window it opens.
    Duration open_for = std::chrono::seconds(30);
    Duration open_max = std::chrono::minutes(5);
    std::uint32_t probes = 3;           // Half-open: so many decide.
    bool count_throttled = false;       // 429 as failure.
    bool count_request_timeout = true;  // 408 as failure.
};

enum class BreakerState : std::uint8_t { kClosed, kOpen, kHalfOpen, kForcedOpen, kDisabled };
std::string_view to_string(BreakerState state) noexcept;

struct BreakerChange {
    BreakerState from = BreakerState::kClosed;
    BreakerState to = BreakerState::kClosed;
    std::string_view why;  // A literal: `consecutive failures`, `failure share`, `trial failed`, `trial passed`, ...
    Duration open_for{};   // When `to` is kOpen.
};

struct BreakerSnapshot {
    BreakerState state = BreakerState::kClosed;
    std::uint32_t consecutive_failures = 0;
    std::uint32_t window_calls = 0;
    std::uint32_t window_failures = 0;
    Duration open_left{};       // 0 unless open.
    std::uint64_t opened = 0;   // Times.
    std::uint64_t refused = 0;  // Calls that admit() turned away.
};

class Breaker {
  public:
    /// Belongs to one call; brings its result back to the state it was admitted in.
    struct Ticket {
        std::uint32_t epoch = 0;
        bool probe = false;
    };
    using Listener = std::function<void(const BreakerChange&)>;

    Breaker(const BreakerOptions& options, Random& random, Listener listener);

    /// Whether admit() would probably let a call pass; changes nothing.
    bool may_pass(SteadyTime now) const noexcept;
    /// nullopt: refused. A ticket must come back through record(); a neutral outcome frees a probe's place.
    std::optional<Ticket> admit(SteadyTime now) TG_EXCLUDES(mutex_);
    void record(Ticket ticket, Outcome outcome, SteadyTime now) TG_EXCLUDES(mutex_);
    /// The same for a neutral outcome, which needs no time.
    void forget(Ticket ticket) TG_EXCLUDES(mutex_);
    /// Until a call may pass again; 0 when one may now; Duration::max() when an operator forced it open.
    Duration wait(SteadyTime now) const noexcept;

    /// By an operator: kForcedOpen, kDisabled (all pass, results only counted), kClosed (back to work, all forgotten).
    void force(BreakerState state) TG_EXCLUDES(mutex_);
    BreakerState state() const noexcept { return state_.load(std::memory_order_acquire); }
    BreakerSnapshot snapshot(SteadyTime now) const TG_EXCLUDES(mutex_);

  private:
    bool counts_as_failure(Outcome outcome) const noexcept;
    void count(bool failed) TG_REQUIRES(mutex_);
    void forget_window() TG_REQUIRES(mutex_);
    BreakerChange change(BreakerState to, std::string_view why) TG_REQUIRES(mutex_);
    BreakerChange open(std::string_view why, SteadyTime now) TG_REQUIRES(mutex_);
    std::optional<BreakerChange> judge_closed(bool failed, SteadyTime now) TG_REQUIRES(mutex_);
    std::optional<BreakerChange> judge_trial(bool failed, SteadyTime now) TG_REQUIRES(mutex_);
    void tell(const std::optional<BreakerChange>& change) const;

    const BreakerOptions options_;
    Random& random_;
    const Listener listener_;
    std::atomic<BreakerState> state_;
    std::atomic<std::int64_t> open_until_{0};  // Nanoseconds of SteadyTime.
    std::atomic<std::uint32_t> epoch_{0};
    std::atomic<std::uint32_t> places_{0};  // Of the trial: probes under way and probes judged.
    std::atomic<std::uint64_t> refused_{0};

    mutable Mutex mutex_;
    std::uint32_t consecutive_ TG_GUARDED_BY(mutex_) = 0;
    std::vector<std::uint8_t> window_ TG_GUARDED_BY(mutex_);  // 1: failed.
    std::size_t window_next_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t window_calls_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t window_failures_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t trial_done_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t trial_failed_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t level_ TG_GUARDED_BY(mutex_) = 0;  // Doublings of the open time.
    Duration last_open_ TG_GUARDED_BY(mutex_){};
    SteadyTime closed_since_ TG_GUARDED_BY(mutex_){};
    std::uint64_t opened_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::upstream
