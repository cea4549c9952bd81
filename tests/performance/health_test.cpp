#include "performance/health.h"

#include <gtest/gtest.h>

#include <cmath>

#include "performance/samples.h"

namespace tidegate::performance {
namespace {

constexpr Thresholds kLatency{100, 500, 1000};
constexpr HysteresisOptions kOptions{.samples_to_worsen = 2, .samples_to_recover = 3, .clear_share = 0.1};

TEST(Judge, WithoutDataItIsUnknownNeverHealthy) {
    Judge judge(kLatency, true, kOptions);
    EXPECT_EQ(judge.state(), State::kUnknown);
    EXPECT_EQ(judge.judge(std::nan("")), State::kUnknown);
    EXPECT_EQ(judge.judge(50), State::kHealthy);
    EXPECT_EQ(judge.judge(std::nan("")), State::kUnknown);
}

TEST(Judge, OneSampleChangesNothingAndTwoInARowDo) {
    Judge judge(kLatency, true, kOptions);
    judge.judge(50);
    EXPECT_EQ(judge.judge(600), State::kHealthy);
    EXPECT_EQ(judge.judge(50), State::kHealthy);
    EXPECT_EQ(judge.judge(600), State::kHealthy);
    EXPECT_EQ(judge.judge(600), State::kWarning);
}

TEST(Judge, ARowCountsAsItsMildest) {
    Judge judge(kLatency, true, kOptions);
    judge.judge(50);
    judge.judge(2000);
    EXPECT_EQ(judge.judge(150), State::kElevated);
}

TEST(Judge, FromUnknownARowCountsAsItsMildestToo) {
    Judge judge(kLatency, true, kOptions);
    EXPECT_EQ(judge.judge(2000), State::kUnknown);
    EXPECT_EQ(judge.judge(600), State::kWarning);
}

TEST(Judge, AroundAThresholdItDoesNotFlap) {
    Judge judge(kLatency, true, kOptions);
    judge.judge(50);
    judge.judge(110);
    ASSERT_EQ(judge.judge(110), State::kElevated);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(judge.judge(i % 2 == 0 ? 95 : 105), State::kElevated) << i;
    // Clear of it by a tenth, three times.
    judge.judge(80);
    judge.judge(80);
    EXPECT_EQ(judge.judge(80), State::kHealthy);
}

TEST(Judge, WhereLowIsBadItGoesTheOtherWay) {
    Judge judge({85, 70, 50}, false, kOptions);
    EXPECT_EQ(judge.judge(95), State::kHealthy);
    judge.judge(40);
    EXPECT_EQ(judge.judge(40), State::kCritical);
    judge.judge(99);
    judge.judge(99);
    EXPECT_EQ(judge.judge(99), State::kHealthy);
}

TEST(Judge, WithoutThresholdsItIsOff) {
    Judge judge({0, 0, 0}, false, kOptions);
    EXPECT_EQ(judge.judge(1), State::kOff);
}

PerformanceSettings settings() {
    PerformanceSettings out;
    out.samples_to_worsen = 1;
    out.samples_to_recover = 1;
    out.p95_ms = kLatency;
    out.cpu_percent = {70, 80, 90};
    out.error_percent = {1, 2, 5};
    out.hit_percent = {85, 70, 50};
    out.memory_percent = {80, 90, 95};
    return out;
}

const Judged& of(const HealthReport& report, std::string_view name) {
    for (const Judged& one : report.metrics) {
        if (one.name == name) return one;
    }
    ADD_FAILURE() << name;
    return report.metrics.front();
}

TEST(Health, JudgesTheLastMinuteAndSaysWhatItDoesNotKnow) {
    Health health(settings());
    EXPECT_EQ(health.read().state, State::kUnknown);
    health.judge(testing::sample_of(10'000, std::vector<double>(10, 700)));
    HealthReport report = health.read();
    // Ten requests are too few to say; CPU is known: 1 s of 10 s on two cores.
    EXPECT_EQ(of(report, "latency_p95_ms").state, State::kUnknown);
    EXPECT_FALSE(of(report, "latency_p95_ms").why.empty());
    EXPECT_EQ(of(report, "cpu_percent").state, State::kHealthy);
    EXPECT_EQ(of(report, "hit_percent").state, State::kUnknown);
    EXPECT_EQ(of(report, "requests_per_second").state, State::kOff);
    EXPECT_EQ(report.state, State::kHealthy);
    health.judge(testing::sample_of(20'000, std::vector<double>(10, 700)));
    report = health.read();
    EXPECT_EQ(of(report, "latency_p95_ms").state, State::kWarning);
    EXPECT_NEAR(of(report, "latency_p95_ms").value, 700, 12);
    EXPECT_EQ(of(report, "latency_p95_ms").since, 20'000);
    EXPECT_EQ(report.state, State::kWarning);
    // A minute without requests, and it is unknown again.
    for (int i = 3; i < 10; ++i) health.judge(testing::sample_of(i * 10'000, {}));
    EXPECT_EQ(of(health.read(), "latency_p95_ms").state, State::kUnknown);
}

TEST(Settings, ThresholdsInTheWrongOrderAreRefused) {
    PerformanceSettings wrong = settings();
    EXPECT_TRUE(check(wrong).has_value());
    wrong.p95_ms = {500, 100, 1000};
    EXPECT_FALSE(check(wrong).has_value());
    wrong = settings();
    wrong.hit_percent = {50, 70, 85};
    EXPECT_FALSE(check(wrong).has_value());
}

}  // namespace
}  // namespace tidegate::performance
