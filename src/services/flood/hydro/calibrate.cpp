#include "services/flood/hydro/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace tidegate::flood {
namespace {

constexpr std::size_t kObservedMin = 300;
constexpr std::size_t kNumbers = 8;
using Point = std::array<double, kNumbers>;  // Each in 0 to 1.

struct Range {
    double low, high;
    bool by_ratio;
};
// Wider than the 80 % ranges of Perrin et al. (2003) for the first four; the snow's as CemaNeige's.
constexpr std::array<Range, kNumbers> kDaily{{{10, 3000, true},
                                              {-8, 6, false},
                                              {5, 800, true},
                                              {0.5, 10, true},
                                              {0.5, 9, true},
                                              {0.01, 0.98, false},
                                              {0, 8, false},
                                              {0.7, 2, true}}};
constexpr std::array<Range, kNumbers> kHourly{{{10, 3000, true},
                                               {-0.8, 0.6, false},
                                               {5, 800, true},
                                               {0.5, 20, true},
                                               {0.02, 0.4, true},
                                               {0.5, 0.999, false},
                                               {0, 8, false},
                                               {0.7, 2, true}}};
/// Perrin's medians, in this scale: the first trial.
constexpr Point kFirst{0.55, 0.57, 0.5, 0.3, 0.6, 0.5, 0.3, 0.4};

/// SplitMix64: the same search on every machine.
class Dice {
  public:
    double uniform() noexcept {
        state_ += 0x9E3779B97F4A7C15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1.0p-53;
    }
    double normal() noexcept {
        const double radius = std::sqrt(-2 * std::log(uniform() + 1e-300));
        return radius * std::cos(2 * std::numbers::pi * uniform());
    }

