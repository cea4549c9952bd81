#include "drift/window_tests.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "drift/special.h"

namespace tidegate::drift {
namespace {

std::size_t values_in(Counts counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double effect_min_of(TestKind kind, const EffectMinima& minima) {
    switch (kind) {
        case TestKind::kPsi:
            return minima.psi;
        case TestKind::kKs:
            return minima.ks;
        case TestKind::kWasserstein:
            return minima.wasserstein;
        case TestKind::kJensenShannon:
            return minima.jensen_shannon;
        case TestKind::kChiSquare:
            return minima.chi_square;
    }
    return 0;
}

TestResult started(TestKind kind, std::size_t n, std::size_t m, const TestOptions& options) {
    TestResult result;
    result.kind = kind;
    result.n = n;
    result.m = m;
    result.effect_min = effect_min_of(kind, options.effects);
    result.enough = n >= options.n_min && m >= options.m_min;
    if (!result.enough) result.note = kFewValues;
    return result;
}

// Whether the limit may be trusted: the rarest cell of the reference expects enough in the window.
bool is_large(Counts reference, double n, double m) {
    constexpr double kExpected = 100;
    return std::ranges::all_of(reference, [n, m](std::uint64_t count) {
        return count == 0 || static_cast<double>(count) * n / m >= kExpected;
    });
}

// The part of the statistic that is more than chance brings on average, as an effect.
double effect_of(TestKind kind, double statistic, double degrees, double n, double m) {
    const double excess = std::max(statistic - degrees * cell_scale(kind, n, m), 0.0);
    if (kind == TestKind::kPsi) return excess;
    return std::sqrt(kind == TestKind::kChiSquare ? excess * (1 / n + 1 / m) : excess);
}

TestResult by_cells(TestKind kind, Counts reference, Counts window, const TestOptions& options, NullTables& tables) {
    TestResult result = started(kind, values_in(window), values_in(reference), options);
    if (!result.enough) return result;
    const auto n = static_cast<double>(result.n);
    const auto m = static_cast<double>(result.m);
    const double degrees = cells_degrees(reference, window);
    const double scale = cell_scale(kind, n, m);
    result.statistic = cell_statistic(kind, reference, window);
    result.effect = effect_of(kind, result.statistic, degrees, n, m);
    if (degrees == 0) return result;
    // Simulating a larger window would take longer than 0.1 s; its rare cells hardly weigh there.
    constexpr double kSimulatedMax = 10'000;
    if (is_large(reference, n, m) || n > kSimulatedMax) {
        result.p = chi_square_tail(result.statistic / scale, degrees);
        result.threshold = chi_square_quantile(options.alpha, degrees) * scale;
    } else {
        const NullTable& table = tables.cells(kind, reference, result.n);
        result.p = table.p(result.statistic / scale);
        result.threshold = table.quantile(options.alpha) * scale;
    }
    return result;
}

std::vector<double> sorted_finite(std::span<const double> values) {
    std::vector<double> sorted;
    std::ranges::copy_if(values, std::back_inserter(sorted), [](double value) { return std::isfinite(value); });
    std::ranges::sort(sorted);
    return sorted;
}

}  // namespace

NumericTests::NumericTests(NumericReference reference, TestOptions options)
    : reference_(std::move(reference)), options_(options), tables_(options.replicates, options.seed) {}

CellCounts NumericTests::count(std::span<const double> window) const {
    CellCounts counts(reference_.cells.size());
    for (const double value : window) {
        counts.add(std::isfinite(value) ? reference_.cells.cell_of(value) : reference_.cells.missing());
    }
    return counts;
}

std::vector<TestResult> NumericTests::compare_counts(const CellCounts& window) {
    const std::vector<std::uint64_t> before = reference_.cells.folded(reference_.counts);
    const std::vector<std::uint64_t> now = reference_.cells.folded(window);
    return {by_cells(TestKind::kPsi, before, now, options_, tables_),
            by_cells(TestKind::kJensenShannon, before, now, options_, tables_)};
}

TestResult NumericTests::by_ks(std::span<const double> sorted) const {
    TestResult result = started(TestKind::kKs, sorted.size(), reference_.sample.size(), options_);
    if (!result.enough) return result;
    const auto n = static_cast<double>(result.n);
    const auto m = static_cast<double>(result.m);
    const double noise = 1 / n + 1 / m;
    result.statistic = ks_distance(reference_.sample, sorted);
    result.p = ks_two_sample_p(result.statistic, result.n, result.m);
    // The square of the bridge's supremum is pi^2 / 12 on average.
    constexpr double kMeanSquare = 0.8224670334241132;
    result.effect = std::sqrt(std::max(result.statistic * result.statistic - kMeanSquare * noise, 0.0));
    // By the first term of the limit, which at alpha up to 0.2 is all of it, with the correction that p has too.
    const double root = std::sqrt(1 / noise);
    result.threshold = std::sqrt(-0.5 * std::log(options_.alpha / 2)) / (root + 0.12 + 0.11 / root);
    return result;
}

TestResult NumericTests::by_wasserstein(std::span<const double> sorted) {
    TestResult result = started(TestKind::kWasserstein, sorted.size(), reference_.sample.size(), options_);
    if (result.enough && reference_.deviation == 0) {
        result.enough = false;
        result.note = kConstant;
    }
    if (!result.enough) return result;
    const double scale = std::sqrt(1 / static_cast<double>(result.n) + 1 / static_cast<double>(result.m));
    const double distance = wasserstein_distance(reference_.sample, sorted);
    const NullTable& table = tables_.wasserstein(reference_.sample, result.n);
    result.p = table.p(distance / scale);
    result.threshold = table.quantile(options_.alpha) * scale / reference_.deviation;
    result.statistic = distance / reference_.deviation;
    const double excess = distance * distance - table.mean_square * scale * scale;
    result.effect = std::sqrt(std::max(excess, 0.0)) / reference_.deviation;
    return result;
}

std::vector<TestResult> NumericTests::compare_deciding(std::span<const double> window) {
    const std::vector<std::uint64_t> before = reference_.cells.folded(reference_.counts);
    const std::vector<std::uint64_t> now = reference_.cells.folded(count(window));
    return {by_ks(sorted_finite(window)), by_cells(TestKind::kPsi, before, now, options_, tables_)};
}

std::vector<TestResult> NumericTests::compare_shown(std::span<const double> window) {
    const std::vector<std::uint64_t> before = reference_.cells.folded(reference_.counts);
    const std::vector<std::uint64_t> now = reference_.cells.folded(count(window));
    return {by_wasserstein(sorted_finite(window)), by_cells(TestKind::kJensenShannon, before, now, options_, tables_)};
}

std::vector<TestResult> NumericTests::compare(std::span<const double> window) {
    const std::vector<double> sorted = sorted_finite(window);
    const std::vector<TestResult> cells = compare_counts(count(window));
    return {cells[0], by_ks(sorted), by_wasserstein(sorted), cells[1]};
}

CategoryTests::CategoryTests(CategoryReference reference, TestOptions options)
    : reference_(std::move(reference)), options_(options), tables_(options.replicates, options.seed) {}

TestResult CategoryTests::compare_deciding(const CellCounts& window) {
    return by_cells(TestKind::kChiSquare, reference_.counts.all(), window.all(), options_, tables_);
}

std::vector<TestResult> CategoryTests::compare(const CellCounts& window) {
    const Counts before = reference_.counts.all();
    return {by_cells(TestKind::kChiSquare, before, window.all(), options_, tables_),
            by_cells(TestKind::kJensenShannon, before, window.all(), options_, tables_)};
}

}  // namespace tidegate::drift
