#include "pipeline/upstream/retry.h"

#include <algorithm>
#include <array>

namespace tidegate::upstream {

std::string_view to_string(RetryDecision::Why why) noexcept {
    static constexpr std::array<std::string_view, kRetryWhys> kNames{
        "retry", "not_a_failure", "answer_started", "not_safe", "body_gone", "attempts", "deadline", "budget"};
    return kNames[static_cast<std::size_t>(why)];
}

bool is_idempotent(std::string_view method) noexcept {
    static constexpr std::array<std::string_view, 6> kMethods{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    return std::ranges::find(kMethods, method) != kMethods.end();
}

RetryBudget::Place& RetryBudget::Place::operator=(Place&& other) noexcept {
    if (this != &other) {
        drop();
        count_ = std::exchange(other.count_, nullptr);
    }
    return *this;
}

void RetryBudget::Place::drop() noexcept {
    if (auto* count = std::exchange(count_, nullptr)) count->fetch_sub(1, std::memory_order_relaxed);
}

RetryBudget::Place RetryBudget::begin_request() noexcept {
    requests_.fetch_add(1, std::memory_order_relaxed);
    return Place(&requests_);
}

RetryBudget::Place RetryBudget::begin_retry() noexcept {
    std::uint32_t now = retries_.load(std::memory_order_relaxed);
    for (;;) {
        const auto allowed = std::max(min_, static_cast<std::uint32_t>(share_ * requests()));
        if (now >= allowed) break;
        if (retries_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) {
            granted_.fetch_add(1, std::memory_order_relaxed);
            return Place(&retries_);
        }
    }
    refused_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

namespace {

bool is_worth_retrying(Outcome outcome) noexcept {
    // 500 is an answer about this request; 429 asks for less, not for more.
    return is_gateway_failure(outcome) || outcome == Outcome::kRequestTimeout;
}

RetryDecision no(RetryDecision::Why why) {
    RetryDecision decision;
    decision.why = why;
    return decision;
}

}  // namespace

RetryDecision decide_retry(const RetryOptions& options, RetryBudget& budget, const Attempt& attempt, Random& random,
                           SteadyTime now) {
    using Why = RetryDecision::Why;
    if (!is_worth_retrying(attempt.outcome)) return no(Why::kNotAFailure);
    if (attempt.answer_started) return no(Why::kAnswerStarted);
    if (!attempt.safe_to_retry && !attempt.idempotent) return no(Why::kNotSafe);
    if (!attempt.body_replayable) return no(Why::kBodyGone);
    if (attempt.number >= options.attempts_max) return no(Why::kAttempts);
    Duration ceiling = std::min(options.backoff_base, options.backoff_max);
    for (std::uint32_t i = 1; i < attempt.number && ceiling < options.backoff_max; ++i) {
        ceiling = std::min(ceiling * 2, options.backoff_max);
    }
    const double drawn = static_cast<double>(random.next_u64() >> 11U) * 0x1p-53;
    const Duration delay(static_cast<Duration::rep>(static_cast<double>(ceiling.count()) * drawn));
    if (attempt.deadline - now <= delay) return no(Why::kDeadline);
    RetryDecision decision;
    decision.place = budget.begin_retry();
    if (!decision.place) return no(Why::kBudget);
    decision.delay = delay;
    return decision;
}

}  // namespace tidegate::upstream
