// Gr4j: rain and evaporation to flow, in four parameters; snow by degree days in five bands of temperature before it.
//
// Algorithm   GR4J (Perrin, Michel, Andreassian 2003), and GR4H for hourly steps (percolation constant of Mathevet 2005). Snow: each of
//             five equal bands has a temperature of its own, a store and a cold content (CemaNeige's idea, Valery 2010); the spread of
//             the bands is calibrated, so no terrain is needed.
// Memory      A state is about 600 bytes, copied to look ahead.
// Threads     Values; no sharing.
#pragma once

#include <array>
#include <cstddef>

namespace tidegate::flood {

struct HydroParameters {
    double production_mm = 350;  // X1, the wetness store.
    double exchange_mm = 0;      // X2, with groundwater, a step.
    double routing_mm = 90;      // X3.
    double base_steps = 1.7;     // X4, of the unit hydrograph.
    double melt_mm = 4;          // A degree and step above zero.
    double cold_memory = 0.5;    // Share of the cold content that stays a step.
    double band_spread_c = 0;    // From the middle band to the warmest and the coldest.
    double precip_factor = 1;    // Of snow: gauges catch too little of it.
};

inline constexpr std::size_t kBands = 5;
/// X4 is at most this; the second hydrograph is twice as long.
inline constexpr std::size_t kBaseStepsMax = 20;

struct HydroState {
    double production = 0, routing = 0;
    // [0] leaves with the next step.
    std::array<double, kBaseStepsMax> slow{};
    std::array<double, 2 * kBaseStepsMax> quick{};
    std::array<double, kBands> snow{}, cold{};
};

/// The weather of one step. A temperature that is NaN: no snow.
struct Weather {
    double precip_mm = 0, pet_mm = 0, temp_c = 0;
};

class HydroModel {
  public:
    /// `hourly`: of the constants. Parameters out of bounds are taken to the nearest bound.
    HydroModel(const HydroParameters& parameters, bool hourly);

    /// Stores at their usual fill; a year of weather makes what is said here unimportant.
    HydroState usual_state() const noexcept;
    /// Flow of the step in mm.
    double step(HydroState& state, const Weather& weather) const noexcept;
    /// Liquid water of the step: rain and melt.
    double liquid(HydroState& state, const Weather& weather) const noexcept;
    const HydroParameters& parameters() const noexcept { return p_; }

  private:
    double route(HydroState& state, double effective_mm) const noexcept;

    HydroParameters p_;
    double percolation_;  // 1 / (2.25 X1)^4, hourly 1 / (5.25 X1)^4
    std::size_t slow_steps_, quick_steps_;
    std::array<double, kBaseStepsMax> slow_share_{};
    std::array<double, 2 * kBaseStepsMax> quick_share_{};
};

}  // namespace tidegate::flood
