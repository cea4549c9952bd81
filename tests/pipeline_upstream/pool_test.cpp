#include "pipeline/upstream/pool.h"

#include <algorithm>
#include <numeric>

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct PoolTest : testing::Test {
    PoolOptions options;
    SeededRandom random{11};
    SteadyTime now = start_time();
    std::vector<TargetEvent> events;
    std::unique_ptr<Pool> pool;

    Pool& make(const std::vector<std::uint32_t>& weights) {
        pool = std::make_unique<Pool>("app", make_targets(weights), options, random, now,
                                      [this](const TargetEvent& e) { events.push_back(e); });
        now += options.balance.slow_start;
        return *pool;
    }
    /// One call at a time: which targets get how many.
    std::vector<int> spread(int calls, const std::vector<Outcome>& outcomes = {}, Duration between = {}) {
        std::vector<int> counts(pool->size(), 0);
        for (int i = 0; i < calls; ++i) {
            now += between;
            auto lease = pool->pick(0, now);
            if (!lease) continue;
            ++counts[lease->target()];
            const Outcome outcome = outcomes.empty() ? Outcome::kSuccess : outcomes[lease->target()];
            lease->end(outcome, milliseconds(10), now);
        }
        return counts;
    }
    void break_target(std::size_t target) {
        while (pool->snapshot(now).targets[target].breaker.state == BreakerState::kClosed) {
            auto lease = pool->pick(0, now);
            ASSERT_TRUE(lease);
            lease->end(lease->target() == target ? Outcome::kReset : Outcome::kSuccess, milliseconds(1), now);
        }
    }
};

TEST_F(PoolTest, SharesFollowTheWeightsWhenNothingIsBusy) {
    for (const bool in_turn : {false, true}) {
        options.balance.round_robin = in_turn;
        make({1, 2, 5});
        const auto counts = spread(8000);
        EXPECT_NEAR(counts[0], 1000, in_turn ? 1 : 450) << in_turn;
        EXPECT_NEAR(counts[1], 2000, in_turn ? 1 : 450) << in_turn;
        EXPECT_NEAR(counts[2], 5000, in_turn ? 1 : 450) << in_turn;
        EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 8000);
    }
}

TEST_F(PoolTest, OutstandingCallsFollowTheWeights) {
    make({1, 3});
    std::vector<Lease> leases;
    for (int i = 0; i < 400; ++i) leases.push_back(*pool->pick(0, now));
    const PoolSnapshot shot = pool->snapshot(now);
    EXPECT_NEAR(shot.targets[0].outstanding, 100, 4);
    EXPECT_NEAR(shot.targets[1].outstanding, 300, 4);
}

TEST_F(PoolTest, ABusyTargetIsSpared) {
    make({1, 1, 1});
    std::vector<Lease> held;
    while (pool->snapshot(now).targets[0].outstanding < 5) {
        auto lease = pool->pick(0, now);
        if (lease->target() == 0) {
            held.push_back(std::move(*lease));
        } else {
            lease->end(Outcome::kSuccess, milliseconds(1), now);
        }
        // Keep the others as busy, so that target 0 is chosen at all.
        for (std::size_t i = 0; i < 2 && held.size() < 200; ++i) {
            auto other = pool->pick(1, now);
            held.push_back(std::move(*other));
        }
    }
    std::erase_if(held, [](const Lease& lease) { return lease.target() != 0; });
    EXPECT_EQ(spread(1000)[0], 0) << "two idle ones against one with five calls";
}

TEST_F(PoolTest, BetweenIdleTargetsAClearlyFasterOneIsPreferredUntilTheMemoryFades) {
    make({1, 1});
    for (int i = 0; i < 200; ++i) {
        auto lease = pool->pick(0, now);
        lease->end(Outcome::kSuccess, lease->target() == 0 ? milliseconds(100) : milliseconds(10), now);
    }
    EXPECT_EQ(spread(200)[0], 0);
    now += seconds(30);
    auto fast = pool->pick(1, now);
    fast->end(Outcome::kSuccess, milliseconds(10), now);
    EXPECT_GT(spread(200)[0], 50) << "100 ms of half a minute ago are forgotten";
}

TEST_F(PoolTest, SmallDifferencesOfLatencyDoNotBendTheShares) {
    make({1, 1});
    for (int i = 0; i < 4000; ++i) {
        auto lease = pool->pick(0, now);
        lease->end(Outcome::kSuccess, lease->target() == 0 ? milliseconds(13) : milliseconds(10), now);
    }
    EXPECT_NEAR(static_cast<double>(pool->snapshot(now).targets[0].picked), 2000, 200);
}

