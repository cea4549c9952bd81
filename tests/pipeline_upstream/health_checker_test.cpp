#include "pipeline/upstream/health_checker.h"

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct HealthCheckerTest : testing::Test {
    HealthOptions options{.path = "/health"};
    SeededRandom random{3};
    SteadyTime now = start_time();
    Pool pool{"app", make_targets({1, 1}), {}, random, now};
    struct Asked {
        std::string target;
        HealthChecker::Done done;
        SteadyTime at;
    };
    std::vector<Asked> asked;
    std::unique_ptr<HealthChecker> checker;

    void make() {
        checker = std::make_unique<HealthChecker>(
            pool, options, random,
            [this](const PoolTarget& target, const HealthOptions& o, HealthChecker::Done done) {
                EXPECT_EQ(o.path, "/health");
                asked.push_back({target.name, std::move(done), now});
            },
            now);
    }
    /// Ticks as a timer would, for `time`; each probe is answered at once with what `status_of` says.
    template <class StatusOf>
    void run(Duration time, StatusOf status_of) {
        const SteadyTime end = now + time;
        while (true) {
            const SteadyTime next = checker->tick(now);
            for (Asked& probe : std::exchange(asked, {})) probe.done({.status = status_of(probe.target)}, now);
            if (std::min(next, checker->tick(now)) > end) break;
            now = std::max(now + milliseconds(1), std::min(next, end));
        }
        now = end;
    }
};

TEST_F(HealthCheckerTest, WithoutAPathNothingIsAsked) {
    options.path.clear();
    make();
    EXPECT_EQ(checker->tick(now), SteadyTime::max());
    EXPECT_TRUE(asked.empty());
}

TEST_F(HealthCheckerTest, EveryTargetIsAskedOnceAnIntervalLessOrMoreATenth) {
    make();
    run(seconds(500), [](const std::string&) { return 200; });
    EXPECT_NEAR(static_cast<double>(checker->counters().probes), 200, 6);
    EXPECT_TRUE(pool.is_healthy(0));
    EXPECT_EQ(checker->counters().failed, 0U);
}

TEST_F(HealthCheckerTest, TheFirstAnswerDecidesAtOnce) {
    make();
    run(seconds(5), [](const std::string& target) { return target == "target0" ? 503 : 200; });
    EXPECT_FALSE(pool.is_healthy(0));
    EXPECT_TRUE(pool.is_healthy(1));
}

TEST_F(HealthCheckerTest, LaterItTakesThreeBadAndTwoGoodInARow) {
    make();
    std::vector<int> script{200, 500, 500, 200, 500, 500, 500, 200, 500, 200, 200};
    std::vector<bool> expected{true, true, true, true, true, true, false, false, false, false, true};
    for (std::size_t i = 0; i < script.size(); ++i) {
        bool answered = false;
        while (!answered) {
            now += milliseconds(100);
            checker->tick(now);
            for (Asked& probe : std::exchange(asked, {})) {
                const bool zero = probe.target == "target0";
                probe.done({.status = zero ? script[i] : 200}, now);
                answered = answered || zero;
            }
        }
        EXPECT_EQ(pool.is_healthy(0), expected[i]) << i;
    }
    EXPECT_EQ(checker->counters().changes, 2U);
}

TEST_F(HealthCheckerTest, NoAnswerInTimeIsABadOneAndALateAnswerIsIgnored) {
    options.interval = seconds(60);
    make();
    std::vector<Asked> late;
    while (late.size() < 2) {
        now += milliseconds(100);
        checker->tick(now);
        for (Asked& probe : std::exchange(asked, {})) late.push_back(std::move(probe));
    }
    now += options.timeout;
    checker->tick(now);
    EXPECT_FALSE(pool.is_healthy(0));
    EXPECT_FALSE(pool.is_healthy(1));
    for (Asked& probe : late) {
        probe.done({.status = 200}, now);
        probe.done({.status = 200}, now);
    }
    EXPECT_FALSE(pool.is_healthy(0));
    EXPECT_EQ(checker->counters().failed, 2U);
}

TEST_F(HealthCheckerTest, OneProbeATargetIsUnderWay) {
    options.interval = milliseconds(100);
    options.timeout = seconds(60);
    make();
    for (int i = 0; i < 100; ++i) {
        now += milliseconds(100);
        checker->tick(now);
    }
    EXPECT_EQ(asked.size(), 2U);
}

TEST_F(HealthCheckerTest, AnAnswerAfterTheCheckerIsGoneIsHarmless) {
    make();
    now += seconds(5);
    checker->tick(now);
    ASSERT_FALSE(asked.empty());
    checker.reset();
    asked[0].done({.status = 503}, now);
    EXPECT_TRUE(pool.is_healthy(0));
}

TEST_F(HealthCheckerTest, AFailureToReachIsABadAnswer) {
    make();
    now += seconds(5);
    checker->tick(now);
    ASSERT_EQ(asked.size(), 2U);
    asked[0].done({.status = 0, .failure = Outcome::kConnectFailure}, now);
    EXPECT_EQ(checker->counters().failed, 1U);
}

}  // namespace
}  // namespace tidegate::upstream
