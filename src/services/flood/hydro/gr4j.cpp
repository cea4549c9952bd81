#include "services/flood/hydro/gr4j.h"

#include <algorithm>
#include <cmath>

namespace tidegate::flood {
namespace {

/// Share of the slow hydrograph that has left after `t` steps.
double slow_curve(double t, double base) {
    if (t <= 0) return 0;
    return t >= base ? 1 : std::pow(t / base, 2.5);
}

double quick_curve(double t, double base) {
    if (t <= 0) return 0;
    if (t < base) return 0.5 * std::pow(t / base, 2.5);
    return t >= 2 * base ? 1 : 1 - 0.5 * std::pow(2 - t / base, 2.5);
}

/// x / (1 + x^4)^(1/4): what a store of relative content x keeps.
double kept(double x4) noexcept {
    return 1 / std::sqrt(std::sqrt(1 + x4));
}

}  // namespace

HydroModel::HydroModel(const HydroParameters& parameters, bool hourly) : p_(parameters) {
    p_.production_mm = std::clamp(p_.production_mm, 1.0, 10'000.0);
    p_.routing_mm = std::clamp(p_.routing_mm, 1.0, 5'000.0);
    p_.exchange_mm = std::clamp(p_.exchange_mm, -20.0, 20.0);
    p_.base_steps = std::clamp(p_.base_steps, 0.5, static_cast<double>(kBaseStepsMax));
    percolation_ = std::pow((hourly ? 5.25 : 2.25) * p_.production_mm, -4.0);
    slow_steps_ = static_cast<std::size_t>(std::ceil(p_.base_steps));
    quick_steps_ = static_cast<std::size_t>(std::ceil(2 * p_.base_steps));
    for (std::size_t i = 0; i < slow_steps_; ++i) {
        const auto t = static_cast<double>(i);
        slow_share_[i] = slow_curve(t + 1, p_.base_steps) - slow_curve(t, p_.base_steps);
    }
    for (std::size_t i = 0; i < quick_steps_; ++i) {
        const auto t = static_cast<double>(i);
        quick_share_[i] = quick_curve(t + 1, p_.base_steps) - quick_curve(t, p_.base_steps);
    }
}

HydroState HydroModel::usual_state() const noexcept {
    HydroState state;
    state.production = 0.3 * p_.production_mm;  // As airGR begins.
    state.routing = 0.5 * p_.routing_mm;
    return state;
}

double HydroModel::liquid(HydroState& state, const Weather& weather) const noexcept {
    if (!std::isfinite(weather.temp_c)) return weather.precip_mm;
    double sum = 0;
    for (std::size_t band = 0; band < kBands; ++band) {
        const double place = (static_cast<double>(band) - 2) / 2;  // -1 to 1
        const double temp = weather.temp_c + place * p_.band_spread_c;
        // All snow below -1 degrees, all rain above 3: the range airGR uses.
        const double snow_share = std::clamp((3 - temp) / 4, 0.0, 1.0);
        const double snow = weather.precip_mm * snow_share * p_.precip_factor;
        state.snow[band] += snow;
        state.cold[band] = std::min(0.0, p_.cold_memory * state.cold[band] + (1 - p_.cold_memory) * temp);
        double melt = 0;
        if (state.cold[band] >= 0 && temp > 0) melt = std::min(state.snow[band], p_.melt_mm * temp);
        // A thin cover leaves bare ground: CemaNeige's share of the covered area, never below a tenth.
        melt = std::min(state.snow[band], melt * (0.1 + 0.9 * std::min(1.0, state.snow[band] / 50)));
        state.snow[band] -= melt;
        sum += weather.precip_mm * (1 - snow_share) + melt;
    }
    return sum / kBands;
}

double HydroModel::route(HydroState& state, double effective_mm) const noexcept {
    const double slow = state.slow[0] + slow_share_[0] * 0.9 * effective_mm;
    const double quick = state.quick[0] + quick_share_[0] * 0.1 * effective_mm;
    for (std::size_t i = 0; i + 1 < slow_steps_; ++i) {
        state.slow[i] = state.slow[i + 1] + slow_share_[i + 1] * 0.9 * effective_mm;
    }
    state.slow[slow_steps_ - 1] = 0;
    for (std::size_t i = 0; i + 1 < quick_steps_; ++i) {
        state.quick[i] = state.quick[i + 1] + quick_share_[i + 1] * 0.1 * effective_mm;
    }
    state.quick[quick_steps_ - 1] = 0;
    const double fill = state.routing / p_.routing_mm;
    const double exchange = p_.exchange_mm * fill * fill * fill * std::sqrt(std::max(0.0, fill));
    const double content = std::max(0.0, state.routing + slow + exchange);
    const double x = content / p_.routing_mm;
    state.routing = content * kept(x * x * x * x);
    return content - state.routing + std::max(0.0, quick + exchange);
}

double HydroModel::step(HydroState& state, const Weather& weather) const noexcept {
    const double water = liquid(state, weather);
    const double fill = state.production / p_.production_mm;
    double passed = 0;
    if (water >= weather.pet_mm) {
        const double net = water - weather.pet_mm;
        const double t = std::tanh(std::min(net / p_.production_mm, 13.0));
        const double stored = p_.production_mm * (1 - fill * fill) * t / (1 + fill * t);
        state.production += stored;
        passed = net - stored;
    } else {
        const double t = std::tanh(std::min((weather.pet_mm - water) / p_.production_mm, 13.0));
        state.production -= state.production * (2 - fill) * t / (1 + (1 - fill) * t);
    }
    state.production = std::max(0.0, state.production);
    const double s2 = state.production * state.production;
    const double percolated = state.production * (1 - kept(s2 * s2 * percolation_));
    state.production -= percolated;
    return route(state, passed + percolated);
}

}  // namespace tidegate::flood
