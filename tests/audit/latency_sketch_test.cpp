#include "audit/latency_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace tidegate::audit {
namespace {

TEST(LatencySketch, QuantilesAreWithinItsErrorOfTheSortedValues) {
    std::mt19937_64 random(5);
    std::lognormal_distribution<double> latency(6, 2);
    std::vector<std::int64_t> values(20'000);
    LatencySketch sketch;
    for (auto& value : values) {
        value = static_cast<std::int64_t>(latency(random));
        sketch.add(value);
    }
    std::ranges::sort(values);
    for (const double q : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto exact = static_cast<double>(values[static_cast<std::size_t>(std::ceil(q * 20'000)) - 1]);
        EXPECT_NEAR(sketch.quantile(q), exact, exact * 0.016) << q;
    }
    EXPECT_EQ(sketch.count(), 20'000U);
    EXPECT_EQ(LatencySketch().quantile(0.5), 0);
}

TEST(LatencySketch, ExtremeValuesHaveAPlace) {
    LatencySketch sketch;
    sketch.add(-7);
    sketch.add(0);
    EXPECT_EQ(sketch.quantile(1), 0);
    sketch.add(INT64_MAX);
    EXPECT_NEAR(sketch.quantile(1), 9.223e18, 0.016 * 9.223e18);
}

TEST(LatencySketch, StoredAndReadBackItIsTheSame) {
    LatencySketch sketch;
    for (std::int64_t value = 1; value < 1'000'000'000; value = value * 3 + 1)
        sketch.add(value, static_cast<std::uint64_t>(value));
    std::vector<std::uint8_t> bytes;
    sketch.encode(bytes);
    LatencySketch read;
    ASSERT_TRUE(read.merge_encoded(bytes));
    EXPECT_EQ(read, sketch);
    ASSERT_TRUE(read.merge_encoded(bytes));
    EXPECT_EQ(read.count(), 2 * sketch.count());
}

TEST(LatencySketch, BrokenBytesAreDataLoss) {
    const std::vector<std::vector<std::uint8_t>> broken{
        {5}, {5, 0x80}, {0xFF, 0xFF, 0xFF, 0x7F, 1}, std::vector<std::uint8_t>(30, 0x80)};
    for (const auto& bytes : broken) EXPECT_FALSE(LatencySketch().merge_encoded(bytes));
}

}  // namespace
}  // namespace tidegate::audit
