#include "pipeline/upstream/breaker.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "pipeline/upstream/ticks.h"

namespace tidegate::upstream {
namespace {

// How much of an open time is drawn: gates that opened together do not all try again together.
constexpr double kOpenJitter = 0.1;
// All places of a trial are taken: its calls will be back soon, it cannot be known when.
constexpr Duration kTrialWait = std::chrono::seconds(1);

}  // namespace

std::string_view to_string(BreakerState state) noexcept {
    static constexpr std::array<std::string_view, 5> kNames{"closed", "open", "half_open", "forced_open", "disabled"};
    return kNames[static_cast<std::size_t>(state)];
}

Breaker::Breaker(const BreakerOptions& options, Random& random, Listener listener)
    : options_(options),
      random_(random),
      listener_(std::move(listener)),
      state_(options.enabled ? BreakerState::kClosed : BreakerState::kDisabled),
      window_(std::max<std::uint32_t>(options.window, 1), 0) {}

bool Breaker::may_pass(SteadyTime now) const noexcept {
    switch (state()) {
        case BreakerState::kClosed:
        case BreakerState::kDisabled:
            return true;
        case BreakerState::kForcedOpen:
            return false;
        case BreakerState::kOpen:
            return ticks(now) >= open_until_.load(std::memory_order_relaxed);
        case BreakerState::kHalfOpen:
            return places_.load(std::memory_order_relaxed) < options_.probes;
    }
    return false;
}

std::optional<Breaker::Ticket> Breaker::admit(SteadyTime now) {
    // The epoch first: a change in between leaves an old one, whose result will not be counted.
    const std::uint32_t epoch = epoch_.load(std::memory_order_acquire);
    const BreakerState seen = state();
    if (seen == BreakerState::kClosed || seen == BreakerState::kDisabled) return Ticket{epoch, false};
    std::optional<BreakerChange> changed;
    std::optional<Ticket> ticket;
    {
        const Lock lock(mutex_);
        if (state() == BreakerState::kOpen && ticks(now) >= open_until_.load(std::memory_order_relaxed)) {
            changed = change(BreakerState::kHalfOpen, "open time over");
        }
        const BreakerState current = state();
        if (current == BreakerState::kClosed || current == BreakerState::kDisabled) {
            ticket = Ticket{epoch_.load(std::memory_order_relaxed), false};
        } else if (current == BreakerState::kHalfOpen && places_.load(std::memory_order_relaxed) < options_.probes) {
            places_.fetch_add(1, std::memory_order_relaxed);
            ticket = Ticket{epoch_.load(std::memory_order_relaxed), true};
        } else {
            refused_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    tell(changed);
    return ticket;
}

void Breaker::record(Ticket ticket, Outcome outcome, SteadyTime now) {
    if (is_neutral(outcome)) return forget(ticket);
    const bool failed = counts_as_failure(outcome);
    std::optional<BreakerChange> changed;
    {
        const Lock lock(mutex_);
        if (ticket.epoch != epoch_.load(std::memory_order_relaxed)) return;
        if (state() == BreakerState::kDisabled) count(failed);
        if (state() == BreakerState::kClosed) changed = judge_closed(failed, now);
        if (state() == BreakerState::kHalfOpen && ticket.probe) changed = judge_trial(failed, now);
    }
    tell(changed);
}

void Breaker::forget(Ticket ticket) {
    if (!ticket.probe) return;
    const Lock lock(mutex_);
    if (ticket.epoch == epoch_.load(std::memory_order_relaxed)) places_.fetch_sub(1, std::memory_order_relaxed);
}

bool Breaker::counts_as_failure(Outcome outcome) const noexcept {
    if (outcome == Outcome::kThrottled) return options_.count_throttled;
    if (outcome == Outcome::kRequestTimeout) return options_.count_request_timeout;
    return is_failure(outcome);
}

void Breaker::count(bool failed) {
    consecutive_ = failed ? consecutive_ + 1 : 0;
    if (window_calls_ == window_.size()) {
        window_failures_ -= window_[window_next_];
    } else {
        ++window_calls_;
    }
    window_[window_next_] = failed ? 1 : 0;
    window_failures_ += window_[window_next_];
    window_next_ = (window_next_ + 1) % window_.size();
}

std::optional<BreakerChange> Breaker::judge_closed(bool failed, SteadyTime now) {
    count(failed);
    if (!failed) return std::nullopt;
    if (consecutive_ >= options_.failures_max) return open("consecutive failures", now);
    const bool enough = window_calls_ >= options_.calls_min;
    if (enough && window_failures_ >= options_.failure_share_max * window_calls_) return open("failure share", now);
    return std::nullopt;
}

std::optional<BreakerChange> Breaker::judge_trial(bool failed, SteadyTime now) {
    ++trial_done_;
    if (failed) ++trial_failed_;
    // Decided as soon as no further probe can change it.
    if (trial_failed_ >= std::max(1.0, options_.failure_share_max * options_.probes)) return open("trial failed", now);
    if (trial_done_ < options_.probes) return std::nullopt;
    closed_since_ = now;
    return change(BreakerState::kClosed, "trial passed");
}

BreakerChange Breaker::open(std::string_view why, SteadyTime now) {
    const bool rested = state() == BreakerState::kClosed && now - closed_since_ >= last_open_;
    level_ = opened_ == 0 || rested ? 0 : level_ + 1;
    Duration base = std::min(options_.open_for, options_.open_max);
    for (std::uint32_t i = 0; i < level_ && base < options_.open_max; ++i) base = std::min(base * 2, options_.open_max);
    const double drawn = static_cast<double>(random_.next_u64() >> 11U) * 0x1p-53;
    last_open_ = base - Duration(std::llround(static_cast<double>(base.count()) * kOpenJitter * drawn));
    ++opened_;
    open_until_.store(ticks(now + last_open_), std::memory_order_relaxed);
    BreakerChange changed = change(BreakerState::kOpen, why);
    changed.open_for = last_open_;
    return changed;
}

BreakerChange Breaker::change(BreakerState to, std::string_view why) {
    const BreakerChange changed{state(), to, why, {}};
    forget_window();
    epoch_.fetch_add(1, std::memory_order_release);
    state_.store(to, std::memory_order_release);
    return changed;
}

void Breaker::forget_window() {
    std::ranges::fill(window_, std::uint8_t{0});
    window_next_ = 0;
    window_calls_ = window_failures_ = consecutive_ = 0;
    trial_done_ = trial_failed_ = 0;
    places_.store(0, std::memory_order_relaxed);
}

Duration Breaker::wait(SteadyTime now) const noexcept {
    if (may_pass(now)) return {};
    switch (state()) {
        case BreakerState::kForcedOpen:
            return Duration::max();
        case BreakerState::kOpen:
            return std::max(Duration(open_until_.load(std::memory_order_relaxed) - ticks(now)), Duration(0));
        default:
            return kTrialWait;
    }
}

void Breaker::force(BreakerState to) {
    TG_ASSERT(to == BreakerState::kForcedOpen || to == BreakerState::kDisabled || to == BreakerState::kClosed);
    std::optional<BreakerChange> changed;
    {
        const Lock lock(mutex_);
        level_ = 0;
        last_open_ = {};
        changed = change(to, "operator");
    }
    tell(changed);
}

BreakerSnapshot Breaker::snapshot(SteadyTime now) const {
    const Lock lock(mutex_);
    BreakerSnapshot shot;
    shot.state = state();
    shot.consecutive_failures = consecutive_;
    shot.window_calls = window_calls_;
    shot.window_failures = window_failures_;
    if (shot.state == BreakerState::kOpen) {
        shot.open_left = std::max(Duration(open_until_.load(std::memory_order_relaxed) - ticks(now)), Duration(0));
    }
    shot.opened = opened_;
    shot.refused = refused_.load(std::memory_order_relaxed);
    return shot;
}

void Breaker::tell(const std::optional<BreakerChange>& changed) const {
    if (changed && listener_) listener_(*changed);
}

}  // namespace tidegate::upstream
