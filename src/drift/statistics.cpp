#include "drift/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/assert.h"

namespace tidegate::drift {
namespace {

struct Shares {
    double reference = 0;
    double window = 0;
};

// Calls visit(Shares) for each cell that either has, with smoothed shares that sum to 1.
template <class Visit>
void each_cell(Counts reference, Counts window, Visit&& visit) {
    TG_ASSERT(reference.size() == window.size());
    const auto count = [](std::uint64_t own, std::uint64_t other) {
        return own == 0 && other > 0 ? 0.5 : static_cast<double>(own);
    };
    double n = 0;
    double m = 0;
    for (std::size_t i = 0; i < window.size(); ++i) {
        m += count(reference[i], window[i]);
        n += count(window[i], reference[i]);
    }
    if (n <= 0 || m <= 0) return;
    for (std::size_t i = 0; i < window.size(); ++i) {
        if (reference[i] == 0 && window[i] == 0) continue;
        visit(Shares{count(reference[i], window[i]) / m, count(window[i], reference[i]) / n});
    }
}

}  // namespace

double ks_distance(std::span<const double> a, std::span<const double> b) {
    double widest = 0;
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        const double x = std::min(a[i], b[j]);
        while (i < a.size() && a[i] == x) ++i;
        while (j < b.size() && b[j] == x) ++j;
        const double apart = static_cast<double>(i) / static_cast<double>(a.size()) -
                             static_cast<double>(j) / static_cast<double>(b.size());
        widest = std::max(widest, std::abs(apart));
    }
    return widest;
}

double wasserstein_distance(std::span<const double> a, std::span<const double> b) {
    double area = 0;
    std::size_t i = 0;
    std::size_t j = 0;
    double x = std::min(a.front(), b.front());
    while (i < a.size() || j < b.size()) {
        const double next = j == b.size() || (i < a.size() && a[i] < b[j]) ? a[i] : b[j];
        const double apart = static_cast<double>(i) / static_cast<double>(a.size()) -
                             static_cast<double>(j) / static_cast<double>(b.size());
        area += std::abs(apart) * (next - x);
        x = next;
        while (i < a.size() && a[i] == x) ++i;
        while (j < b.size() && b[j] == x) ++j;
    }
    return area;
}

double population_stability(Counts reference, Counts window) {
    double sum = 0;
    each_cell(reference, window,
              [&sum](Shares s) { sum += (s.window - s.reference) * std::log(s.window / s.reference); });
    return sum;
}

double jensen_shannon(Counts reference, Counts window) {
    double sum = 0;
    each_cell(reference, window, [&sum](Shares s) {
        const double middle = (s.reference + s.window) / 2;
        sum += s.reference * std::log2(s.reference / middle) + s.window * std::log2(s.window / middle);
    });
    return std::clamp(sum / 2, 0.0, 1.0);
}

double chi_square_statistic(Counts reference, Counts window) {
    TG_ASSERT(reference.size() == window.size());
    double n = 0;
    double m = 0;
    for (std::size_t i = 0; i < window.size(); ++i) {
        m += static_cast<double>(reference[i]);
        n += static_cast<double>(window[i]);
    }
    if (n <= 0 || m <= 0) return 0;
    double sum = 0;
    for (std::size_t i = 0; i < window.size(); ++i) {
        const auto r = static_cast<double>(reference[i]);
        const auto w = static_cast<double>(window[i]);
        if (r + w <= 0) continue;
        const double apart = w * std::sqrt(m / n) - r * std::sqrt(n / m);
        sum += apart * apart / (r + w);
    }
    return sum;
}

double cells_degrees(Counts reference, Counts window) {
    double cells = 0;
    for (std::size_t i = 0; i < window.size(); ++i) cells += reference[i] + window[i] > 0 ? 1 : 0;
    return std::max(cells - 1, 0.0);
}

}  // namespace tidegate::drift
