#include "services/provenance/text/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidegate::provenance::text {
namespace {

TEST(Metrics, AurocCountsPairsAndHalvesTies) {
    const std::vector<Scored> perfect = {{1, false}, {2, false}, {3, true}};
    EXPECT_DOUBLE_EQ(auroc(perfect), 1.0);
    const std::vector<Scored> tied = {{1, false}, {1, true}};
    EXPECT_DOUBLE_EQ(auroc(tied), 0.5);
    const std::vector<Scored> mixed = {{1, false}, {2, true}, {3, false}, {4, true}};
    EXPECT_DOUBLE_EQ(auroc(mixed), 0.75);
    EXPECT_TRUE(std::isnan(auroc(std::vector<Scored>{{1, true}})));
}

TEST(Metrics, HitsAtAFixedFalsePositiveRateNeverFlagMoreHumansThanAllowed) {
    std::vector<Scored> items;
    for (int i = 0; i < 100; ++i) items.push_back({static_cast<double>(i), false});
    for (int i = 0; i < 10; ++i) items.push_back({94.5 + i, true});
    EXPECT_DOUBLE_EQ(tpr_at_fpr(items, 0.01), 0.6);  // Limit 98: 98.5 and five above.
    EXPECT_DOUBLE_EQ(tpr_at_fpr(items, 0.05), 1.0);
    EXPECT_DOUBLE_EQ(tpr_at_fpr(items, 0.0), 0.5);
}

TEST(Metrics, CalibrationErrorIsZeroForHonestProbabilities) {
    const std::vector<Scored> honest = {{0.75, true}, {0.75, true}, {0.75, true}, {0.75, false}};
    EXPECT_NEAR(calibration_error(honest), 0, 1e-12);
    const std::vector<Scored> boastful = {{0.95, true}, {0.95, false}};
    EXPECT_NEAR(calibration_error(boastful), 0.45, 1e-12);
}

TEST(Metrics, TheBootstrapIsRepeatableAndHoldsTheValue) {
    std::vector<Scored> items;
    for (int i = 0; i < 60; ++i) items.push_back({std::sin(i) + (i % 2) * 0.7, i % 2 == 1});
    const Estimate once = bootstrap(items, auroc, 100, 5);
    const Estimate again = bootstrap(items, auroc, 100, 5);
    EXPECT_EQ(once.low, again.low);
    EXPECT_EQ(once.high, again.high);
    EXPECT_LT(once.low, once.value);
    EXPECT_GT(once.high, once.value);
}

}  // namespace
}  // namespace tidegate::provenance::text
