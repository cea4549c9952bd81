#include "drift/special.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace tidegate::drift {
namespace {

constexpr int kTermsMax = 10'000;
constexpr double kTiny = 1e-300;

double gamma_p_series(double a, double x) noexcept {
    double term = 1 / a;
    double sum = term;
    for (int k = 1; k < kTermsMax && term > sum * 1e-16; ++k) {
        term *= x / (a + k);
        sum += term;
    }
    return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// Lentz' method for the continued fraction of the upper tail.
double gamma_q_fraction(double a, double x) noexcept {
    double b = x + 1 - a;
    double c = 1 / kTiny;
    double d = 1 / b;
    double product = d;
    for (int k = 1; k < kTermsMax; ++k) {
        const double an = -k * (k - a);
        b += 2;
        d = an * d + b;
        if (std::abs(d) < kTiny) d = kTiny;
        c = b + an / c;
        if (std::abs(c) < kTiny) c = kTiny;
        d = 1 / d;
        product *= d * c;
        if (std::abs(d * c - 1) < 1e-15) break;
    }
    return product * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// The share of lattice paths from (0, 0) to (n, m) that leave the band |i/n - j/m| < d. Shares of paths instead of counts keep
// the numbers in range: at (i, j) the weight is the chance to pass there and to have stayed inside.
double ks_exact(double d, std::size_t n, std::size_t m) {
    const auto nd = static_cast<double>(n);
    const auto md = static_cast<double>(m);
    const double band = d * (1 - 1e-12);  // A path that touches d counts as outside, whatever the rounding.
    std::vector<double> inside(m + 1);
    for (std::size_t i = 0; i <= n; ++i) {
        const double x = static_cast<double>(i) / nd;
        for (std::size_t j = 0; j <= m; ++j) {
            double weight = 0;
            if (i == 0 && j == 0) {
                weight = 1;
            } else if (std::abs(x - static_cast<double>(j) / md) < band) {
                // The next step is along n with chance (n - i) / (what is left).
                const double left = nd - static_cast<double>(i) + md - static_cast<double>(j) + 1;
                if (i > 0) weight += inside[j] * (nd - static_cast<double>(i) + 1) / left;
                if (j > 0) weight += inside[j - 1] * (md - static_cast<double>(j) + 1) / left;
            }
            inside[j] = weight;
        }
    }
    return 1 - inside[m];
}

}  // namespace

double chi_square_tail(double x, double degrees) noexcept {
    if (!(x > 0)) return 1;
    if (degrees <= 0) return 0;
    const double a = degrees / 2;
    const double half = x / 2;
    const double tail = half < a + 1 ? 1 - gamma_p_series(a, half) : gamma_q_fraction(a, half);
    return std::clamp(tail, 0.0, 1.0);
}

double chi_square_quantile(double p, double degrees) noexcept {
    double low = 0;
    double high = degrees + 1;
    while (chi_square_tail(high, degrees) > p && high < 1e9) high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
        const double middle = (low + high) / 2;
        (chi_square_tail(middle, degrees) > p ? low : high) = middle;
    }
    return (low + high) / 2;
}

double kolmogorov_tail(double x) noexcept {
    if (x < 0.2) return 1;  // Below 1e-12 of 1.
    double sum = 0;
    if (x < 1.1) {
        // The theta function's other form: the alternating series converges slowly here.
        for (int k = 1; k < 50; k += 2) {
            sum += std::exp(-k * k * std::numbers::pi * std::numbers::pi / (8 * x * x));
        }
        return std::clamp(1 - std::sqrt(2 * std::numbers::pi) / x * sum, 0.0, 1.0);
    }
    for (int k = 1; k < 50; ++k) sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
    return std::clamp(sum, 0.0, 1.0);
}

double ks_two_sample_p(double d, std::size_t n, std::size_t m) {
    if (n == 0 || m == 0 || !(d > 0)) return 1;
    constexpr std::size_t kExactCells = 200'000;  // Half a millisecond.
    // The difference from 1 keeps 1e-12: below that the limit is as good.
    if (n * m <= kExactCells) {
        const double exact = ks_exact(d, n, m);
        if (exact > 1e-10) return std::min(exact, 1.0);
    }
    const double root = std::sqrt(static_cast<double>(n) * static_cast<double>(m) / static_cast<double>(n + m));
    return kolmogorov_tail((root + 0.12 + 0.11 / root) * d);
}

}  // namespace tidegate::drift
