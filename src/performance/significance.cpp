#include "performance/significance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace tidegate::performance {
namespace {

/// Ranks from 1; equal values share the middle of theirs.
std::vector<double> ranks_of(std::span<const double> values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> ranks(values.size());
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i + 1;
        while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
        for (std::size_t k = i; k < end; ++k) ranks[order[k]] = static_cast<double>(i + end + 1) / 2;
        i = end;
    }
    return ranks;
}

/// Calls visit(size) for each group of equal values.
template <class Visit>
void each_tie(std::span<const double> values, Visit&& visit) {
    std::vector<double> sorted(values.begin(), values.end());
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < sorted.size();) {
        std::size_t end = i + 1;
        while (end < sorted.size() && sorted[end] == sorted[i]) ++end;
        visit(static_cast<double>(end - i));
        i = end;
    }
}

double autocorrelation(std::span<const double> values, std::size_t lag) {
    const double n = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double with = 0;
    double all = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        all += (values[i] - mean) * (values[i] - mean);
        if (i + lag < values.size()) with += (values[i] - mean) * (values[i + lag] - mean);
    }
    return all > 0 ? with / all : 0;
}

double sen_slope(std::span<const double> values) {
    std::vector<double> slopes;
    slopes.reserve(values.size() * (values.size() - 1) / 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            slopes.push_back((values[j] - values[i]) / static_cast<double>(j - i));
        }
    }
    return median_of(slopes);
}

/// (1 + r) / (1 - r), of an estimate r from n values: low by about (1 + 4 r) / n (Kendall 1954), which is given back.
double first_lag_inflation(double r, double n) {
    const double corrected = std::clamp((r + 1 / n) / (1 - 4 / n), 0.0, 0.95);
    return (1 + corrected) / (1 - corrected);
}

/// Hamed and Rao's n/n*: by the autocorrelations of the ranks, the trend taken off, as far as they are significant at 5 %.
double hamed_rao(std::span<const double> values, double slope) {
    const double n = static_cast<double>(values.size());
    std::vector<double> flat(values.begin(), values.end());
    for (std::size_t i = 0; i < flat.size(); ++i) flat[i] -= slope * static_cast<double>(i);
    const std::vector<double> ranks = ranks_of(flat);
    const double bound = 1.96 / std::sqrt(n);
    double sum = 0;
    // Beyond a quarter of the series an autocorrelation is made of too few pairs to be believed (Box and Jenkins).
    for (std::size_t lag = 1; lag <= values.size() / 4; ++lag) {
        const double r = autocorrelation(ranks, lag);
        if (std::abs(r) <= bound) continue;
        const double left = n - static_cast<double>(lag);
        sum += left * (left - 1) * (left - 2) * r;
    }
    // Of short series its lags miss their bound by chance; the first lag alone says more then. And never less than the plain
    // variance: an estimate of negative correlation would sharpen the test by chance.
    return std::max({1.0, 1 + 2 / (n * (n - 1) * (n - 2)) * sum, first_lag_inflation(autocorrelation(ranks, 1), n)});
}

double effective_inflation(std::span<const double> before, std::span<const double> now) {
    const double nb = static_cast<double>(before.size());
    const double nn = static_cast<double>(now.size());
    const double r = (autocorrelation(ranks_of(before), 1) * nb + autocorrelation(ranks_of(now), 1) * nn) / (nb + nn);
    return first_lag_inflation(r, (nb + nn) / 2);
}

}  // namespace

double two_sided_p(double z) noexcept {
    return std::erfc(std::abs(z) / std::sqrt(2.0));
}

double median_of(std::span<const double> values) {
    if (values.empty()) return 0;
    std::vector<double> copy(values.begin(), values.end());
    const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
    std::ranges::nth_element(copy, middle);
    if (copy.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(copy.begin(), middle)) / 2;
}

TrendTest trend_test(std::span<const double> values) {
    TrendTest out;
    if (values.size() < kTrendMin) return out;
    out.enough = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            out.s += values[j] > values[i] ? 1 : values[j] < values[i] ? -1 : 0;
        }
    }
    const double n = static_cast<double>(values.size());
    double variance = n * (n - 1) * (2 * n + 5);
    each_tie(values, [&](double t) { variance -= t * (t - 1) * (2 * t + 5); });
    variance /= 18;
    out.tau = out.s / (n * (n - 1) / 2);
    out.slope = sen_slope(values);
    if (variance <= 0) return out;  // All values are one.
    out.inflation = hamed_rao(values, out.slope);
    const double spread = std::sqrt(variance * out.inflation);
    out.z = out.s > 0 ? (out.s - 1) / spread : out.s < 0 ? (out.s + 1) / spread : 0;
    out.p = two_sided_p(out.z);
    return out;
}

DifferenceTest difference_test(std::span<const double> before, std::span<const double> now) {
    DifferenceTest out;
    if (before.size() < kDifferenceMin || now.size() < kDifferenceMin) return out;
    out.enough = true;
    std::vector<double> all(before.begin(), before.end());
    all.insert(all.end(), now.begin(), now.end());
    const std::vector<double> ranks = ranks_of(all);
    const double nb = static_cast<double>(before.size());
    const double nn = static_cast<double>(now.size());
    const double n = nb + nn;
    const double rank_sum =
        std::accumulate(ranks.begin() + static_cast<std::ptrdiff_t>(before.size()), ranks.end(), 0.0);
    const double over = rank_sum - nn * (n + 1) / 2;
    double ties = 0;
    each_tie(all, [&](double t) { ties += t * (t * t - 1); });
    const double variance = nb * nn / 12 * (n + 1 - ties / (n * (n - 1)));
    if (variance <= 0) return out;
    out.inflation = effective_inflation(before, now);
    const double continuity = over > 0 ? -0.5 : over < 0 ? 0.5 : 0;
    out.z = (over + continuity) / std::sqrt(variance * out.inflation);
    out.p = two_sided_p(out.z);
    return out;
}

Line fit_line(std::span<const double> x, std::span<const double> y) {
    Line out;
    const std::size_t count = std::min(x.size(), y.size());
    if (count < 3) return out;
    const double n = static_cast<double>(count);
    const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
    const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
    double xx = 0;
    double xy = 0;
    double yy = 0;
    for (std::size_t i = 0; i < count; ++i) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    if (xx <= 0) return out;
    out.enough = true;
    out.slope = xy / xx;
    out.base = mean_y - out.slope * mean_x;
    const double left = std::max(0.0, yy - out.slope * xy);
    out.slope_error = std::sqrt(left / (n - 2) / xx);
    out.r_squared = yy > 0 ? 1 - left / yy : 1;
    return out;
}

}  // namespace tidegate::performance
