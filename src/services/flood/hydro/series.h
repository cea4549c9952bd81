// Series: rain, potential evaporation, temperature and flow of one catchment, one row a step.
//
// Guarantee   Rows are equally spaced, in time order; a cell that was empty is NaN, and only temperature and flow may be.
// When it fails  kInvalidArgument with the line and the column that is wrong.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::flood {

struct Series {
    UnixMillis start = 0;    // Of the first row.
    double step_hours = 24;  // 24 or 1: what GR4J has constants for.
    // In mm a step over the catchment; temperature in degrees Celsius.
    std::vector<double> precip, pet, temp, flow;

    std::size_t size() const noexcept { return precip.size(); }
    bool has_temperature() const noexcept;
    UnixMillis time(std::size_t row) const noexcept;
    /// Rows [from, to).
    Series part(std::size_t from, std::size_t to) const;
};

/// Most rows of a file: 100 years of hours.
inline constexpr std::size_t kSeriesRowsMax = 900'000;

/// CSV with the columns time, precip_mm, pet_mm, temp_c, flow_mm in any order; others are passed over. Time is
/// `2004-01-31` or RFC 3339 without an offset (`2004-01-31T05:00`).
Result<Series> read_series(std::string_view csv);

}  // namespace tidegate::flood
