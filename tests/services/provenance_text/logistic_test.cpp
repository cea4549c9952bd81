#include "services/provenance/text/logistic.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidegate::provenance::text {
namespace {

TEST(Logistic, FindsTheRatesOfABinaryFeature) {
    // 3 of 4 ones where the feature is set, 1 of 4 where it is not: log-odds +ln 3 and -ln 3.
    SparseRows rows;
    for (int i = 0; i < 4; ++i) {
        rows.begin_row(i < 3 ? 1 : 0, 1);
        rows.add(0, 1.0F);
        rows.begin_row(i < 1 ? 1 : 0, 1);
    }
    const LogisticFit fit =
        fit_logistic(rows, {}, 1, {.l2 = 0, .iterations_max = 200, .tolerance = 1e-9, .column_scale = {}, .prior = {}});
    EXPECT_NEAR(fit.bias, -std::log(3.0), 1e-5);
    EXPECT_NEAR(fit.weights[0], 2 * std::log(3.0), 1e-5);
}

TEST(Logistic, PenaltyPullsToThePrior) {
    SparseRows rows;
    rows.begin_row(1, 1);
    rows.add(0, 1.0F);
    rows.begin_row(0, 1);
    rows.add(0, 1.0F);
    const std::vector<double> prior = {0.5};
    const LogisticFit fit = fit_logistic(
        rows, {}, 1, {.l2 = 1000, .iterations_max = 200, .tolerance = 1e-9, .column_scale = {}, .prior = prior});
    EXPECT_NEAR(fit.weights[0], 0.5, 1e-3);
}

TEST(Logistic, TheGradientVanishesAtTheFit) {
    SparseRows rows;
    for (int i = 0; i < 50; ++i) {
        rows.begin_row(std::sin(i * 7.0) > 0.2 ? 1 : 0, 1 + i % 3);
        for (std::uint32_t c = 0; c < 5; ++c) rows.add(c, static_cast<float>(std::cos(i * (c + 1.0))));
    }
    const double l2 = 0.01;
    const LogisticFit fit = fit_logistic(
        rows, {}, 5, {.l2 = l2, .iterations_max = 500, .tolerance = 1e-9, .column_scale = {}, .prior = {}});
    std::vector<double> gradient(5, 0);
    double total = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        double margin = fit.bias;
        for (std::size_t c = 0; c < 5; ++c) margin += fit.weights[c] * static_cast<double>(rows.values(r)[c]);
        const double push = rows.weight(r) * (1 / (1 + std::exp(-margin)) - rows.target(r));
        for (std::size_t c = 0; c < 5; ++c) gradient[c] += push * static_cast<double>(rows.values(r)[c]);
        total += rows.weight(r);
    }
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(gradient[c] / total + l2 * fit.weights[c], 0, 1e-6);
}

}  // namespace
}  // namespace tidegate::provenance::text
