#include "pipeline/upstream/retry.h"

#include <algorithm>

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

using Why = RetryDecision::Why;

struct RetryCase {
    const char* what;
    Attempt attempt;
    Why expected;
};

TEST(RetryTest, OnlyWhatIsSafeAndWorthItIsRepeated) {
    const SteadyTime now = start_time();
    const Attempt get{.outcome = Outcome::kConnectFailure, .idempotent = true};
    const auto with = [&](auto change) {
        Attempt attempt = get;
        change(attempt);
        return attempt;
    };
    const std::vector<RetryCase> cases{
        {"a GET that was not connected", get, Why::kRetry},
        {"a GET that timed out", with([](Attempt& a) { a.outcome = Outcome::kTimeout; }), Why::kRetry},
        {"a GET answered 503", with([](Attempt& a) { a.outcome = Outcome::kGatewayError; }), Why::kRetry},
        {"a GET answered 500", with([](Attempt& a) { a.outcome = Outcome::kServerError; }), Why::kNotAFailure},
        {"a GET answered 429", with([](Attempt& a) { a.outcome = Outcome::kThrottled; }), Why::kNotAFailure},
        {"a client that left", with([](Attempt& a) { a.outcome = Outcome::kClientGone; }), Why::kNotAFailure},
        {"a POST that timed out", with([](Attempt& a) {
             a.idempotent = false;
             a.outcome = Outcome::kTimeout;
         }),
         Why::kNotSafe},
        {"a POST of which nothing was sent", with([](Attempt& a) {
             a.idempotent = false;
             a.safe_to_retry = true;
         }),
         Why::kRetry},
        {"after the first byte", with([](Attempt& a) { a.answer_started = true; }), Why::kAnswerStarted},
        {"a body that has been streamed away", with([](Attempt& a) { a.body_replayable = false; }), Why::kBodyGone},
        {"the last attempt", with([](Attempt& a) { a.number = 3; }), Why::kAttempts},
        {"no time left", with([&](Attempt& a) { a.deadline = now; }), Why::kDeadline},
    };
    const RetryOptions options;
    SeededRandom random(1);
    for (const RetryCase& one : cases) {
        RetryBudget budget(options);
        const auto request = budget.begin_request();
        const RetryDecision decision = decide_retry(options, budget, one.attempt, random, now);
        EXPECT_EQ(to_string(decision.why), to_string(one.expected)) << one.what;
        EXPECT_EQ(static_cast<bool>(decision.place), one.expected == Why::kRetry) << one.what;
    }
}

TEST(RetryTest, BackoffDoublesIsJitteredAndBounded) {
    RetryOptions options;
    options.attempts_max = 10;
    options.budget_min = 1000;
    RetryBudget budget(options);
    SeededRandom random(2);
    const SteadyTime now = start_time();
    for (std::uint32_t number = 1; number < 10; ++number) {
        const Duration ceiling = std::min<Duration>(milliseconds(25) * (1U << (number - 1)), milliseconds(250));
        Duration lowest = Duration::max();
        Duration highest{};
        for (int i = 0; i < 300; ++i) {
            const Attempt attempt{.number = number, .outcome = Outcome::kReset, .idempotent = true};
            const RetryDecision decision = decide_retry(options, budget, attempt, random, now);
            ASSERT_TRUE(decision);
            ASSERT_LE(decision.delay, ceiling);
            lowest = std::min(lowest, decision.delay);
            highest = std::max(highest, decision.delay);
        }
        EXPECT_LT(lowest, ceiling / 10);
        EXPECT_GT(highest, ceiling * 9 / 10);
    }
}

// Any order of requests and retries coming and going: at the moment of each grant the budget holds.
TEST(RetryTest, TheBudgetIsNeverExceeded) {
    const RetryOptions options;
    RetryBudget budget(options);
    SeededRandom dice(4);
    std::vector<RetryBudget::Place> requests;
    std::vector<RetryBudget::Place> retries;
    std::uint64_t refused = 0;
    for (int step = 0; step < 50000; ++step) {
        const std::uint64_t throw_ = dice.next_u64();
        const bool growing = (step / 5000) % 2 == 0;
        if (throw_ % 3 == 0) {
            if (growing || requests.empty()) {
                requests.push_back(budget.begin_request());
            } else {
                requests.pop_back();
            }
        } else if (throw_ % 3 == 1) {
            const auto allowed = std::max<std::size_t>(3, requests.size() / 5);
            auto place = budget.begin_retry();
            ASSERT_EQ(static_cast<bool>(place), retries.size() < allowed);
            if (place) {
                retries.push_back(std::move(place));
            } else {
                ++refused;
            }
        } else if (!retries.empty()) {
            retries.pop_back();
        }
    }
    EXPECT_EQ(budget.refused(), refused);
    EXPECT_GT(refused, 100U);
    retries.clear();
    requests.clear();
    EXPECT_EQ(budget.retries(), 0U);
    EXPECT_EQ(budget.requests(), 0U);
}

TEST(RetryTest, IdempotentMethodsAreThoseOfTheStandard) {
    for (const char* method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) EXPECT_TRUE(is_idempotent(method));
    for (const char* method : {"POST", "PATCH", "CONNECT", "get", ""}) EXPECT_FALSE(is_idempotent(method));
}

}  // namespace
}  // namespace tidegate::upstream
