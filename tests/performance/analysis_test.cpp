#include "performance/analysis.h"

#include <gtest/gtest.h>

#include <cmath>

#include "drift/dice.h"
#include "performance/samples.h"

namespace tidegate::performance {
namespace {

using testing::sample_of;

constexpr std::int64_t kBlockMs = 100'000;

/// A period of 96 blocks; `make` gives each block's sample.
template <class Make>
Period period_of(Make&& make) {
    Period out{.from = 0, .to = kBlockMs * 96, .block_ms = kBlockMs, .samples = 96, .all = {}, .blocks = {}};
    for (int i = 0; i < 96; ++i) {
        out.blocks.push_back(make(i));
        out.all.merge(out.blocks.back());
    }
    return out;
}

std::vector<double> latencies(drift::Dice& dice, int count, double factor) {
    std::vector<double> out;
    for (int i = 0; i < count; ++i) out.push_back(std::exp(dice.normal() * 0.5) * factor);
    return out;
}

const Comparison& find(const std::vector<Comparison>& all, std::string_view name) {
    for (const Comparison& one : all) {
        if (one.name == name) return one;
    }
    ADD_FAILURE() << name;
    return all.front();
}

TEST(Compare, ASlowerPeriodIsWorseAndNamesTheRoute) {
    drift::Dice dice(3);
    const Period before = period_of([&](int i) { return sample_of(i * kBlockMs, latencies(dice, 60, 10)); });
    const Period now = period_of([&](int i) { return sample_of(i * kBlockMs, latencies(dice, 60, 14)); });
    const auto compared = compare(before, now);
    EXPECT_EQ(find(compared, "latency_p95_ms").verdict, "worse");
    EXPECT_EQ(find(compared, "latency_p95_ms POST /api/v1/detect/text").verdict, "worse");
    EXPECT_NEAR(find(compared, "latency_p95_ms").change_percent, 40, 8);
    EXPECT_EQ(find(compared, "cpu_percent").verdict, "same");
    EXPECT_EQ(find(compared, "hit_percent").verdict, "unknown");
    EXPECT_EQ(find(compare(now, before), "latency_p95_ms").verdict, "better");
}

// 100 pairs of periods of the same kind, some 13 numbers each: at most a few may be called different.
TEST(Compare, PeriodsOfTheSameKindAreTheSame) {
    drift::Dice dice(5);
    int called = 0;
    const auto make = [&] {
        return period_of(
            [&](int i) { return sample_of(i * kBlockMs, latencies(dice, 30, 10), dice.below(2), 1 + dice.uniform()); });
    };
    for (int run = 0; run < 100; ++run) {
        for (const Comparison& one : compare(make(), make())) {
            called += one.verdict == "worse" || one.verdict == "better" ? 1 : 0;
        }
    }
    EXPECT_LE(called, 3);
}

TEST(Trends, AGrowingMemoryIsRisingAndTheRestIsNot) {
    drift::Dice dice(9);
    const Period period = period_of([&](int i) {
        Sample sample = sample_of(i * kBlockMs, latencies(dice, 30, 10));
        sample.values["resident_bytes"] = Value::of(1e8 + 1e6 * i + 1e6 * dice.normal());
        return sample;
    });
    for (const Trend& trend : trends_of(period)) {
        const bool rises = trend.measure->name == "resident_bytes";
        const bool known = !std::isnan(trend.measure->of(period.all));
        EXPECT_EQ(trend.direction, rises ? "rising" : known ? "none" : "unknown") << trend.measure->name;
    }
}

TEST(Trends, TheSlopeIsOfTheTimeAlsoWhereTwoOfThreeBlocksHaveNoSample) {
    Period period{.from = 0, .to = kBlockMs * 96, .block_ms = kBlockMs, .samples = 32, .all = {}, .blocks = {}};
    for (int i = 1; i <= 32; ++i) {
        period.blocks.push_back(sample_of(i * 3 * kBlockMs, {10}));
        period.blocks.back().values["resident_bytes"] = Value::of(1e8 + 1e6 * i);
    }
    for (const Trend& trend : trends_of(period)) {
        if (trend.measure->name != "resident_bytes") continue;
        EXPECT_EQ(trend.direction, "rising");
        // A megabyte each 300 s.
        EXPECT_NEAR(trend.slope_per_hour, 12e6, 1);
    }
}

TEST(SlowestRoutes, NameTheStageOfTheSlowRequests) {
    Sample sample = sample_of(1000, std::vector<double>(100, 5));
    RouteSample& route = sample.routes[0];
    // Most time in all goes to `compute`; what makes requests slow is `queue`.
    route.slow = 5;
    route.stages = {{.stage = "compute", .requests = 100, .ns = 400'000'000, .slow_ns = 10'000'000},
                    {.stage = "queue", .requests = 100, .ns = 50'000'000, .slow_ns = 40'000'000}};
    auto slowest = slowest_routes(sample, 10);
    ASSERT_EQ(slowest.size(), 1U);
    EXPECT_EQ(slowest[0].stage, "queue");
    EXPECT_NEAR(slowest[0].stage_percent, 80, 1e-9);
    EXPECT_NEAR(slowest[0].stage_mean_ms, 8, 1e-9);
    EXPECT_EQ(slowest[0].basis, "slow requests");
    route.slow = 0;
    EXPECT_EQ(slowest_routes(sample, 10)[0].stage, "compute");
    EXPECT_EQ(slowest_routes(sample, 10)[0].basis, "all requests");
    sample.routes[0].latency = testing::distribution_of(std::vector<double>(19, 5));
    EXPECT_TRUE(slowest_routes(sample, 10).empty());
}

TEST(Capacity, IsReckonedFromTheDemandOfARequest) {
    drift::Dice dice(21);
    // Two cores; 0.1 of one busy without requests, 20 ms a request: 80 % of two cores are (1.6 - 0.1) / 0.02 = 75 requests/s.
    const Period period = period_of([&](int i) {
        const int requests = 50 + (i % 12) * 30;
        const double cpu = 10 * 0.1 + requests * 0.02 + 0.05 * dice.normal();
        return sample_of(i * kBlockMs, std::vector<double>(static_cast<std::size_t>(requests), 5), 0, cpu);
    });
    const Capacity capacity = capacity_of(period, 80);
    ASSERT_EQ(capacity.reason, "");
    EXPECT_NEAR(capacity.requests_per_second, 75, 2);
    EXPECT_LT(capacity.low, capacity.requests_per_second);
    EXPECT_GT(capacity.high, capacity.requests_per_second);
    EXPECT_NEAR(capacity.cpu_ms_per_request, 20, 0.5);
    EXPECT_NEAR(capacity.idle_cores, 0.1, 0.05);
    EXPECT_NEAR(capacity.observed_peak, 38, 0.1);
}

TEST(Capacity, OfTooLittleDataIsNoneAndSaysWhy) {
    EXPECT_NE(capacity_of(Period{}, 80).reason, "");
    const Period even = period_of([&](int i) { return sample_of(i * kBlockMs, std::vector<double>(50, 5), 0, 1); });
    EXPECT_NE(capacity_of(even, 80).reason, "");
}

}  // namespace
}  // namespace tidegate::performance
