// ErrorModel: what the last observation says about the next flow, and how wrong the model was in the past.
//
// Algorithm   AR(1) on the log of the flow: the last error is taken over with weight exp(-lead / memory), less where the flow is about to
//             change, since new water does not carry the old error: times exp(-fresh |change of the simulated log flow|). What is left is
//             freed of its mean by ridge regression on that change and scaled by a width that grows with that change and with the water of the step; its distribution is that of the past errors,
//             as quantiles.
// Guarantee   exceedance() falls when the threshold rises, and lies in [0.0005, 0.9995]: a few thousand past steps cannot say more.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tidegate::flood {

/// Of flow in mm: keeps the log finite when a river is dry.
inline constexpr double kFlowFloorMm = 0.001;

/// What is known at the step of the forecast, besides the simulation.
struct ErrorInputs {
    double log_sim = 0;     // Of the simulated flow at the lead.
    double change = 0;      // log_sim less that of the last observed step.
    double water_mm = 0;    // Liquid water that came in between.
    double last_error = 0;  // Observed less simulated log flow, at the last observed step.
    double lead = 1;        // Steps since that; infinite: never observed.
};

inline constexpr std::size_t kErrorKnots = 61;

struct ErrorModel {
    double memory_steps = 10;
    double fresh = 0;
    std::array<double, 3> bias{};              // Of the corrected log flow: constant, rising, falling.
    std::array<double, 4> width{-2, 0, 0, 0};  // Log of the width: constant, rising, falling, log water.
    double width_unobserved = 0.5;             // Of the simulation alone.
    std::array<double, kErrorKnots> knots{};   // Quantiles of the scaled errors, evenly in probability.

    /// Middle and width of the log flow.
    struct Spread {
        double centre, width;
    };
    Spread spread(const ErrorInputs& inputs) const noexcept;
    /// Probability that the log flow passes `log_threshold`.
    double exceedance(const Spread& spread, double log_threshold) const noexcept;
    /// The log flow that is passed with probability 1 - p.
    double quantile(const Spread& spread, double p) const noexcept;
};

/// One past step with what came of it.
struct ErrorSample {
    ErrorInputs inputs;
    double log_observed = 0;
};

/// From past one-step forecasts; `weight_above`: samples whose simulated log flow is higher count more. The memory is sought among
/// multiples of the basin's response time.
ErrorModel fit_errors(std::span<const ErrorSample> samples, double weight_above, double response_steps);

}  // namespace tidegate::flood
