// Basin: one gauged catchment as the service keeps it: calibrated model, its errors, its thresholds, and where it stands now.
//
// Guarantee   What is forecast is a distribution of flow; probabilities of thresholds come from it, so a rarer flood is never likelier.
// Source      Made by calibrate() (calibrate.h) from a series; nothing of the series but the last state is kept.
// Memory      About 2.5 KB.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "services/flood/hydro/error_model.h"
#include "services/flood/hydro/gev.h"
#include "services/flood/hydro/gr4j.h"

namespace tidegate::flood {

/// Flow in mm a step that is passed at 2 % of the steps, and every 2, 5 and 20 years.
struct FlowThresholds {
    double q98 = 0;
    std::array<double, 3> levels{};  // 2, 5 and 20 years.
    double two_year_error = 0;       // Standard error of levels[0] in log flow: few years tell little.
    std::uint32_t years = 0;         // Of which the maxima are.
};
inline constexpr std::array<double, 3> kReturnYears{2, 5, 20};

/// Weather of a month in the calibration rows: what stands in for what is not told.
struct UsualWeather {
    double precip_mm = 0, pet_mm = 0, temp_c = 0;
};

/// How good it was on the rows it was fitted to.
struct BasinFit {
    double nse_simulated = 0;  // Nash-Sutcliffe efficiency.
    double nse_corrected = 0;  // Of the next step, with the last error taken over.
    std::uint32_t rows = 0;
};

struct Basin {
    std::string id;
    double area_km2 = 0;
    double latitude = std::numeric_limits<double>::quiet_NaN();  // Of the gauge; NaN: not told.
    double longitude = std::numeric_limits<double>::quiet_NaN();
    double step_hours = 24;
    HydroParameters parameters;
    ErrorModel errors;
    FlowThresholds thresholds;
    BasinFit fit;
    bool has_temperature = false;
    double response_steps = 1;  // Until the rise that a wet step makes has fallen to 1/e.
    std::array<UsualWeather, 12> usual{};
    // Where it stands: at the end of the last row.
    HydroState state;
    UnixMillis state_time = 0;
    double last_log_sim = 0;
    std::optional<double> last_error;  // Log; none: the flow of the last 30 steps is missing.
    double last_age_steps = 0;         // Of the last observation, before the last row.
    double last_flow_mm = std::numeric_limits<double>::quiet_NaN();
    std::string version;  // Of the data and the program that made it.

    bool hourly() const noexcept { return step_hours < 2; }
    HydroModel model() const { return {parameters, hourly()}; }
    /// m3/s
    double discharge(double flow_mm) const noexcept { return flow_mm * area_km2 / (3.6 * step_hours); }
};

/// The flow some steps ahead.
struct FlowForecast {
    ErrorInputs inputs;
    ErrorModel::Spread spread{};
    double lead = 1;

    double probability(const Basin& basin, double flow_mm) const noexcept {
        return basin.errors.exceedance(spread, std::log(flow_mm + kFlowFloorMm));
    }
};

/// What is known of now, where it is more than the basin's own state.
struct Standing {
    HydroState state;
    double log_sim = 0;
    std::optional<double> error;
    double age_steps = 0;
};
Standing standing_of(const Basin& basin) noexcept;

/// The flow after each of the steps of `ahead`; as many as fit into `out`.
void forecast(const Basin& basin, const HydroModel& model, const Standing& now, std::span<const Weather> ahead,
              std::span<FlowForecast> out) noexcept;

std::string to_json(const Basin& basin);
/// kDataLoss when it is not what to_json() writes.
Result<Basin> basin_from_json(std::string_view text);

}  // namespace tidegate::flood
