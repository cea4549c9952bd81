#include "observe/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

namespace tidegate::observe {
namespace {

TEST(Histogram, EveryStepHoldsItsOwnMiddleAndStepsFollowEachOther) {
    std::uint32_t last = 0;
    for (std::uint64_t value = 0; value < 3'000'000; value += 1 + value / 3000) {
        const std::uint32_t step = Histogram::step_of(value);
        ASSERT_GE(step, last);
        last = step;
        const double middle = Histogram::middle_of(step);
        ASSERT_EQ(Histogram::step_of(static_cast<std::uint64_t>(middle)), step) << value;
        ASSERT_LE(std::abs(middle - static_cast<double>(value)), 0.002 * static_cast<double>(value)) << value;
    }
    EXPECT_LT(Histogram::step_of(~std::uint64_t{0}), Histogram::kOctaves * Histogram::kStepsPerOctave);
}

TEST(Histogram, QuantilesAreWithinTwoTenthsOfAPercentOfTheSortedValues) {
    Histogram histogram(HistogramSpec::latency());
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> latency(13, 1.5);  // Median 0.44 ms in nanoseconds, a long tail.
    std::vector<std::uint64_t> values(50'000);
    for (auto& value : values) {
        value = static_cast<std::uint64_t>(latency(random));
        histogram.record(value);
    }
    std::ranges::sort(values);
    const HistogramSnapshot snapshot = histogram.snapshot();
    for (const double q : {0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::max(1.0, std::ceil(q * 50'000)));
        const auto exact = static_cast<double>(values[rank - 1]);
        EXPECT_NEAR(snapshot.quantile(q), exact, exact * 0.002) << q;
    }
    EXPECT_EQ(snapshot.max, values.back());
    EXPECT_EQ(snapshot.count, 50'000U);
}

TEST(Histogram, BucketsAreExactAtTheirBounds) {
    Histogram histogram({{0.001, 0.005, 0.01}, 1e-9});
    histogram.record(1'000'000);  // Equal to a bound: inside it.
    histogram.record(1'000'001);
    histogram.record(5'000'000);
    histogram.record(10'000'001);
    histogram.record(Duration(-5));  // A clock that went back.
    const HistogramSnapshot snapshot = histogram.snapshot();
    EXPECT_EQ(snapshot.buckets, (std::vector<std::uint64_t>{2, 2, 0, 1}));
    EXPECT_EQ(snapshot.sum, 17'000'002);
}

TEST(Histogram, NothingRecordedGivesZeroes) {
    const Histogram histogram(HistogramSpec::latency());
    EXPECT_EQ(histogram.snapshot().quantile(0.99), 0);
    EXPECT_EQ(histogram.snapshot().mean(), 0);
}

TEST(Histogram, ThreadsTogetherLoseNothing) {
    Histogram histogram(HistogramSpec::latency());
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&histogram] {
            for (std::uint64_t i = 1; i <= 10'000; ++i) histogram.record(i * 100);
        });
    }
    for (auto& thread : threads) thread.join();
    const HistogramSnapshot snapshot = histogram.snapshot();
    EXPECT_EQ(snapshot.count, 80'000U);
    EXPECT_EQ(snapshot.sum, 8 * 100.0 * 10'000 * 10'001 / 2);
    EXPECT_EQ(snapshot.max, 1'000'000U);
    EXPECT_NEAR(snapshot.quantile(0.5), 500'000, 1000);
}

TEST(Histogram, MergedSnapshotsEqualOneHistogramOfAll) {
    Histogram a(HistogramSpec::latency());
    Histogram b(HistogramSpec::latency());
    Histogram all(HistogramSpec::latency());
    for (std::uint64_t i = 0; i < 1000; ++i) {
        (i % 3 == 0 ? a : b).record(i * i * 100);
        all.record(i * i * 100);
    }
    HistogramSnapshot merged;
    merged.merge(a.snapshot());
    merged.merge(b.snapshot());
    const HistogramSnapshot expected = all.snapshot();
    EXPECT_EQ(merged.count, expected.count);
    EXPECT_EQ(merged.buckets, expected.buckets);
    for (const double q : {0.1, 0.5, 0.99}) EXPECT_EQ(merged.quantile(q), expected.quantile(q));
}

TEST(Histogram, WhatWasCountedBetweenTwoSnapshotsIsTheirDifference) {
    Histogram histogram(HistogramSpec::latency());
    for (std::uint64_t i = 1; i <= 1000; ++i) histogram.record(i * 1000);
    const HistogramSnapshot before = histogram.snapshot();
    EXPECT_EQ(before.since(before).count, 0U);
    EXPECT_EQ(before.since(before).quantile(0.5), 0);
    Histogram alone(HistogramSpec::latency());
    for (std::uint64_t i = 1; i <= 500; ++i) {
        histogram.record(i * 7'000'000);
        alone.record(i * 7'000'000);
    }
    const HistogramSnapshot between = histogram.snapshot().since(before);
    const HistogramSnapshot expected = alone.snapshot();
    EXPECT_EQ(between.count, 500U);
    EXPECT_EQ(between.buckets, expected.buckets);
    EXPECT_DOUBLE_EQ(between.sum, expected.sum);
    for (const double q : {0.0, 0.1, 0.5, 0.99, 1.0}) EXPECT_EQ(between.quantile(q), expected.quantile(q)) << q;
}

}  // namespace
}  // namespace tidegate::observe
