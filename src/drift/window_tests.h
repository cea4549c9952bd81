// WindowTests: is a window of a feature like its reference? Several distances, each with its chance and its size.
//
// Position    Called by app/ when a window is full; one object a feature.
// Guarantee   Without change each test is significant in a share `alpha` of the windows, whatever n from n_min on and, but for
//             Wasserstein, whatever the distribution (with many ties KS in less). Measured over 150,000 windows of 100 values: PSI, KS and Jensen-Shannon
//             hold levels from 0.05 to 0.0001 within a quarter; Wasserstein does for normal values, while for lognormal ones it
//             is 1.2 times as often significant as stated at 0.05, 3 times at 0.001 and 8 at 0.0001: a reference of 2,000 does not
//             show the rare large values. A window is called drifted only if it is significant and its effect, freed from what n
//             and m alone bring, reaches the stated minimum. Every result tells n and m.
// Algorithm   PSI, Jensen-Shannon and chi-square follow chi-square(cells - 1) x scale once a cell expects 100 values; below
//             that, and Wasserstein always, a table by simulation (null_tables.h). KS exactly or by its limit (special.h).
// When it fails  Too few values, or a constant reference (Wasserstein): `enough` is false, p is 1, `note` says why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "drift/null_tables.h"
#include "drift/reference.h"

namespace tidegate::drift {

/// The smallest effects that count. The defaults are what a shift of a tenth of a standard deviation makes of a normal
/// feature; half of it in shape is below them.
struct EffectMinima {
    double psi = 0.01;
    double ks = 0.04;               // Distance of the distribution functions.
    double wasserstein = 0.1;       // Standard deviations of the reference.
    double jensen_shannon = 0.042;  // Distance (root of the divergence in bits).
    double chi_square = 0.1;        // Cohen's w between the two rows of shares.
};

struct TestOptions {
    double alpha = 0.01;
    std::size_t n_min = 30;   // Values a window must have.
    std::size_t m_min = 100;  // Values a reference must have.
    std::size_t replicates = 1999;
    std::uint64_t seed = 1;
    EffectMinima effects;
};

struct TestResult {
    TestKind kind = TestKind::kPsi;
    double statistic =
        0;              // PSI; KS distance; Wasserstein in reference deviations; Jensen-Shannon divergence; chi-square.
    double effect = 0;  // In the unit of EffectMinima, less what chance alone brings.
    double effect_min = 0;
    double p = 1;
    double threshold = 0;  // Of the statistic, at alpha.
    std::size_t n = 0;
    std::size_t m = 0;
    bool enough = true;
    std::string_view note;

    bool large() const noexcept { return enough && effect >= effect_min; }
    /// At a level that a correction over features or time may have lowered.
    bool drifted(double alpha) const noexcept { return large() && p <= alpha; }
};

/// Of TestResult::note.
inline constexpr std::string_view kFewValues = "not enough data";
inline constexpr std::string_view kConstant = "the reference is constant";

class NumericTests {
  public:
    NumericTests(NumericReference reference, TestOptions options);
    /// The level that the thresholds of the next results are for.
    void set_alpha(double alpha) noexcept { options_.alpha = alpha; }
    const NumericReference& reference() const noexcept { return reference_; }
    /// PSI, KS, Wasserstein, Jensen-Shannon, in this order. NaN and infinities count as missing: a cell of the first and the
    /// last, left out of the others.
    std::vector<TestResult> compare(std::span<const double> window);
    /// The two whose levels hold for every distribution: KS and PSI, in this order.
    std::vector<TestResult> compare_deciding(std::span<const double> window);
    /// The other two: Wasserstein and Jensen-Shannon.
    std::vector<TestResult> compare_shown(std::span<const double> window);
    /// PSI and Jensen-Shannon from counters alone.
    std::vector<TestResult> compare_counts(const CellCounts& window);
    CellCounts count(std::span<const double> window) const;

  private:
    TestResult by_ks(std::span<const double> sorted) const;
    TestResult by_wasserstein(std::span<const double> sorted);
    NumericReference reference_;
    TestOptions options_;
    NullTables tables_;
};

class CategoryTests {
  public:
    CategoryTests(CategoryReference reference, TestOptions options);
    void set_alpha(double alpha) noexcept { options_.alpha = alpha; }
    const CategoryReference& reference() const noexcept { return reference_; }
    /// Chi-square and Jensen-Shannon.
    std::vector<TestResult> compare(const CellCounts& window);
    /// Chi-square.
    TestResult compare_deciding(const CellCounts& window);

  private:
    CategoryReference reference_;
    TestOptions options_;
    NullTables tables_;
};

}  // namespace tidegate::drift
