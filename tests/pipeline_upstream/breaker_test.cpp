#include "pipeline/upstream/breaker.h"

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct BreakerTest : testing::Test {
    BreakerOptions options;
    SeededRandom random{7};
    std::vector<BreakerChange> changes;
    std::unique_ptr<Breaker> breaker;
    SteadyTime now = start_time();

    Breaker& make() {
        breaker = std::make_unique<Breaker>(options, random, [this](const BreakerChange& c) { changes.push_back(c); });
        return *breaker;
    }
    bool call(Outcome outcome) {
        const auto ticket = breaker->admit(now);
        if (ticket) breaker->record(*ticket, outcome, now);
        return ticket.has_value();
    }
    void fail_times(int count) {
        for (int i = 0; i < count; ++i) EXPECT_TRUE(call(Outcome::kTimeout));
    }
};

TEST_F(BreakerTest, FiveFailuresInARowOpenIt) {
    make();
    fail_times(4);
    EXPECT_TRUE(call(Outcome::kSuccess));
    fail_times(4);
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
    fail_times(1);
    EXPECT_EQ(breaker->state(), BreakerState::kOpen);
    EXPECT_FALSE(call(Outcome::kSuccess));
    EXPECT_EQ(breaker->snapshot(now).refused, 1U);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].why, "consecutive failures");
    EXPECT_LE(changes[0].open_for, seconds(30));
    EXPECT_GE(changes[0].open_for, seconds(27));
}

TEST_F(BreakerTest, HalfOfTheCallsFailingOpensItOnceThereAreEnough) {
    make();
    int calls = 0;
    while (breaker->state() == BreakerState::kClosed && calls < 100) {
        call(calls % 2 == 0 ? Outcome::kSuccess : Outcome::kServerError);
        ++calls;
    }
    EXPECT_EQ(calls, 20);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].why, "failure share");
}

