#include "drift/null_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/assert.h"
#include "drift/dice.h"

namespace tidegate::drift {
namespace {

// Above this part of the tail's share the replicates are counted: a fifth of a twentieth is one hundredth.
constexpr double kCountedShare = 0.2;

// Marsaglia and Tsang 2000; shape at least 1.
double draw_gamma(double shape, Dice& dice) {
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    for (;;) {
        const double x = dice.normal();
        const double root = 1 + c * x;
        if (root <= 0) continue;
        const double v = root * root * root;
        if (std::log(1 - dice.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
}

double total(Counts counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}

// A window of n values when the reference is a sample of the same distribution.
void draw_window(Counts reference, std::size_t n, Dice& dice, std::vector<double>& ends,
                 std::vector<std::uint64_t>& window) {
    double sum = 0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        if (reference[i] > 0) sum += draw_gamma(static_cast<double>(reference[i]), dice);
        ends[i] = sum;
    }
    std::ranges::fill(window, std::uint64_t{0});
    for (std::size_t k = 0; k < n; ++k) {
        const double at = dice.uniform() * sum;
        ++window[static_cast<std::size_t>(std::ranges::upper_bound(ends, at) - ends.begin())];
    }
}

void finish(NullTable& table) {
    std::ranges::sort(table.sorted);
    for (const double value : table.sorted) table.mean_square += value * value;
    const auto size = static_cast<double>(table.sorted.size());
    table.mean_square /= size;
    const std::size_t largest = std::max<std::size_t>(table.sorted.size() / 20, 1);
    const auto first = table.sorted.end() - static_cast<std::ptrdiff_t>(largest);
    const auto count = static_cast<double>(largest);
    table.tail = {count / (size + 1), *first, std::accumulate(first, table.sorted.end(), 0.0) / count - *first};
}

}  // namespace

std::string_view to_string(TestKind kind) noexcept {
    switch (kind) {
        case TestKind::kPsi:
            return "psi";
        case TestKind::kKs:
            return "ks";
        case TestKind::kWasserstein:
            return "wasserstein";
        case TestKind::kJensenShannon:
            return "jensen_shannon";
        case TestKind::kChiSquare:
            return "chi_square";
    }
    return "psi";
}

double cell_statistic(TestKind kind, Counts reference, Counts window) {
    switch (kind) {
        case TestKind::kJensenShannon:
            return jensen_shannon(reference, window);
        case TestKind::kChiSquare:
            return chi_square_statistic(reference, window);
        default:
            return population_stability(reference, window);
    }
}

double cell_scale(TestKind kind, double n, double m) noexcept {
    const double noise = 1 / n + 1 / m;
    if (kind == TestKind::kChiSquare) return 1;
    // JS in bits is chi-square / (8 ln 2) to the first order (Menendez et al. 1997).
    return kind == TestKind::kJensenShannon ? noise / (8 * std::numbers::ln2) : noise;
}

double NullTable::p(double scaled) const noexcept {
    const auto above = sorted.end() - std::ranges::lower_bound(sorted, scaled);
    const double counted = (1 + static_cast<double>(above)) / (1 + static_cast<double>(sorted.size()));
    if (counted > kCountedShare * tail.share || tail.mean_excess <= 0) return counted;
    return tail.share * std::exp(-(scaled - tail.from) / tail.mean_excess);
}

double NullTable::quantile(double alpha) const noexcept {
    if (alpha <= kCountedShare * tail.share && tail.mean_excess > 0) {
        return tail.from + tail.mean_excess * std::log(tail.share / alpha);
    }
    const double above = std::max(alpha * (1 + static_cast<double>(sorted.size())) - 1, 0.0);
    const std::size_t from_end = std::min(static_cast<std::size_t>(above) + 1, sorted.size());
    return sorted[sorted.size() - from_end];
}

std::size_t NullTables::rounded(std::size_t n) noexcept {
    std::size_t unit = 1;
    while (n / unit >= 100) unit *= 10;
    return n / unit * unit;
}

NullTable& NullTables::place(TestKind kind, std::size_t n) {
    constexpr std::size_t kTablesMax = 32;
    if (tables_.size() >= kTablesMax && !tables_.contains({kind, n})) tables_.clear();
    return tables_[{kind, n}];
}

const NullTable& NullTables::cells(TestKind kind, Counts reference, std::size_t n) {
    const std::size_t near = rounded(n);
    NullTable& table = place(kind, near);
    if (!table.sorted.empty()) return table;
    const double m = total(reference);
    TG_ASSERT(near > 0 && m > 0);
    const double scale = cell_scale(kind, static_cast<double>(near), m);
    Dice dice(seed_ ^ near);
    std::vector<double> ends(reference.size());
    std::vector<std::uint64_t> window(reference.size());
    for (std::size_t r = 0; r < replicates_; ++r) {
        draw_window(reference, near, dice, ends, window);
        table.sorted.push_back(cell_statistic(kind, reference, window) / scale);
    }
    finish(table);
    return table;
}

const NullTable& NullTables::wasserstein(std::span<const double> sample, std::size_t n) {
    // From some 500 values on the scaled statistic has its limit; a larger window would only cost more.
    constexpr std::size_t kEnough = 500;
    const std::size_t near = std::min(rounded(n), kEnough);
    NullTable& table = place(TestKind::kWasserstein, near);
    if (!table.sorted.empty()) return table;
    TG_ASSERT(near > 0 && !sample.empty());
    Dice dice(seed_ ^ near);
    std::vector<double> window(near);
    for (std::size_t r = 0; r < replicates_; ++r) {
        for (double& value : window) value = sample[dice.below(sample.size())];
        std::ranges::sort(window);
        table.sorted.push_back(wasserstein_distance(sample, window) * std::sqrt(static_cast<double>(near)));
    }
    finish(table);
    return table;
}

}  // namespace tidegate::drift
