#include "load/latencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "load/dice.h"

namespace tidegate::load {
namespace {

double exact(std::vector<std::int64_t> values, double q) {
    std::ranges::sort(values);
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
    return static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
}

TEST(Latencies, AQuantileIsWithinAFifthOfAPercentOfTheExactOne) {
    Dice dice(3);
    Latencies latencies;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 20'000; ++i) {
        // Over six powers of ten, as a bad day has them.
        values.push_back(static_cast<std::int64_t>(std::pow(10, 3 + 6 * dice.unit())));
        latencies.record(Duration(values.back()));
    }
    for (const double q : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
        const double wanted = exact(values, q);
        EXPECT_NEAR(latencies.quantile(q), wanted, wanted * 0.002) << q;
    }
    EXPECT_EQ(static_cast<double>(latencies.max()), exact(values, 1));
    EXPECT_EQ(static_cast<double>(latencies.min()), exact(values, 0));
}

TEST(Latencies, MergedAreAsRecordedTogether) {
    Latencies one, two, both;
    for (int i = 1; i < 1000; ++i) {
        (i % 3 == 0 ? one : two).record(Duration(i * i));
        both.record(Duration(i * i));
    }
    one.merge(two);
    EXPECT_EQ(one.steps(), both.steps());
    EXPECT_EQ(one.count(), both.count());
    EXPECT_EQ(one.mean(), both.mean());
    EXPECT_EQ(one.max(), both.max());
    one.merge(Latencies());
    EXPECT_EQ(one.count(), both.count());
}

TEST(Latencies, RestoredFromTheirStepsTheySayTheSame) {
    Latencies latencies, restored;
    for (int i = 1; i < 5000; ++i) latencies.record(Duration(i * 977));
    ASSERT_TRUE(restored.restore(latencies.steps(), latencies.sum(), latencies.min(), latencies.max()));
    for (const double q : {0.1, 0.5, 0.99, 1.0}) EXPECT_EQ(restored.quantile(q), latencies.quantile(q));
    EXPECT_EQ(restored.mean(), latencies.mean());
    EXPECT_EQ(restored.deviation(), latencies.deviation());
}

TEST(Latencies, AStepThatDoesNotExistOrABadMaximumIsRefused) {
    Latencies restored;
    EXPECT_FALSE(restored.restore({{1'000'000, 1}}, 1, 1, 1));
    EXPECT_FALSE(restored.restore({{5, 0}}, 5, 5, 5));
    EXPECT_FALSE(restored.restore({{5, 1}}, 5, 5, 5000));
    EXPECT_TRUE(restored.restore({{5, 1}}, 5, 5, 5));
}

TEST(Latencies, ClearedTheyAreEmpty) {
    Latencies latencies;
    latencies.record(Duration(123'456));
    latencies.clear();
    EXPECT_EQ(latencies.count(), 0U);
    EXPECT_EQ(latencies.quantile(0.5), 0);
    latencies.record(Duration(7));
    EXPECT_EQ(latencies.steps().size(), 1U);
    EXPECT_EQ(latencies.max(), 7U);
    EXPECT_EQ(latencies.min(), 7U);
}

}  // namespace
}  // namespace tidegate::load
