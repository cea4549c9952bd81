// NullTables: what a test's statistic looks like when nothing changed, by simulation from a seed.
//
// Algorithm   Counts in cells: shares drawn from the Dirichlet distribution of the reference's counts (its uncertainty), then a
//             window of n by these shares. Wasserstein: windows of n drawn from the reference's sample, scaled by
//             sqrt((1/n + 1/m) / (1/n)) for the reference's own uncertainty. Replicates are kept sorted for the next window of
//             about the same n (two leading digits; the scaled statistic hardly depends on n).
//             The far tail is that of an exponential fitted to the largest twentieth (Knijnenburg et al. 2009 with shape 0:
//             the statistics' tails are that or lighter), so that a level which many features divide can still be reached.
// Guarantee   The same seed, reference and n give the same table. Down to one hundredth a p-value is (1 + replicates at or
//             above) / (1 + replicates); below that it is the fitted tail's.
// Memory      At most 32 tables of `replicates` numbers; then all are dropped and made again when needed.
// Threads     One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "drift/statistics.h"

namespace tidegate::drift {

enum class TestKind : std::uint8_t { kPsi, kKs, kWasserstein, kJensenShannon, kChiSquare };
std::string_view to_string(TestKind kind) noexcept;

/// Null distribution of a statistic divided by (1/n + 1/m), or by its root for Wasserstein.
struct NullTable {
    std::vector<double> sorted;
    double mean_square = 0;  // Of the replicates.

    double p(double scaled) const noexcept;
    /// The smallest value with p at most alpha.
    double quantile(double alpha) const noexcept;
    /// Of the largest twentieth of the replicates: how many, the smallest, and the mean distance from it.
    struct Tail {
        double share = 0;
        double from = 0;
        double mean_excess = 0;
    };
    Tail tail;
};

class NullTables {
  public:
    NullTables(std::size_t replicates, std::uint64_t seed) : replicates_(replicates), seed_(seed) {}
    /// kPsi, kJensenShannon or kChiSquare.
    const NullTable& cells(TestKind kind, Counts reference, std::size_t n);
    /// `sample` is sorted.
    const NullTable& wasserstein(std::span<const double> sample, std::size_t n);

  private:
    static std::size_t rounded(std::size_t n) noexcept;
    NullTable& place(TestKind kind, std::size_t n);
    std::size_t replicates_;
    std::uint64_t seed_;
    std::map<std::pair<TestKind, std::size_t>, NullTable> tables_;
};

/// The statistic of the kind from counts.
double cell_statistic(TestKind kind, Counts reference, Counts window);
/// What the statistic is divided by to be chi-square with cells_degrees() of freedom for large n and m.
double cell_scale(TestKind kind, double n, double m) noexcept;

}  // namespace tidegate::drift