  private:
    std::uint64_t state_ = 42;
};

HydroParameters parameters_of(const Point& point, bool hourly) {
    Point v{};
    for (std::size_t i = 0; i < kNumbers; ++i) {
        const Range& range = (hourly ? kHourly : kDaily)[i];
        v[i] = range.by_ratio ? range.low * std::pow(range.high / range.low, point[i])
                              : range.low + (range.high - range.low) * point[i];
    }
    return {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

double log_flow(double flow) {
    return std::log(flow + kFlowFloorMm);
}

std::size_t steps_a_year(const Series& series) {
    return series.step_hours == 24 ? 365 : 8766;
}

Weather weather_of(const Series& series, std::size_t row) {
    return {series.precip[row], series.pet[row], series.temp[row]};
}

/// The first year runs twice: the stores know nothing at first.
HydroState warm_state(const HydroModel& model, const Series& series) {
    HydroState state = model.usual_state();
    const std::size_t rows = std::min(series.size(), steps_a_year(series));
    for (std::size_t i = 0; i < rows; ++i) model.step(state, weather_of(series, i));
    return state;
}

struct Simulation {
    std::vector<double> flow, water;
    HydroState end;
};

Simulation simulate(const HydroModel& model, const Series& series, bool with_water) {
    Simulation out;
    out.end = warm_state(model, series);
    out.flow.reserve(series.size());
    for (std::size_t i = 0; i < series.size(); ++i) {
        if (with_water) {
            HydroState copy = out.end;
            out.water.push_back(model.liquid(copy, weather_of(series, i)));
        }
        out.flow.push_back(model.step(out.end, weather_of(series, i)));
    }
    return out;
}

/// What of the series is fitted to, with its variances.
class Loss {
  public:
    Loss(const Series& series, std::size_t rows) : series_(series) {
        // The first year is there to fill the stores, where there is enough of it.
        const std::size_t from = std::min(rows / 5, steps_a_year(series));
        double sum = 0;
        double sum_log = 0;
        for (std::size_t i = from; i < rows; ++i) {
            if (!std::isfinite(series.flow[i])) continue;
            observed_.push_back(i);
            sum += series.flow[i];
            sum_log += log_flow(series.flow[i]);
        }
        const auto n = static_cast<double>(observed_.size());
        for (const std::size_t i : observed_) {
            variance_ += std::pow(series.flow[i] - sum / n, 2);
            variance_log_ += std::pow(log_flow(series.flow[i]) - sum_log / n, 2);
        }
    }
    bool fits() const noexcept { return observed_.size() >= kObservedMin && variance_ > 0 && variance_log_ > 0; }
    std::size_t observed() const noexcept { return observed_.size(); }

    double operator()(const std::vector<double>& flow) const {
        double squares = 0;
        double squares_log = 0;
        for (const std::size_t i : observed_) {
            squares += std::pow(series_.flow[i] - flow[i], 2);
            squares_log += std::pow(log_flow(series_.flow[i]) - log_flow(flow[i]), 2);
        }
        return 0.5 * squares / variance_ + 0.5 * squares_log / variance_log_;
    }

  private:
    const Series& series_;
    std::vector<std::size_t> observed_;
    double variance_ = 0, variance_log_ = 0;
};

/// A neighbour of the best: each number moves with a probability that falls from 1 to none, always at least one.
Point neighbour(const Point& best, double move_share, std::size_t numbers, Dice& dice) {
    constexpr double kReach = 0.2;  // The authors' advice for every problem.
    Point next = best;
    const auto move = [&](std::size_t i) {
        double x = next[i] + kReach * dice.normal();
        if (x < 0) x = -x;
        if (x > 1) x = 2 - x;
        next[i] = x < 0 || x > 1 ? dice.uniform() : x;
    };
    bool moved = false;
    for (std::size_t i = 0; i < numbers; ++i) {
        if (dice.uniform() >= move_share) continue;
        move(i);
        moved = true;
    }
    if (!moved) move(std::min(static_cast<std::size_t>(dice.uniform() * static_cast<double>(numbers)), numbers - 1));
    return next;
}

HydroParameters search(const Series& fitted, const Loss& loss, std::size_t trials) {
    const bool hourly = fitted.step_hours == 1;
    const std::size_t numbers = fitted.has_temperature() ? kNumbers : 4;
    Dice dice;
    Point best = kFirst;
    double least = std::numeric_limits<double>::infinity();
    const std::size_t scattered = std::max<std::size_t>(1, trials / 40);
    for (std::size_t trial = 0; trial < trials; ++trial) {
        Point point = kFirst;
        if (trial >= scattered) {
            const double share = 1 - std::log(static_cast<double>(trial)) / std::log(static_cast<double>(trials));
            point = neighbour(best, share, numbers, dice);
        } else if (trial > 0) {
            for (double& x : point) x = dice.uniform();
        }
        const HydroModel model(parameters_of(point, hourly), hourly);
        const double now = loss(simulate(model, fitted, false).flow);
        if (!(now < least)) continue;
        least = now;
        best = point;
    }
    return parameters_of(best, hourly);
}

/// Largest flow of each year that was observed for at least ten of its months.
std::vector<double> yearly_maxima(const Series& series, std::size_t to) {
    const std::size_t year = steps_a_year(series);
    std::vector<double> maxima;
    for (std::size_t from = 0; from < to; from += year) {
        double largest = 0;
        std::size_t observed = 0;
        for (std::size_t i = from; i < std::min(to, from + year); ++i) {
            if (!std::isfinite(series.flow[i])) continue;
            largest = std::max(largest, series.flow[i]);
            ++observed;
        }
        if (observed * 12 >= year * 10) maxima.push_back(largest);
    }
    return maxima;
}

FlowThresholds thresholds_of(const Series& series, std::size_t rows) {
    FlowThresholds out;
    std::vector<double> flow;
    std::ranges::copy_if(std::span(series.flow).first(rows), std::back_inserter(flow),
                         [](double q) { return std::isfinite(q); });
    std::ranges::sort(flow);
    out.q98 = flow[static_cast<std::size_t>(0.98 * static_cast<double>(flow.size() - 1))];
    const std::vector<double> maxima = yearly_maxima(series, rows);
    out.years = static_cast<std::uint32_t>(maxima.size());
    const auto gev = fit_gev(maxima);
    const double highest = flow.back();
    for (std::size_t i = 0; i < kReturnYears.size(); ++i) {
        // Without two years there is no statistic: the highest flow seen, and what is a little more.
        const double level = gev ? gev->return_level(kReturnYears[i]) : highest * (1 + 0.2 * static_cast<double>(i));
        out.levels[i] = std::max(level, i == 0 ? out.q98 : out.levels[i - 1]);
    }
    double mean = 0;
    double squares = 0;
    for (const double m : maxima) mean += log_flow(m) / static_cast<double>(maxima.size());
    for (const double m : maxima) squares += std::pow(log_flow(m) - mean, 2);
    const auto n = static_cast<double>(maxima.size());
    // A median's error is 1.25 of a mean's; with one year or none, as if floods differed by a factor of two.
    out.two_year_error = n >= 2 ? 1.25 * std::sqrt(squares / (n - 1) / n) : std::numbers::ln2;
    return out;
}

std::array<UsualWeather, 12> usual_weather(const Series& series) {
    std::array<UsualWeather, 12> sums{};
    std::array<double, 12> counts{};
    for (std::size_t i = 0; i < series.size(); ++i) {
        const std::string date = format_rfc3339(series.time(i));
        const auto month = static_cast<std::size_t>((date[5] - '0') * 10 + date[6] - '1');
        sums[month].precip_mm += series.precip[i];
        sums[month].pet_mm += series.pet[i];
        sums[month].temp_c += std::isfinite(series.temp[i]) ? series.temp[i] : 0;
        counts[month] += 1;
    }
    for (std::size_t m = 0; m < 12; ++m) {
        const double n = std::max(1.0, counts[m]);
        sums[m] = {sums[m].precip_mm / n, sums[m].pet_mm / n, sums[m].temp_c / n};
    }
    return sums;
}

/// Steps from a pulse of rain on wet ground until the rise it makes has fallen to 1/e of its peak.
double response_of(const HydroModel& model, const HydroParameters& p) {
    HydroState wet = model.usual_state();
    wet.production = 0.7 * p.production_mm;
    HydroState dry = wet;
    constexpr double kPulseMm = 30;
    constexpr int kStepsMax = 2000;  // 12 weeks of hours.
    double peak = 0;
    for (int i = 0; i < kStepsMax; ++i) {
        const double rise = model.step(wet, {i == 0 ? kPulseMm : 0.0, 0, 15}) - model.step(dry, {0, 0, 15});
        if (rise < peak / std::numbers::e) return i;
        peak = std::max(peak, rise);
    }
    return kStepsMax;
}

double efficiency(std::span<const OneStep> steps, auto&& log_predicted) {
    double mean = 0;
    for (const OneStep& one : steps) mean += std::exp(one.sample.log_observed) / static_cast<double>(steps.size());
    double wrong = 0;
    double all = 0;
    for (const OneStep& one : steps) {
        const double observed = std::exp(one.sample.log_observed);
        wrong += std::pow(observed - std::exp(log_predicted(one.sample.inputs)), 2);
        all += std::pow(observed - mean, 2);
    }
    return all > 0 ? 1 - wrong / all : 0;
}

void place_at_end(Basin& basin, const Series& series, const Simulation& simulation) {
    constexpr std::size_t kOldest = 30;  // Steps: after that an observation says next to nothing.
    basin.state = simulation.end;
    basin.state_time = series.time(series.size());
    basin.last_log_sim = log_flow(simulation.flow.back());
    for (std::size_t age = 0; age < std::min(kOldest, series.size()); ++age) {
        const std::size_t row = series.size() - 1 - age;
        if (!std::isfinite(series.flow[row])) continue;
        basin.last_error = log_flow(series.flow[row]) - log_flow(simulation.flow[row]);
        basin.last_age_steps = static_cast<double>(age);
        basin.last_flow_mm = series.flow[row];
        return;
    }
}

std::vector<OneStep> steps_of(const Simulation& simulation, const Series& series, std::size_t from, std::size_t to) {
    std::vector<OneStep> out;
    for (std::size_t i = std::max<std::size_t>(from, 1); i < to; ++i) {
        if (!std::isfinite(series.flow[i]) || !std::isfinite(series.flow[i - 1])) continue;
        OneStep one{.row = i, .sample = {}};
        const double before = log_flow(simulation.flow[i - 1]);
        one.sample.inputs.log_sim = log_flow(simulation.flow[i]);
        one.sample.inputs.change = one.sample.inputs.log_sim - before;
        one.sample.inputs.water_mm = simulation.water[i];
        one.sample.inputs.last_error = log_flow(series.flow[i - 1]) - before;
        one.sample.log_observed = log_flow(series.flow[i]);
        out.push_back(one);
    }
    return out;
}

}  // namespace

std::vector<OneStep> one_step_forecasts(const Basin& basin, const Series& series, std::size_t from, std::size_t to) {
    return steps_of(simulate(basin.model(), series, true), series, from, to);
}

double median_yearly_maximum(const Series& series, std::size_t to) {
    std::vector<double> maxima = yearly_maxima(series, to);
    if (maxima.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::ranges::sort(maxima);
    const std::size_t half = maxima.size() / 2;
    return maxima.size() % 2 == 1 ? maxima[half] : (maxima[half - 1] + maxima[half]) / 2;
}

Result<Basin> calibrate(const Series& series, const CalibrationOptions& options) {
    const std::size_t rows = std::min(series.size(), options.fit_rows);
    const Series fitted = series.part(0, rows);
    const Loss loss(fitted, rows);
    if (!loss.fits()) {
        return fail(ErrorCode::kInvalidArgument,
                    "calibration needs at least 300 steps with an observed, changing flow after the first fifth");
    }
    Basin basin;
    basin.step_hours = series.step_hours;
    basin.has_temperature = series.has_temperature();
    basin.parameters = search(fitted, loss, options.trials);
    const HydroModel model = basin.model();
    const Simulation simulation = simulate(model, series, true);
    basin.response_steps = response_of(model, basin.parameters);
    basin.thresholds = thresholds_of(series, rows);
    const std::vector<OneStep> steps = steps_of(simulation, series, std::min(rows / 5, steps_a_year(series) / 2), rows);
    std::vector<ErrorSample> samples;
    std::vector<double> observed;
    for (const OneStep& one : steps) {
        samples.push_back(one.sample);
        observed.push_back(one.sample.log_observed);
    }
    const auto high = observed.begin() + static_cast<std::ptrdiff_t>(observed.size() * 8 / 10);
    std::ranges::nth_element(observed, high);
    basin.errors = fit_errors(samples, *high, basin.response_steps);
    basin.fit = {efficiency(steps, [](const ErrorInputs& in) { return in.log_sim; }),
                 efficiency(steps, [&](const ErrorInputs& in) { return basin.errors.spread(in).centre; }),
                 static_cast<std::uint32_t>(loss.observed())};
    basin.usual = usual_weather(fitted);
    place_at_end(basin, series, simulation);
    return basin;
}

}  // namespace tidegate::flood
