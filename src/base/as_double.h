// Counts as floating point, for ratios and reports.
#pragma once

#include <cstdint>

namespace tidegate {

/// Exact up to 2^53, 285 years of nanoseconds; beyond it rounded to the nearest.
constexpr double as_double(std::uint64_t count) noexcept {
    return static_cast<double>(count);
}

}  // namespace tidegate
