// A pool, its retries and its budget against targets that fail on a script, in simulated time.
#include <algorithm>
#include <deque>
#include <functional>

#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/retry.h"
#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct Totals {
    int requests = 0;
    int good = 0;
    int failed = 0;  // The last answer was a failure.
    int no_target = 0;
    int attempts = 0;
};

struct SimulationTest : testing::Test {
    PoolOptions options;
    RetryOptions retry;
    SeededRandom random{31};
    SeededRandom dice{32};
    SteadyTime now = start_time();
    std::unique_ptr<Pool> pool;
    std::unique_ptr<RetryBudget> budget;
    std::function<bool(std::size_t target)> fails;

    void make(std::size_t targets) {
        pool =
            std::make_unique<Pool>("app", make_targets(std::vector<std::uint32_t>(targets, 1)), options, random, now);
        budget = std::make_unique<RetryBudget>(retry);
    }
    /// One GET; `crowd` places stand for the other requests under way.
    void request(Totals& totals) {
        ++totals.requests;
        const auto place = budget->begin_request();
        TargetSet tried = 0;
        RetryBudget::Place retry_place;
        for (std::uint32_t number = 1;; ++number) {
            auto lease = pool->pick(tried, now);
            if (!lease) {
                if (number == 1) ++totals.no_target;
                if (number > 1) ++totals.failed;
                return;
            }
            ++totals.attempts;
            tried |= lease->bit();
            const bool bad = fails(lease->target());
            lease->end(bad ? Outcome::kGatewayError : Outcome::kSuccess, milliseconds(10), now);
            if (!bad) {
                ++totals.good;
                return;
            }
            RetryDecision decision = decide_retry(
                retry, *budget, {.number = number, .outcome = Outcome::kGatewayError, .idempotent = true}, random, now);
            if (!decision) {
                ++totals.failed;
                return;
            }
            retry_place = std::move(decision.place);
        }
    }
    Totals run(Duration time, Duration between) {
        Totals totals;
        for (const SteadyTime end = now + time; now < end; now += between) request(totals);
        return totals;
    }
};

TEST_F(SimulationTest, OneOfThreeFailingHalfTheTimeIsHardlyNoticed) {
    make(3);
    fails = [this](std::size_t target) { return target == 0 && dice.next_u64() % 2 == 0; };
    const Totals totals = run(seconds(300), milliseconds(10));
    EXPECT_GT(totals.good, totals.requests * 999 / 1000);
    const auto shot = pool->snapshot(now).targets[0];
    EXPECT_GE(shot.breaker.opened, 2U);
    EXPECT_LT(shot.picked, 2000U) << "of 30,000 requests, a third would have been its share";
}

TEST_F(SimulationTest, AllFailingHalfTheTimeEndsInClearRefusalsNotInEndlessRetries) {
    make(3);
    fails = [this](std::size_t) { return dice.next_u64() % 2 == 0; };
    const Totals totals = run(seconds(300), milliseconds(10));
    EXPECT_EQ(totals.good + totals.failed + totals.no_target, totals.requests);
    EXPECT_GT(totals.no_target, totals.requests / 2) << "breakers are open most of the time";
    EXPECT_LT(totals.attempts, totals.requests);
}

TEST_F(SimulationTest, AllDownIsRefusedWithATrueRetryAfterAndRecoversByItself) {
    make(4);
    fails = [](std::size_t) { return true; };
    Totals down = run(seconds(60), milliseconds(10));
    EXPECT_EQ(down.good, 0);
    EXPECT_LT(down.attempts, 100) << "of 6000 requests only those that open and try the breakers reach a target";
    const auto none = pool->pick(0, now);
    ASSERT_FALSE(none);
    EXPECT_GE(none.error().retry_after, seconds(1));
    EXPECT_LE(none.error().retry_after, seconds(70));
    fails = [](std::size_t) { return false; };
    now += none.error().retry_after;
    const Totals after = run(seconds(150), milliseconds(10));
    EXPECT_GT(after.good, after.requests * 99 / 100);
    for (const auto& target : pool->snapshot(now).targets) EXPECT_TRUE(target.usable) << target.name;
}

TEST_F(SimulationTest, ARecoveredTargetGetsItsShareBack) {
    make(2);
    fails = [](std::size_t target) { return target == 1; };
    run(seconds(10), milliseconds(10));
    EXPECT_FALSE(pool->snapshot(now).targets[1].usable);
    fails = [](std::size_t) { return false; };
    run(seconds(60), milliseconds(10));
    const auto before = pool->snapshot(now).targets[1].picked;
    const Totals totals = run(seconds(60), milliseconds(10));
    EXPECT_NEAR(static_cast<double>(pool->snapshot(now).targets[1].picked - before), totals.requests / 2.0,
                totals.requests * 0.1);
}

TEST_F(SimulationTest, ADeadUpstreamIsNotBuriedUnderRetries) {
    options.breaker.enabled = false;
    options.outlier.enabled = false;
    make(8);
    fails = [](std::size_t) { return true; };
    // A hundred requests are under way all the time.
    std::vector<RetryBudget::Place> crowd;
    for (int i = 0; i < 100; ++i) crowd.push_back(budget->begin_request());
    std::deque<std::pair<SteadyTime, RetryBudget::Place>> retrying;
    std::uint32_t most = 0;
    for (int i = 0; i < 20000; ++i, now += milliseconds(1)) {
        while (!retrying.empty() && retrying.front().first <= now) retrying.pop_front();
        auto decision = decide_retry(retry, *budget, {.outcome = Outcome::kTimeout, .idempotent = true}, random, now);
        if (decision) retrying.emplace_back(now + seconds(1), std::move(decision.place));
        most = std::max(most, budget->retries());
    }
    EXPECT_EQ(most, 20U);
}

// The queue does not grow while everything is down: who finds no target gives its place back at once.
TEST_F(SimulationTest, NoQueueGrowsWhileAllIsDown) {
    make(2);
    fails = [](std::size_t) { return true; };
    Admission admission({.concurrency_max = 4, .waiting_max = 100});
    const auto mailbox = make_mailbox();
    Totals totals;
    for (int i = 0; i < 2000; ++i, now += milliseconds(5)) {
        auto answer = admission.ask({.mailbox = mailbox, .told = [](Admitted, SteadyTime) {}}, now);
        auto* permit = std::get_if<Permit>(&answer);
        ASSERT_NE(permit, nullptr);
        request(totals);
        permit->end(std::nullopt, false, now);
        const auto shot = admission.snapshot(now);
        ASSERT_EQ(shot.waiting[0] + shot.waiting[1] + shot.in_flight, 0U);
    }
    EXPECT_EQ(totals.good, 0);
}

}  // namespace
}  // namespace tidegate::upstream
