// Tails of the distributions that the tests' p-values come from.
#pragma once

#include <cstddef>

namespace tidegate::drift {

/// P(chi-square with `degrees` of freedom > x). Regularised upper incomplete gamma by series and continued fraction
/// (Numerical methods after Abramowitz and Stegun 6.5.29, 6.5.31); relative error under 1e-10.
double chi_square_tail(double x, double degrees) noexcept;
/// The x whose tail is p; p in (0, 1).
double chi_square_quantile(double p, double degrees) noexcept;
/// P(sup |Brownian bridge| > x): Kolmogorov 1933.
double kolmogorov_tail(double x) noexcept;
/// P(two-sample statistic >= d) without ties: lattice paths counted exactly (Hodges 1958) up to n * m = 200,000, beyond that
/// Kolmogorov's limit with Stephens' correction (1970). With ties both are too large, never too small.
double ks_two_sample_p(double d, std::size_t n, std::size_t m);

}  // namespace tidegate::drift
