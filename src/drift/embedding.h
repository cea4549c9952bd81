// Embedding: did the vectors of a window come from where those of the reference came from?
//
// Position    For services that have embeddings. None feeds it yet: a decision's record holds no vector.
// Algorithm   Random projections (Johnson and Lindenstrauss 1984) to a few numbers, each tested by KS, corrected by Bonferroni; and the
//             maximum mean discrepancy (Gretton et al. 2012) with random Fourier features (Rahimi and Recht 2007), the
//             median distance as the kernel's width, its p-value by permutations. The seed decides both.
// Guarantee   Without change each p-value is at most alpha in a share alpha of the windows: the permutation test by construction, KS
//             as in special.h.
// Memory      8 bytes x (vectors of both) x (numbers + fourier).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::drift {

/// Vectors of one length to `numbers` numbers; the same seed gives the same numbers.
class RandomProjection {
  public:
    RandomProjection(std::size_t dimensions, std::size_t numbers, std::uint64_t seed);
    std::size_t dimensions() const noexcept { return dimensions_; }
    std::size_t numbers() const noexcept { return numbers_; }
    /// `vector` has `dimensions` values.
    std::vector<double> project(std::span<const float> vector) const;

  private:
    std::size_t dimensions_;
    std::size_t numbers_;
    std::vector<double> weights_;  // A row a number.
};

struct EmbeddingOptions {
    std::size_t numbers = 8;
    std::size_t fourier = 64;
    std::size_t permutations = 999;
    std::size_t least = 30;  // Vectors, of each.
    std::uint64_t seed = 1;
};

struct EmbeddingResult {
    bool enough = false;
    std::size_t n = 0;           // Vectors of the window.
    std::size_t m = 0;           // Of the reference.
    double ks_distance = 0;      // The largest over the projections.
    double ks_p = 1;             // Corrected over the projections.
    double discrepancy = 0;      // Squared, estimated by the Fourier features.
    double discrepancy_p = 1;    // 1 / (permutations + 1) at least.
    std::size_t projection = 0;  // Of ks_distance.
};

/// All vectors have the same length, above 0; one of another ends the process.
EmbeddingResult compare_embeddings(std::span<const std::vector<float>> reference,
                                   std::span<const std::vector<float>> window, const EmbeddingOptions& options);

}  // namespace tidegate::drift
