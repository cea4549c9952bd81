// calibrate: from a series of weather and flow to a Basin.
//
// Algorithm   Dynamically dimensioned search (Tolson, Shoemaker 2007), a fixed count of trials from a fixed seed, over GR4J's four and the
//             snow's four parameters. Loss: half the squared error of the flow, half that of its log, each over its variance: floods and the
//             state between them. Then the error model, then thresholds by L-moments from the yearly maxima.
// Cost        One thread; 1,500 trials over 17 years of days: about 2 s.
// When it fails  kInvalidArgument: fewer than 300 observed steps, or a flow that never changes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "services/flood/hydro/basin.h"
#include "services/flood/hydro/series.h"

namespace tidegate::flood {

struct CalibrationOptions {
    std::size_t trials = 1500;
    /// Rows from here on are simulated, never fitted to; the basin stands at the end of all. SIZE_MAX: all are fitted to.
    std::size_t fit_rows = static_cast<std::size_t>(-1);
};

Result<Basin> calibrate(const Series& series, const CalibrationOptions& options = {});

/// Of every row with an observed flow at it and at the one before: what the error model is fitted to and judged by.
struct OneStep {
    std::size_t row = 0;
    ErrorSample sample;
};
std::vector<OneStep> one_step_forecasts(const Basin& basin, const Series& series, std::size_t from, std::size_t to);

/// Median of the yearly maxima of rows [0, to): about the flood of two years.
double median_yearly_maximum(const Series& series, std::size_t to);

}  // namespace tidegate::flood
