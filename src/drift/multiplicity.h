// Correction for many tests: over the features of one window, and over the windows of a stream's life.
//
// Algorithm   Features: Benjamini and Hochberg 1995; when nothing changed at all, the chance of any rejection is at most the
//             level. Time: a constant level a look gives one false alarm an `expected run` (geometric waiting); or a spending
//             plan 6 / (pi k)^2 bounds the chance of any false alarm for ever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::drift {

/// The smallest level at which each p would be rejected (step-up adjusted p-values), in the order given. NaN stays 1.
std::vector<double> adjusted_p(std::span<const double> p);

/// At most one false alarm in `expected_run_s` seconds on average, looking every `look_s` seconds: the level of one look, at most 0.5.
double level_of_look(double look_s, double expected_run_s) noexcept;

/// The level of look number `k` (from 1) when all looks together may err with chance `alpha`.
double spent_at_look(double alpha, std::uint64_t k) noexcept;

}  // namespace tidegate::drift
