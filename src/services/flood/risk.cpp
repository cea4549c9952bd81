#include "services/flood/risk.h"

#include <algorithm>
#include <cmath>

namespace tidegate::flood {
namespace {

/// Rules of ours, fitted to nothing; docs/flood.md says so. A place well above the nearest channel is not reached by it.
constexpr double kHandFree = 2, kHandPerMetre = 0.5;
constexpr double kStageReached = 3.5;  // Log-odds of 97 %: a stage over its threshold is a flood that is seen.
constexpr std::size_t kGapMax = 365;   // Steps of usual weather: after that a basin stands where it usually does.

/// Two powers: made once.
const Retention& plain_ground() noexcept {
    static const Retention plain = retention_of({});
    return plain;
}

double logit(double p) noexcept {
    return std::log(p / (1 - p));
}

double logistic(double x) noexcept {
    return 1 / (1 + std::exp(-x));
}

std::size_t month_of(UnixMillis time) noexcept {
    const auto day = std::chrono::floor<std::chrono::days>(
        std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time)));
    return static_cast<unsigned>(std::chrono::year_month_day(day).month()) - 1;
}

UnixMillis step_ms(const Basin& basin) noexcept {
    return static_cast<UnixMillis>(basin.step_hours * 3'600'000);
}

Weather usual_of(const Basin& basin, UnixMillis time) noexcept {
    const UsualWeather& usual = basin.usual[month_of(time)];
    return {usual.precip_mm, usual.pet_mm, basin.has_temperature ? usual.temp_c : std::nan("")};
}

/// The basin's own standing, carried over the steps that it has no rows of.
struct Carried {
    Standing standing;
    UnixMillis time = 0;  // Of the first step to forecast.
    std::size_t gap = 0;
};

Carried carry(const ServedBasin& served, const Place& place, UnixMillis wanted) {
    const Basin& basin = served.basin;
    Carried out{standing_of(basin), basin.state_time, 0};
    out.gap = static_cast<std::size_t>(std::max<UnixMillis>(0, (wanted - basin.state_time) / step_ms(basin)));
    std::size_t steps = out.gap;
    if (steps > kGapMax) {
        out.standing = {served.model.usual_state(), 0, std::nullopt, 0};
        steps = kGapMax;
    }
    out.time = basin.state_time + static_cast<UnixMillis>(out.gap) * step_ms(basin);
    const double per_day = 24 / basin.step_hours;
    for (std::size_t left = steps; left > 0; --left) {
        const UnixMillis at = out.time - static_cast<UnixMillis>(left) * step_ms(basin);
        Weather weather = usual_of(basin, at);
        const double days_ago = static_cast<double>(left) / per_day;
        if (place.mean_7d && days_ago <= 7) {
            weather.precip_mm = *place.mean_7d / per_day;
        } else if (place.mean_30d && days_ago <= 30) {
            weather.precip_mm = *place.mean_30d / per_day;
        }
        const double flow = served.model.step(out.standing.state, weather);
        out.standing.log_sim = std::log(flow + kFlowFloorMm);
    }
    if (out.standing.error) out.standing.age_steps += static_cast<double>(out.gap);
    if (place.flow_m3s) {
        const double mm = *place.flow_m3s * 3.6 * basin.step_hours / basin.area_km2;
        out.standing.error = std::log(mm + kFlowFloorMm) - out.standing.log_sim;
        out.standing.age_steps = 0;
    }
    return out;
}

struct Forecast {
    std::array<double, 3> p{};
    FlowForecast worst;  // The step with the highest probability of the two-year flood.
};

Forecast forecast_of(const ServedBasin& served, const Standing& standing, std::span<const Weather> ahead) {
    std::array<FlowForecast, kSeriesMax> steps;
    forecast(served.basin, served.model, standing, ahead, steps);
    Forecast out;
    for (std::size_t i = 0; i < ahead.size(); ++i) {
        for (std::size_t k = 0; k < 3; ++k) {
            const double p = steps[i].probability(served.basin, served.basin.thresholds.levels[k]);
            if (k == 0 && (i == 0 || p > out.p[0])) out.worst = steps[i];
            out.p[k] = std::max(out.p[k], p);
        }
    }
    return out;
}

std::vector<Weather> weather_ahead(const Basin& basin, const Place& place, UnixMillis from, bool usual_rain) {
    std::vector<Weather> out;
    const std::span<const double> rain = place.rain();
    for (std::size_t i = 0; i < rain.size(); ++i) {
        Weather weather = usual_of(basin, from + static_cast<UnixMillis>(i) * step_ms(basin));
        if (!usual_rain) weather.precip_mm = rain[i];
        if (!usual_rain && place.temperature && basin.has_temperature) weather.temp_c = *place.temperature;
        out.push_back(weather);
    }
    return out;
}

