// Distances between two distributions: from sorted samples, or from counts in the same cells.
#pragma once

#include <cstdint>
#include <span>

namespace tidegate::drift {

/// Largest distance of the two empirical distribution functions. Both sorted, finite, not empty.
double ks_distance(std::span<const double> a, std::span<const double> b);
/// Area between the two empirical distribution functions, in the values' unit. Both sorted, finite, not empty.
double wasserstein_distance(std::span<const double> a, std::span<const double> b);

// The following take counts of the same cells. Half a count is added to each cell that one of the two has and the other has
// not (none to cells empty in both), so that a logarithm exists.
using Counts = std::span<const std::uint64_t>;

/// Population stability index: sum of (p - q) ln(p / q).
double population_stability(Counts reference, Counts window);
/// Jensen-Shannon divergence in bits, 0 to 1; its square root is the distance.
double jensen_shannon(Counts reference, Counts window);
/// Pearson's statistic of homogeneity of the two rows of counts.
double chi_square_statistic(Counts reference, Counts window);
/// Cells that hold something in either, less one.
double cells_degrees(Counts reference, Counts window);

}  // namespace tidegate::drift