TEST_F(BreakerTest, TheWindowForgetsOldFailures) {
    options.failures_max = 1000;
    options.window = 40;
    options.calls_min = 40;
    make();
    for (int i = 0; i < 19; ++i) call(Outcome::kTimeout);
    for (int i = 0; i < 40; ++i) call(Outcome::kSuccess);
    EXPECT_EQ(breaker->snapshot(now).window_failures, 0U);
    for (int i = 0; i < 19; ++i) call(Outcome::kTimeout);
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
    call(Outcome::kTimeout);
    EXPECT_EQ(breaker->state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, WhatTheClientCausedDoesNotCount) {
    make();
    fail_times(4);
    for (const Outcome neutral : {Outcome::kClientGone, Outcome::kLocal}) EXPECT_TRUE(call(neutral));
    EXPECT_EQ(breaker->snapshot(now).consecutive_failures, 4U) << "neutral is neither good nor bad";
    EXPECT_TRUE(call(Outcome::kClientError));
    EXPECT_EQ(breaker->snapshot(now).consecutive_failures, 0U);
}

TEST_F(BreakerTest, ThrottledAndRequestTimeoutCountByOption) {
    make();
    for (int i = 0; i < 30; ++i) call(Outcome::kThrottled);
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
    for (int i = 0; i < 5; ++i) call(Outcome::kRequestTimeout);
    EXPECT_EQ(breaker->state(), BreakerState::kOpen);
    options.count_throttled = true;
    options.count_request_timeout = false;
    make();
    for (int i = 0; i < 30; ++i) call(Outcome::kRequestTimeout);
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
    for (int i = 0; i < 5; ++i) call(Outcome::kThrottled);
    EXPECT_EQ(breaker->state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, AfterTheOpenTimeAFewProbesDecide) {
    make();
    fail_times(5);
    now += breaker->wait(now) - Duration(1);
    EXPECT_FALSE(breaker->may_pass(now));
    now += Duration(1);
    EXPECT_TRUE(breaker->may_pass(now));
    std::vector<Breaker::Ticket> probes;
    while (const auto ticket = breaker->admit(now)) probes.push_back(*ticket);
    ASSERT_EQ(probes.size(), 3U);
    EXPECT_EQ(breaker->state(), BreakerState::kHalfOpen);
    EXPECT_FALSE(breaker->may_pass(now));
    for (const auto& probe : probes) {
        EXPECT_TRUE(probe.probe);
        breaker->record(probe, Outcome::kSuccess, now);
    }
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
    EXPECT_EQ(changes.back().why, "trial passed");
}

TEST_F(BreakerTest, AProbeWhoseClientLeftGivesItsPlaceBack) {
    make();
    fail_times(5);
    now += seconds(30);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(call(Outcome::kClientGone));
    EXPECT_EQ(breaker->state(), BreakerState::kHalfOpen);
}

TEST_F(BreakerTest, EachFailedTrialDoublesTheOpenTimeUpToTheMaximum) {
    make();
    fail_times(5);
    for (const int expected_s : {60, 120, 240, 300, 300}) {
        now += breaker->wait(now);
        fail_times(2);
        ASSERT_EQ(breaker->state(), BreakerState::kOpen);
        EXPECT_LE(changes.back().open_for, seconds(expected_s));
        EXPECT_GE(changes.back().open_for, seconds(expected_s) * 9 / 10);
    }
}

TEST_F(BreakerTest, TheOpenTimeStartsOverAfterALongGoodTime) {
    make();
    fail_times(5);
    now += breaker->wait(now);
    fail_times(2);
    now += breaker->wait(now);
    for (int i = 0; i < 3; ++i) call(Outcome::kSuccess);
    ASSERT_EQ(breaker->state(), BreakerState::kClosed);
    now += seconds(1);
    fail_times(5);
    EXPECT_GT(changes.back().open_for, seconds(100)) << "it had hardly closed";
    now += breaker->wait(now);
    for (int i = 0; i < 3; ++i) call(Outcome::kSuccess);
    now += seconds(301);
    fail_times(5);
    EXPECT_LE(changes.back().open_for, seconds(30));
}

TEST_F(BreakerTest, ResultsFromBeforeAChangeOfStateAreNotCounted) {
    make();
    std::vector<Breaker::Ticket> slow;
    for (int i = 0; i < 50; ++i) slow.push_back(*breaker->admit(now));
    fail_times(5);
    now += breaker->wait(now);
    const auto probe = breaker->admit(now);
    ASSERT_TRUE(probe);
    for (const auto& ticket : slow) breaker->record(ticket, Outcome::kTimeout, now);
    EXPECT_EQ(breaker->state(), BreakerState::kHalfOpen) << "the slow ones judge the time before";
    breaker->record(*probe, Outcome::kSuccess, now);
    for (int i = 0; i < 2; ++i) call(Outcome::kSuccess);
    EXPECT_EQ(breaker->state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, AnOperatorHoldsItOpenOrOutOfTheWay) {
    make();
    breaker->force(BreakerState::kForcedOpen);
    now += std::chrono::hours(100);
    EXPECT_FALSE(call(Outcome::kSuccess));
    EXPECT_EQ(breaker->wait(now), Duration::max());
    breaker->force(BreakerState::kDisabled);
    fail_times(100);
    EXPECT_EQ(breaker->state(), BreakerState::kDisabled);
    EXPECT_EQ(breaker->snapshot(now).window_failures, 100U) << "still counted";
    breaker->force(BreakerState::kClosed);
    fail_times(5);
    EXPECT_EQ(breaker->state(), BreakerState::kOpen);
}

// Any sequence of calls and times: what is promised holds at each step.
TEST_F(BreakerTest, NeverAdmitsWhileOpenNorMoreThanItsProbes) {
    make();
    SeededRandom dice(3);
    std::vector<Breaker::Ticket> out;
    std::size_t probes_out = 0;
    SteadyTime open_until{};
    std::size_t seen = 0;
    for (int step = 0; step < 20000; ++step) {
        now += milliseconds(dice.next_u64() % 200);
        if (dice.next_u64() % 2 == 0) {
            const auto ticket = breaker->admit(now);
            if (ticket) {
                if (ticket->probe) ++probes_out;
                ASSERT_TRUE(ticket->probe || breaker->state() == BreakerState::kClosed);
                ASSERT_GE(now, open_until);
                out.push_back(*ticket);
            }
        } else if (!out.empty()) {
            const std::size_t at = dice.next_u64() % out.size();
            if (out[at].probe) --probes_out;
            const std::uint64_t luck = dice.next_u64() % 10;
            breaker->record(out[at],
                            luck < 4   ? Outcome::kServerError
                            : luck < 5 ? Outcome::kClientGone
                                       : Outcome::kSuccess,
                            now);
            out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
        }
        for (; seen < changes.size(); ++seen) {
            if (changes[seen].to == BreakerState::kOpen) {
                open_until = now + changes[seen].open_for;
                // Probes of an ended trial are no longer of this one.
                std::erase_if(out, [](const auto& t) { return t.probe; });
                probes_out = 0;
            }
            if (changes[seen].to == BreakerState::kClosed) {
                open_until = {};
                std::erase_if(out, [](const auto& t) { return t.probe; });
                probes_out = 0;
            }
        }
        ASSERT_LE(probes_out, options.probes);
    }
    EXPECT_GT(changes.size(), 20U) << "the walk met all states";
}

TEST(OutcomeTest, EveryStatusAndFailureIsOneOutcome) {
    EXPECT_EQ(outcome_of_status(204), Outcome::kSuccess);
    EXPECT_EQ(outcome_of_status(304), Outcome::kSuccess);
    EXPECT_EQ(outcome_of_status(404), Outcome::kClientError);
    EXPECT_EQ(outcome_of_status(408), Outcome::kRequestTimeout);
    EXPECT_EQ(outcome_of_status(429), Outcome::kThrottled);
    EXPECT_EQ(outcome_of_status(500), Outcome::kServerError);
    EXPECT_EQ(outcome_of_status(501), Outcome::kSuccess);
    EXPECT_EQ(outcome_of_status(503), Outcome::kGatewayError);
    using Kind = http::CallFailure::Kind;
    using Stage = http::CallFailure::Stage;
    EXPECT_EQ(outcome_of({Kind::kRefused, Stage::kConnect, "", true}), Outcome::kConnectFailure);
    EXPECT_EQ(outcome_of({Kind::kTimeout, Stage::kConnect, "", true}), Outcome::kConnectFailure);
    EXPECT_EQ(outcome_of({Kind::kTimeout, Stage::kHead, "", false}), Outcome::kTimeout);
    EXPECT_EQ(outcome_of({Kind::kProtocol, Stage::kHead, "", false}), Outcome::kReset);
    EXPECT_TRUE(is_neutral(outcome_of({Kind::kPoolFull, Stage::kConnect, "", true})));
    EXPECT_TRUE(is_neutral(outcome_of({Kind::kCancelled, Stage::kBody, "", false})));
    for (std::size_t i = 0; i < kOutcomes; ++i) EXPECT_FALSE(to_string(static_cast<Outcome>(i)).empty());
}

}  // namespace
}  // namespace tidegate::upstream
