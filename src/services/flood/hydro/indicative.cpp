#include "services/flood/hydro/indicative.h"

#include <algorithm>
#include <cmath>

namespace tidegate::flood {
namespace {

// Fitted within eight rain-fed basins; `tidegate eval flood` prints what they are worth.
constexpr float kIntercept = -11.54F;
constexpr float kOfRunoff = 0.745F;  // A root of a mm.
constexpr float kOfWetness = 9.56F;  // From dry to full.

/// Retention for Ia = 0.2 S to that for 0.05 S, in mm.
double for_small_abstraction(double s20_mm) noexcept {
    return 1.33 * std::pow(s20_mm / 25.4, 1.15) * 25.4;
}

double retention_mm(double curve_number) noexcept {
    return for_small_abstraction(25400 / std::clamp(curve_number, 1.0, 100.0) - 254);
}

}  // namespace

Retention retention_of(const Ground& ground) noexcept {
    double cn = std::clamp(ground.curve_number, 30.0, 99.0);
    const auto wet_end = [](double number) { return number / (0.427 + 0.00573 * number); };
    if (ground.slope) {
        cn += (wet_end(cn) - cn) / 3 * (1 - 2 * std::exp(-13.86 * std::clamp(*ground.slope, 0.0, 1.0)));
        cn = std::clamp(cn, 30.0, 99.0);
    }
    // What is sealed takes up next to nothing, wet or dry.
    const double sealed = std::clamp(ground.imperviousness, 0.0, 1.0);
    const double pervious = 1 - sealed;
    const double dry = cn / (2.281 - 0.01281 * cn) * pervious + 98 * sealed;
    const double wet = wet_end(cn) * pervious + 98 * sealed;
    return {static_cast<float>(retention_mm(dry)), static_cast<float>(retention_mm(wet))};
}

Wetness Wetness::from_means(std::optional<double> mean_7d, std::optional<double> mean_30d) noexcept {
    if (!mean_7d && !mean_30d) return usual();
    const double recent = mean_7d.value_or(mean_30d.value_or(0));
    // The 23 days before the last 7; means that contradict each other give none.
    const double older = mean_30d ? std::max(0.0, (30 * *mean_30d - 7 * mean_7d.value_or(*mean_30d)) / 23) : recent;
    // A store that loses a tenth a day, after 23 days of the one and 7 of the other: two sums of powers.
    constexpr double kOfRecent = left_of(1, 7);
    constexpr double kOfOlder = left_of(8, 30);
    return Wetness(kOfRecent * recent + kOfOlder * older);
}

double Wetness::level() const noexcept {
    return 1 - std::exp(-std::max(0.0, store_mm_) / kFullMm);
}

void score(const IndicativeBatch& batch) noexcept {
    const std::size_t n = batch.rain_mm.size();
    const float* rain = batch.rain_mm.data();
    const float* wetness = batch.wetness.data();
    const float* dry = batch.dry.data();
    const float* wet = batch.wet.data();
    float* runoff = batch.runoff_mm.data();
    float* odds = batch.log_odds.data();
    for (std::size_t i = 0; i < n; ++i) {
        const float retention = dry[i] + (wet[i] - dry[i]) * wetness[i];
        const float above = std::max(0.0F, rain[i] - 0.05F * retention);
        const float q = above * above / (above + retention + 1e-6F);
        runoff[i] = q;
        odds[i] = kIntercept + kOfRunoff * std::sqrt(q) + kOfWetness * wetness[i];
    }
}

std::array<double, 3> probabilities(double log_odds) noexcept {
    std::array<double, 3> p{};
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = 1 / (1 + std::exp(kRarer[i] - log_odds));
    return p;
}

}  // namespace tidegate::flood
