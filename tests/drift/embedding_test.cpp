// Vectors: a shift and a change of shape are found, and nothing is found where nothing changed.

#include <gtest/gtest.h>

#include <cmath>

#include "drift/dice.h"
#include "drift/embedding.h"

namespace tidegate::drift {
namespace {

constexpr std::size_t kDimensions = 32;

// Normal in each direction; `shift` along the diagonal, in deviations; `spread` times as wide.
std::vector<std::vector<float>> vectors(Dice& dice, std::size_t count, double shift = 0, double spread = 1) {
    std::vector<std::vector<float>> all(count);
    for (std::vector<float>& one : all) {
        for (std::size_t i = 0; i < kDimensions; ++i) {
            one.push_back(static_cast<float>(spread * dice.normal() + shift / std::sqrt(kDimensions)));
        }
    }
    return all;
}

EmbeddingOptions quick() {
    EmbeddingOptions options;
    options.permutations = 99;
    options.fourier = 32;
    return options;
}

TEST(Embeddings, NothingIsFoundMoreOftenThanStatedWhereNothingChanged) {
    int by_ks = 0;
    int by_discrepancy = 0;
    constexpr int kWindows = 100;
    for (int i = 0; i < kWindows; ++i) {
        Dice dice(static_cast<std::uint64_t>(i) + 1);
        EmbeddingOptions options = quick();
        options.seed = static_cast<std::uint64_t>(i) + 1;
        const auto result = compare_embeddings(vectors(dice, 100), vectors(dice, 60), options);
        by_ks += result.ks_p <= 0.05 ? 1 : 0;
        by_discrepancy += result.discrepancy_p <= 0.05 ? 1 : 0;
    }
    // 5 of 100 and three deviations.
    EXPECT_LE(by_ks, 12);
    EXPECT_LE(by_discrepancy, 12);
}

TEST(Embeddings, AShiftAndAChangeOfShapeAreFound) {
    Dice dice(3);
    const auto reference = vectors(dice, 300);
    const auto shifted = compare_embeddings(reference, vectors(dice, 200, 3), quick());
    EXPECT_EQ(shifted.discrepancy_p, 0.01);
    EXPECT_LT(shifted.ks_p, 0.001);
    EXPECT_EQ(shifted.n, 200U);
    EXPECT_EQ(shifted.m, 300U);
    // The mean stays; each projection becomes wider.
    const auto wider = compare_embeddings(reference, vectors(dice, 200, 0, 2), quick());
    EXPECT_EQ(wider.discrepancy_p, 0.01);
    EXPECT_LT(wider.ks_p, 0.001);
}

TEST(Embeddings, TheSameSeedGivesTheSameFigures) {
    Dice dice(3);
    const auto reference = vectors(dice, 60);
    const auto window = vectors(dice, 60, 0.5);
    const auto one = compare_embeddings(reference, window, quick());
    const auto other = compare_embeddings(reference, window, quick());
    EXPECT_EQ(one.discrepancy, other.discrepancy);
    EXPECT_EQ(one.discrepancy_p, other.discrepancy_p);
    EXPECT_EQ(one.ks_p, other.ks_p);
}

TEST(Embeddings, TooFewVectorsAreNotJudged) {
    Dice dice(3);
    const auto result = compare_embeddings(vectors(dice, 300), vectors(dice, 29, 9), quick());
    EXPECT_FALSE(result.enough);
    EXPECT_EQ(result.ks_p, 1);
    EXPECT_EQ(result.discrepancy_p, 1);
}

TEST(Embeddings, ProjectionsKeepDistancesOnAverage) {
    Dice dice(5);
    const RandomProjection projection(kDimensions, 512, 1);
    const auto two = vectors(dice, 2);
    const auto a = projection.project(two[0]);
    const auto b = projection.project(two[1]);
    double before = 0;
    double after = 0;
    for (std::size_t i = 0; i < kDimensions; ++i) before += std::pow(two[0][i] - two[1][i], 2);
    for (std::size_t i = 0; i < a.size(); ++i) after += std::pow(a[i] - b[i], 2);
    // 512 squares of normals: the mean is within 0.25 of 1 in all but one of 30,000 draws of weights.
    EXPECT_NEAR(after / 512 * kDimensions / before, 1, 0.25);
}

}  // namespace
}  // namespace tidegate::drift