TEST_F(PoolTest, ATargetIsNeverTriedTwiceByOneRequest) {
    make({1, 1, 1});
    for (int i = 0; i < 200; ++i) {
        TargetSet tried = 0;
        for (int attempt = 0; attempt < 3; ++attempt) {
            auto lease = pool->pick(tried, now);
            ASSERT_TRUE(lease);
            ASSERT_EQ(tried & lease->bit(), 0U);
            tried |= lease->bit();
            lease->end(Outcome::kSuccess, milliseconds(1), now);
        }
        const auto none = pool->pick(tried, now);
        ASSERT_FALSE(none);
        EXPECT_TRUE(none.error().all_tried);
    }
}

TEST_F(PoolTest, AnOpenBreakerTakesTheTargetOutAndItsTrialBringsItBackSlowly) {
    options.outlier.enabled = false;
    make({1, 1});
    break_target(0);
    EXPECT_EQ(spread(500)[0], 0);
    now += seconds(30);
    EXPECT_GT(spread(200)[0], 2) << "the trial, then a tenth of its share";
    EXPECT_EQ(pool->snapshot(now).targets[0].breaker.state, BreakerState::kClosed);
    const int early = spread(1000)[0];
    EXPECT_LT(early, 200);
    now += seconds(5);
    const int half = spread(1000)[0];
    EXPECT_GT(half, early);
    now += seconds(5);
    EXPECT_NEAR(spread(1000)[0], 500, 100);
}

TEST_F(PoolTest, AllBreakersOpenSaysWhenToComeBack) {
    make({1, 1, 1});
    while (true) {
        auto lease = pool->pick(0, now);
        if (!lease) break;
        lease->end(Outcome::kConnectFailure, std::nullopt, now);
    }
    now += seconds(7);
    const auto none = pool->pick(0, now);
    ASSERT_FALSE(none);
    EXPECT_FALSE(none.error().all_tried);
    EXPECT_GE(none.error().retry_after, seconds(20));
    EXPECT_LE(none.error().retry_after, seconds(23));
    now += none.error().retry_after;
    EXPECT_TRUE(pool->pick(0, now)) << "the promise of Retry-After holds";
    EXPECT_GT(pool->snapshot(now).no_target, 0U);
}

TEST_F(PoolTest, ForcedOpenIsNeverPickedNotEvenInPanic) {
    make({1, 1});
    pool->force(0, BreakerState::kForcedOpen);
    pool->set_health(1, false, "test", now);
    EXPECT_EQ(spread(100), (std::vector<int>{0, 100})) << "in panic the unhealthy one serves";
    pool->force(1, BreakerState::kForcedOpen);
    const auto none = pool->pick(0, now);
    ASSERT_FALSE(none);
    EXPECT_GE(none.error().retry_after, seconds(1));
    EXPECT_LT(none.error().retry_after, minutes(2));
}

TEST_F(PoolTest, UnhealthyTargetsAreLeftOutUntilTooManyAre) {
    make({1, 1, 1, 1});
    pool->set_health(0, false, "test", now);
    pool->set_health(1, false, "test", now);
    auto counts = spread(400);
    EXPECT_EQ(counts[0] + counts[1], 0) << "half is not below half";
    pool->set_health(2, false, "test", now);
    EXPECT_TRUE(pool->snapshot(now).panic);
    counts = spread(400);
    EXPECT_EQ(std::ranges::count(counts, 0), 0);
    EXPECT_EQ(pool->snapshot(now).picked_in_panic, 400U);
}

TEST_F(PoolTest, WithoutPanicAllUnhealthyIsNoTarget) {
    options.balance.panic_share = 0;
    make({1, 1});
    pool->set_health(0, false, "test", now);
    pool->set_health(1, false, "test", now);
    const auto none = pool->pick(0, now);
    ASSERT_FALSE(none);
    EXPECT_GE(none.error().retry_after, seconds(1));
}

TEST_F(PoolTest, HealthEventsAreToldOncePerChange) {
    make({1, 1});
    pool->set_health(0, false, "no answer in time", now);
    pool->set_health(0, false, "no answer in time", now);
    pool->set_health(0, true, "status as expected", now);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].kind, TargetEvent::Kind::kUnhealthy);
    EXPECT_EQ(events[0].pool, "app");
    EXPECT_EQ(events[0].name, "target0");
    EXPECT_EQ(events[1].kind, TargetEvent::Kind::kHealthy);
}

TEST_F(PoolTest, GatewayFailuresInARowEjectAndTheTimeGrowsAndIsForgiven) {
    options.breaker.enabled = false;
    make({1, 1, 1});
    const auto fail_zero = [&] {
        const std::size_t before = pool->snapshot(now).targets[0].ejections;
        for (int i = 0; i < 2000 && pool->snapshot(now).targets[0].ejections == before; ++i) {
            auto lease = pool->pick(0, now);
            lease->end(lease->target() == 0 ? Outcome::kGatewayError : Outcome::kSuccess, milliseconds(1), now);
        }
        return pool->snapshot(now).targets[0].ejected_left;
    };
    EXPECT_EQ(fail_zero(), seconds(30));
    EXPECT_EQ(spread(300)[0], 0);
    now += seconds(31);
    EXPECT_EQ(fail_zero(), seconds(60));
    now += seconds(61);
    spread(100, {}, seconds(10));  // Good intervals.
    EXPECT_EQ(fail_zero(), seconds(30)) << "forgiven";
    const auto told = [&](TargetEvent::Kind kind) { return std::ranges::count(events, kind, &TargetEvent::kind); };
    EXPECT_EQ(told(TargetEvent::Kind::kEjected), 3);
    EXPECT_EQ(told(TargetEvent::Kind::kReturned), 2);
}