void assess_gauged(const Prepared& prepared, UnixMillis now, Risk& risk) {
    const Place& place = prepared.place;
    const ServedBasin& served = *prepared.basin;
    const Basin& basin = served.basin;
    const Carried carried = carry(served, place, place.date.value_or(now));
    const std::vector<Weather> usual = weather_ahead(basin, place, carried.time, true);
    const std::vector<Weather> told = weather_ahead(basin, place, carried.time, false);
    Standing unseen = carried.standing;
    unseen.error.reset();
    Standing usual_state = unseen;
    usual_state.state = served.model.usual_state();
    const double p0 = logit(forecast_of(served, usual_state, usual).p[0]);
    const double p1 = logit(forecast_of(served, unseen, usual).p[0]);
    const double p2 = logit(forecast_of(served, unseen, told).p[0]);
    const Forecast last = forecast_of(served, carried.standing, told);
    risk.method = "gauged";
    risk.basin = basin.id;
    risk.version = basin.version;
    risk.probabilities = last.p;
    risk.baseline = p0;
    risk.log_odds = logit(last.p[0]);
    risk.drivers.push_back(
        {"wetness_and_snow", carried.standing.state.production / basin.parameters.production_mm, p1 - p0});
    risk.drivers.push_back({"rainfall", place.rain().front(), p2 - p1});
    risk.drivers.push_back({"river_observation", place.flow_m3s, risk.log_odds - p2});
    // How far the threshold itself is uncertain, by the years behind it.
    const double shift = 1.645 * basin.thresholds.two_year_error;
    const double log_two = std::log(basin.thresholds.levels[0] + kFlowFloorMm);
    risk.low = basin.errors.exceedance(last.worst.spread, log_two + shift);
    risk.high = std::max(last.p[0], basin.errors.exceedance(last.worst.spread, log_two - shift));
    const auto flow = [&](double p) {
        const double mm = std::exp(basin.errors.quantile(last.worst.spread, p)) - kFlowFloorMm;
        return basin.discharge(std::max(0.0, mm));
    };
    risk.flow_m3s = {flow(0.05), flow(0.5), flow(0.95)};
    if (carried.standing.error) {
        risk.observation_age_s = carried.standing.age_steps * basin.step_hours * 3600;
    } else {
        risk.missing.push_back("river_observation");
    }
    if (carried.gap > 0 && !place.flow_m3s) risk.missing.push_back("weather_since_last_row");
    if (basin.has_temperature && !place.temperature) risk.missing.push_back("temperature");
    if (place.humidity) risk.unused.push_back("humidity");
}

/// Odds of ordinary ground at usual wetness without rain: what the drivers are counted from. Made once.
float usual_odds() noexcept {
    static const float usual = [] {
        const Retention plain = plain_ground();
        const float none = 0;
        const auto level = static_cast<float>(Wetness::usual().level());
        float runoff = 0;
        float odds = 0;
        score({{&none, 1}, {&level, 1}, {&plain.dry, 1}, {&plain.wet, 1}, {&runoff, 1}, {&odds, 1}});
        return odds;
    }();
    return usual;
}

/// The odds of the place, of the same on ordinary ground, of that without rain, and of that at usual wetness.
struct Odds {
    float all, plain, wet, base;
};

void assess_indicative(const Prepared& prepared, const Odds& odds, Risk& risk) {
    const Place& place = prepared.place;
    risk.method = "indicative";
    risk.version = kIndicativeVersion;
    risk.baseline = odds.base;
    risk.drivers.push_back({"wetness", prepared.wetness, odds.wet - odds.base});
    risk.drivers.push_back({"rainfall", prepared.liquid_mm, odds.plain - odds.wet});
    if (odds.all != odds.plain) risk.drivers.push_back({"ground", place.ground.curve_number, odds.all - odds.plain});
    risk.log_odds = odds.all;
    if (!place.mean_7d) risk.missing.push_back("rainfall_7d_mean");
    if (!place.mean_30d) risk.missing.push_back("rainfall_30d_mean");
    if (!place.temperature) risk.missing.push_back("temperature");
    if (!place.curve_number_told) risk.missing.push_back("curve_number");
    if (place.humidity) risk.unused.push_back("humidity");
    if (place.flow_m3s) risk.unused.push_back("river_flow_m3s");
}

/// Highest threshold that the stage has reached: 0 none, 1 action, ... 4 major.
std::size_t reached_by(const Place& place) noexcept {
    std::size_t reached = 0;
    for (std::size_t i = 0; i < place.stages.size(); ++i) {
        if (place.stage_m && place.stages[i] && *place.stage_m >= *place.stages[i]) reached = i + 1;
    }
    return reached;
}

/// A stage over `minor` is a flood that is seen; how rare a one, its own thresholds say, not the model's.
void see_stage(const Place& place, std::size_t reached, Risk& risk) {
    if (reached >= 2 && risk.log_odds < kStageReached) {
        risk.drivers.push_back({"river_stage", place.stage_m, kStageReached - risk.log_odds});
        risk.log_odds = kStageReached;
        risk.probabilities[0] = logistic(kStageReached);
        risk.low = std::min(risk.low, risk.probabilities[0]);
        risk.high = std::max(risk.high, risk.probabilities[0]);
        risk.method = "observed_stage";
    }
    constexpr std::array<Level, 5> kSeen{Level::kVeryLow, Level::kLow, Level::kModerate, Level::kHigh, Level::kExtreme};
    risk.level = std::max(level_of(risk.probabilities), kSeen[reached]);
}

