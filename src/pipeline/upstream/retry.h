// Retry: whether a failed call may be made again, when, and on whose account.
//
// Guarantee   A call is made again only when the upstream cannot have acted on it or the method is idempotent, nothing of an
//             answer has gone to the client, the body is still whole, the deadline leaves room, and the budget agrees. At the
//             moment a retry is granted, retries under way are at most max(budget_min, budget_share * requests under way):
//             an upstream that fails is not buried under repeats (Envoy's retry budget).
// Threads     Any; atomics.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "pipeline/upstream/outcome.h"

namespace tidegate::upstream {

struct RetryOptions {
    std::uint32_t attempts_max = 3;  // With the first; 1: no retries.
    double budget_share = 0.2;
    std::uint32_t budget_min = 3;  // So that a quiet upstream has retries at all.
    Duration backoff_base = std::chrono::milliseconds(25);
    Duration backoff_max = std::chrono::milliseconds(250);
};

class RetryBudget {
  public:
    explicit RetryBudget(const RetryOptions& options) : share_(options.budget_share), min_(options.budget_min) {}

    /// A place in the budget; given back when dropped. Move-only. The budget outlives it.
    class Place {
      public:
        Place() = default;
        Place(Place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
        Place& operator=(Place&& other) noexcept;
        ~Place() { drop(); }
        explicit operator bool() const noexcept { return count_ != nullptr; }
        void drop() noexcept;

      private:
        friend class RetryBudget;
        explicit Place(std::atomic<std::uint32_t>* count) : count_(count) {}
        std::atomic<std::uint32_t>* count_ = nullptr;
    };

    /// Each request takes one for its whole life, its retries included.
    Place begin_request() noexcept;
    /// Empty: the budget is spent. Hold it until the repeated call has ended.
    Place begin_retry() noexcept;

    std::uint32_t requests() const noexcept { return requests_.load(std::memory_order_relaxed); }
    std::uint32_t retries() const noexcept { return retries_.load(std::memory_order_relaxed); }
    std::uint64_t granted() const noexcept { return granted_.load(std::memory_order_relaxed); }
    std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

  private:
    const double share_;
    const std::uint32_t min_;
    std::atomic<std::uint32_t> requests_{0};
    std::atomic<std::uint32_t> retries_{0};
    std::atomic<std::uint64_t> granted_{0};
    std::atomic<std::uint64_t> refused_{0};
};

/// What is known when an attempt has failed.
struct Attempt {
    std::uint32_t number = 1;  // Of the attempt that failed, from 1.
    Outcome outcome = Outcome::kReset;
    bool safe_to_retry = false;   // CallFailure::safe_to_retry.
    bool idempotent = false;      // is_idempotent(method), or the route says so.
    bool answer_started = false;  // A byte of an answer has gone to the client.
    bool body_replayable = true;  // The request's body is whole in memory, or there is none.
    SteadyTime deadline = SteadyTime::max();
};

struct RetryDecision {
    enum class Why : std::uint8_t {
        kRetry,
        kNotAFailure,
        kAnswerStarted,
        kNotSafe,
        kBodyGone,
        kAttempts,
        kDeadline,
        kBudget
    };
    Why why = Why::kRetry;
    Duration delay{};          // Before the next attempt, when kRetry.
    RetryBudget::Place place;  // When kRetry: hold it until that attempt has ended.
    explicit operator bool() const noexcept { return why == Why::kRetry; }
};
inline constexpr std::size_t kRetryWhys = 8;
std::string_view to_string(RetryDecision::Why why) noexcept;

/// GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110, 9.2.2).
bool is_idempotent(std::string_view method) noexcept;

/// Full jitter: evenly between 0 and min(backoff_max, backoff_base * 2^(number - 1)).
RetryDecision decide_retry(const RetryOptions& options, RetryBudget& budget, const Attempt& attempt, Random& random,
                           SteadyTime now);

}  // namespace tidegate::upstream