TEST_F(PoolTest, NeverMoreThanTheShareIsEjectedAndNeverTheLast) {
    options.breaker.enabled = false;
    for (const std::size_t size : {1U, 2U, 5U, 20U}) {
        make(std::vector<std::uint32_t>(size, 1));
        for (int i = 0; i < 5000; ++i) {
            auto lease = pool->pick(0, now);
            ASSERT_TRUE(lease);
            lease->end(Outcome::kReset, std::nullopt, now);
        }
        const auto shot = pool->snapshot(now);
        const auto out =
            std::ranges::count_if(shot.targets, [](const auto& t) { return t.ejected_left > Duration(0); });
        EXPECT_EQ(out, size == 1 ? 0 : size == 20 ? 2 : 1) << size;
    }
}

TEST_F(PoolTest, ASuccessRateFarBelowTheOthersEjects) {
    options.breaker.enabled = false;
    make(std::vector<std::uint32_t>(8, 1));
    SeededRandom dice(5);
    for (int i = 0; i < 4000; ++i) {
        auto lease = pool->pick(0, now);
        // Every third answer of target 3 is a 500, which is no gateway failure; the others fail one in a hundred.
        const bool bad = dice.next_u64() % 100 < (lease->target() == 3 ? 33 : 1);
        lease->end(bad ? Outcome::kServerError : Outcome::kSuccess, milliseconds(1), now);
    }
    EXPECT_EQ(pool->snapshot(now).targets[3].ejections, 0U) << "not before the interval is over";
    now += seconds(10);
    spread(1);
    const auto shot = pool->snapshot(now);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(shot.targets[i].ejections, i == 3 ? 1U : 0U) << i;
}

TEST_F(PoolTest, AStreamIsJudgedAtItsHeadAndAgainWhenItBreaks) {
    options.breaker.failures_max = 1;
    make({1});
    auto lease = pool->pick(0, now);
    lease->report(Outcome::kSuccess, milliseconds(5), now);
    lease->report(Outcome::kServerError, milliseconds(5), now);
    auto shot = pool->snapshot(now).targets[0];
    EXPECT_EQ(shot.outcomes[static_cast<std::size_t>(Outcome::kSuccess)], 1U);
    EXPECT_EQ(shot.outcomes[static_cast<std::size_t>(Outcome::kServerError)], 0U) << "the first verdict counts";
    EXPECT_EQ(shot.outstanding, 1U);
    lease->end(Outcome::kReset, std::nullopt, now);
    shot = pool->snapshot(now).targets[0];
    EXPECT_EQ(shot.outcomes[static_cast<std::size_t>(Outcome::kReset)], 1U);
    EXPECT_EQ(shot.outstanding, 0U);
    EXPECT_EQ(shot.breaker.state, BreakerState::kOpen);
}

TEST_F(PoolTest, ADroppedLeaseGivesItsPlaceBackAndJudgesNothing) {
    make({1});
    {
        const auto lease = pool->pick(0, now);
    }
    auto moved_over = pool->pick(0, now);
    moved_over = pool->pick(0, now);
    const auto shot = pool->snapshot(now).targets[0];
    EXPECT_EQ(shot.outstanding, 1U);
    EXPECT_EQ(shot.outcomes[static_cast<std::size_t>(Outcome::kClientGone)], 2U);
    EXPECT_EQ(shot.breaker.window_calls, 0U);
}

TEST_F(PoolTest, TheSameSeedPicksTheSame) {
    std::vector<std::size_t> first;
    for (int round = 0; round < 2; ++round) {
        SeededRandom same(99);
        Pool one("app", make_targets({1, 2, 3}), options, same, now);
        std::vector<std::size_t> picks;
        for (int i = 0; i < 100; ++i) {
            auto lease = one.pick(0, now);
            picks.push_back(lease->target());
            lease->end(Outcome::kSuccess, milliseconds(1), now);
        }
        if (round == 0) {
            first = picks;
        } else {
            EXPECT_EQ(picks, first);
        }
    }
}

TEST(RetryAfterTest, IsRoundedUpAndAtLeastASecond) {
    EXPECT_EQ(retry_after_seconds(Duration(0)), 1);
    EXPECT_EQ(retry_after_seconds(milliseconds(1000)), 1);
    EXPECT_EQ(retry_after_seconds(milliseconds(1001)), 2);
}

}  // namespace
}  // namespace tidegate::upstream