/// What both kinds share: height over the channel, the interval, a stage that was seen, the level.
void finish(const Prepared& prepared, Risk& risk) {
    const Place& place = prepared.place;
    double shift = 0;
    if (place.hand_m) {
        shift = -kHandPerMetre * std::max(0.0, *place.hand_m - kHandFree);
        risk.drivers.push_back({"height_above_drainage", place.hand_m, shift});
    }
    if (place.tide_m) risk.unused.push_back("tide_m");
    risk.log_odds += shift;
    if (prepared.basin == nullptr) {
        double half_width = kIndicativeHalfWidth;
        for (std::size_t i = 0; i < risk.missing.size(); ++i) half_width *= kWiderMissing;
        risk.probabilities = probabilities(risk.log_odds);
        risk.low = logistic(risk.log_odds - half_width);
        risk.high = logistic(risk.log_odds + half_width);
    } else if (shift != 0) {
        for (double& p : risk.probabilities) p = logistic(logit(p) + shift);
        risk.low = logistic(logit(risk.low) + shift);
        risk.high = logistic(logit(risk.high) + shift);
    }
    see_stage(place, reached_by(place), risk);
    risk.drivers.erase_if([](const Driver& one) { return one.contribution == 0; });
}

/// Snow does not run off today.
float liquid_of(const Place& place, double rain) noexcept {
    if (!place.temperature) return static_cast<float>(rain);
    return static_cast<float>(rain * std::clamp((*place.temperature + 1) / 4, 0.0, 1.0));
}

/// The wettest day of the series is what counts; the days before it wet the ground.
void find_worst_day(Prepared& prepared) {
    const Place& place = prepared.place;
    Wetness wetness = Wetness::from_means(place.mean_7d, place.mean_30d);
    float worst = -1e9F;
    const bool is_series = place.rain().size() > 1;
    for (const double rain : place.rain()) {
        const float liquid = liquid_of(place, rain);
        const auto level = static_cast<float>(wetness.level());
        float runoff = 0;
        float odds = 0;
        const Retention& ground = prepared.ground;
        if (is_series) {
            score({{&liquid, 1}, {&level, 1}, {&ground.dry, 1}, {&ground.wet, 1}, {&runoff, 1}, {&odds, 1}});
        }
        if (odds > worst || !is_series) {
            worst = odds;
            prepared.liquid_mm = liquid;
            prepared.wetness = level;
        }
        wetness.add_day(rain);
    }
}

}  // namespace

std::optional<pipeline::FieldError> prepare(Prepared& prepared, const BasinSet& basins, UnixMillis now) {
    const Place& place = prepared.place;
    prepared.basin = place.basin.empty() ? basins.around(place.latitude, place.longitude) : basins.find(place.basin);
    if (prepared.basin == nullptr && !place.basin.empty()) {
        return pipeline::FieldError{"basin", "is not a basin that is loaded", "not_allowed"};
    }
    if (prepared.basin != nullptr) {
        if (place.date.value_or(now) >= prepared.basin->basin.state_time) return std::nullopt;
        return pipeline::FieldError{"date", "lies before the end of the basin's data", "too_small"};
    }
    const bool is_plain = !place.curve_number_told && !place.ground.slope && place.ground.imperviousness == 0;
    prepared.ground = is_plain ? plain_ground() : retention_of(place.ground);
    find_worst_day(prepared);
    return std::nullopt;
}

void assess(std::span<const Prepared> places, UnixMillis now, std::span<Risk> risks) {
    using Floats = std::array<float, kAssessedMax>;
    const std::size_t n = places.size();
    TG_ASSERT(n <= kAssessedMax && n <= risks.size());
    const Retention plain = plain_ground();
    Floats rain, wetness, dry, wet, runoff, all, on_plain, without_rain;
    for (std::size_t i = 0; i < n; ++i) {
        rain[i] = places[i].liquid_mm;
        wetness[i] = static_cast<float>(places[i].wetness);
        dry[i] = places[i].ground.dry;
        wet[i] = places[i].ground.wet;
    }
    const auto of = [n](Floats& floats) { return std::span(floats).first(n); };
    score({of(rain), of(wetness), of(dry), of(wet), of(runoff), of(all)});
    dry.fill(plain.dry);
    wet.fill(plain.wet);
    score({of(rain), of(wetness), of(dry), of(wet), of(runoff), of(on_plain)});
    rain.fill(0);
    score({of(rain), of(wetness), of(dry), of(wet), of(runoff), of(without_rain)});
    const float base = usual_odds();
    for (std::size_t i = 0; i < n; ++i) {
        risks[i] = Risk();
        if (places[i].basin != nullptr) {
            assess_gauged(places[i], now, risks[i]);
        } else {
            assess_indicative(places[i], {all[i], on_plain[i], without_rain[i], base}, risks[i]);
        }
        finish(places[i], risks[i]);
    }
}

double confidence_of(const Risk& risk) noexcept {
    return std::clamp(1 - (risk.high - risk.low), 0.0, 1.0);
}

}  // namespace tidegate::flood
