// Qartod: the tests of the QARTOD manuals over a whole series, flag for flag as the reference implementation of IOOS gives them.
//
// Source      IOOS QARTOD manuals for water level (2.1) and stream flow (1.0); edge cases as published reference flags have them.
// Guarantee   A value that is NaN is `missing`. Times are seconds, not falling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace tidegate::flood {

enum class Flag : std::uint8_t { kGood = 1, kNotEvaluated = 2, kSuspect = 3, kFail = 4, kMissing = 9 };

/// `good`, `not_evaluated`, `suspect`, `fail`, `missing`
std::string_view to_string(Flag flag) noexcept;

using Flags = std::vector<Flag>;
struct Span {
    double low = 0, high = 0;
};

/// Outside `fail`: fail; outside `suspect`: suspect.
Flags gross_range(std::span<const double> values, Span fail, std::optional<Span> suspect);

enum class SpikeMethod : std::uint8_t {
    kAverage,       // Distance from the mean of the two neighbours.
    kDifferential,  // The smaller of the two steps, where they have opposite signs.
};
Flags spike(std::span<const double> values, SpikeMethod method, double suspect, double fail);

/// Change a second, in whole seconds.
Flags rate_of_change(std::span<const double> values, std::span<const std::int64_t> times_s, double suspect,
                     std::optional<double> fail);

/// The limits become counts by the median step; a point is flagged when the last count + 1 lie within less than `tolerance`.
Flags flat_line(std::span<const double> values, std::span<const std::int64_t> times_s, double tolerance,
                std::int64_t suspect_s, std::int64_t fail_s);

enum class Spread : std::uint8_t { kDeviation, kRange };
/// Spread over the window (t - period, t]; less than `min_observed` values in it: not evaluated.
Flags attenuated(std::span<const double> values, std::span<const std::int64_t> times_s, Spread spread,
                 std::int64_t period_s, double suspect, double fail, std::optional<std::size_t> min_observed);

/// The worst of each: fail, suspect, good, not evaluated, missing.
Flags aggregate(std::span<const Flags> tests);
/// The same of two flags.
Flag worse(Flag a, Flag b) noexcept;

}  // namespace tidegate::flood
