#include "services/flood/hydro/evaluate.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tidegate::flood {
namespace {

struct Judged {
    std::vector<double> probability;
    std::vector<bool> happened;
};

Judged judge(const Basin& basin, const std::vector<OneStep>& steps, double threshold) {
    Judged out;
    const double log_threshold = std::log(threshold + kFlowFloorMm);
    for (const OneStep& one : steps) {
        out.probability.push_back(basin.errors.exceedance(basin.errors.spread(one.sample.inputs), log_threshold));
        out.happened.push_back(one.sample.log_observed >= log_threshold);
    }
    return out;
}

double f1_at(const Judged& judged, double cut) {
    double hits = 0;
    double wrong = 0;
    for (std::size_t i = 0; i < judged.happened.size(); ++i) {
        const bool said = judged.probability[i] >= cut;
        if (said && judged.happened[i]) {
            hits += 2;
        } else if (said != judged.happened[i]) {
            wrong += 1;
        }
    }
    return hits > 0 ? hits / (hits + wrong) : 0;
}

double best_cut(const Judged& judged) {
    double best = -1;
    double cut = 0.5;
    for (int percent = 2; percent < 98; percent += 2) {
        const double now = f1_at(judged, percent / 100.0);
        if (now <= best) continue;
        best = now;
        cut = percent / 100.0;
    }
    return cut;
}

double area_under(const Judged& judged) {
    std::vector<std::size_t> order(judged.happened.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [&](std::size_t i) { return judged.probability[i]; });
    double below = 0;  // Pairs with the event above, ties half.
    double events = 0;
    double others = 0;
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i;
        double tied_events = 0;
        double tied_others = 0;
        for (; end < order.size() && judged.probability[order[end]] == judged.probability[order[i]]; ++end) {
            (judged.happened[order[end]] ? tied_events : tied_others) += 1;
        }
        below += tied_events * (others + tied_others / 2);
        events += tied_events;
        others += tied_others;
        i = end;
    }
    return events > 0 && others > 0 ? below / (events * others) : 0;
}

/// One threshold over all judged parts.
struct Tally {
    Judged judged;
    std::vector<double> base;  // Rate of the fitted rows, of each judged step.
    double hits = 0, wrong = 0;
    double threshold = 0, cut = 0;  // Of the last part.

    void add(const Basin& basin, const std::vector<OneStep>& fitted, const std::vector<OneStep>& steps, double level) {
        threshold = level;
        if (!std::isfinite(level) || fitted.empty() || steps.empty()) return;
        const Judged past = judge(basin, fitted, level);
        const Judged now = judge(basin, steps, level);
        cut = best_cut(past);
        const double rate =
            static_cast<double>(std::ranges::count(past.happened, true)) / static_cast<double>(past.happened.size());
        for (std::size_t i = 0; i < now.happened.size(); ++i) {
            const bool said = now.probability[i] >= cut;
            if (said && now.happened[i]) {
                hits += 2;
            } else if (said != now.happened[i]) {
                wrong += 1;
            }
            judged.probability.push_back(now.probability[i]);
            judged.happened.push_back(now.happened[i]);
            base.push_back(rate);
        }
    }

    ThresholdScore score() const {
        ThresholdScore out{.threshold_mm = threshold, .cut = cut};
        double brier = 0;
        double reference = 0;
        for (std::size_t i = 0; i < base.size(); ++i) {
            const double happened = judged.happened[i] ? 1 : 0;
            brier += std::pow(judged.probability[i] - happened, 2);
            reference += std::pow(base[i] - happened, 2);
            out.events += judged.happened[i] ? 1 : 0;
        }
        out.f1 = hits > 0 ? hits / (hits + wrong) : 0;
        out.auc = area_under(judged);
        out.brier_skill = reference > 0 ? 1 - brier / reference : 0;
        return out;
    }
};

/// What is judged of a basin, part by part.
struct Judgement {
    std::array<Tally, 2> tallies;
    double sum = 0, squares = 0, wrong_simulated = 0, wrong_corrected = 0, within = 0;
    std::size_t fitted = 0, judged = 0;

    void add(const Basin& basin, const std::vector<OneStep>& past, const std::vector<OneStep>& steps, double two_year) {
        fitted = std::max(fitted, past.size());
        judged += steps.size();
        for (const OneStep& one : steps) {
            const ErrorModel::Spread spread = basin.errors.spread(one.sample.inputs);
            const double observed = std::exp(one.sample.log_observed);
            sum += observed;
            squares += observed * observed;
            wrong_simulated += std::pow(observed - std::exp(one.sample.inputs.log_sim), 2);
            wrong_corrected += std::pow(observed - std::exp(spread.centre), 2);
            within += one.sample.log_observed >= basin.errors.quantile(spread, 0.05) &&
                              one.sample.log_observed <= basin.errors.quantile(spread, 0.95)
                          ? 1
                          : 0;
        }
        tallies[0].add(basin, past, steps, basin.thresholds.q98);
        tallies[1].add(basin, past, steps, two_year);
    }

    BasinScore score() const {
        const auto n = static_cast<double>(judged);
        const double variance = squares - sum * sum / n;
        BasinScore out{.fitted = fitted, .judged = judged};
        out.nse_simulated = 1 - wrong_simulated / variance;
        out.nse_corrected = 1 - wrong_corrected / variance;
        out.coverage = within / n;
        out.scores = {tallies[0].score(), tallies[1].score()};
        return out;
    }
};

}  // namespace

Result<BasinScore> evaluate_basin(const Series& series, std::size_t fit_rows, const Clock& clock) {
    const SteadyTime start = clock.now();
    TG_TRY(const Basin basin, calibrate(series, {.trials = 1500, .fit_rows = fit_rows}));
    const double seconds = std::chrono::duration<double>(clock.now() - start).count();
    Judgement all;
    all.add(basin, one_step_forecasts(basin, series, fit_rows / 10, fit_rows),
            one_step_forecasts(basin, series, fit_rows, series.size()), median_yearly_maximum(series, fit_rows));
    if (all.judged == 0) return fail(ErrorCode::kInvalidArgument, "no observed flow after the fitted rows");
    BasinScore out = all.score();
    out.seconds = seconds;
    return out;
}

Result<BasinScore> cross_validate_basin(const Series& series, std::size_t parts, const Clock& clock) {
    const SteadyTime start = clock.now();
    Judgement all;
    for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t from = series.size() * part / parts;
        const std::size_t to = series.size() * (part + 1) / parts;
        Series masked = series;
        std::fill(masked.flow.begin() + static_cast<std::ptrdiff_t>(from),
                  masked.flow.begin() + static_cast<std::ptrdiff_t>(to), std::nan(""));
        TG_TRY(const Basin basin, calibrate(masked));
        all.add(basin, one_step_forecasts(basin, masked, 0, masked.size()), one_step_forecasts(basin, series, from, to),
                median_yearly_maximum(masked, masked.size()));
    }
    if (all.judged == 0) return fail(ErrorCode::kInvalidArgument, "no observed flow to judge");
    BasinScore out = all.score();
    out.seconds = std::chrono::duration<double>(clock.now() - start).count();
    return out;
}

}  // namespace tidegate::flood
