#include "drift/monitor_runs.h"

#include <algorithm>
#include <cmath>

namespace tidegate::drift {
namespace {

constexpr UnixMillis kStart = 1'700'000'000'000;

double squeeze(double x) {
    return 1 / (1 + std::exp(-x));
}

}  // namespace

Observation draw_decision(Dice& dice, UnixMillis at, const Traffic& traffic) {
    Observation seen;
    seen.key = {"provenance", "detect/text", "text_detector", "north"};
    seen.at = at;
    seen.input_size = std::exp(7 + 0.8 * dice.normal()) * traffic.length_factor;
    seen.latency_us = std::exp(8.5 + 0.5 * dice.normal()) * traffic.latency_factor;
    seen.language = dice.chance(0.7) ? "en" : "de";
    seen.text_length = kMissing;
    seen.failed = dice.chance(traffic.error_rate) ? 1 : 0;
    const double score = squeeze(1.5 * (dice.normal() + traffic.score_shift));
    const double kind = dice.uniform();
    const double size = std::exp(6 + 0.3 * dice.normal());
    if (seen.failed > 0) return seen;
    seen.confidence = score;
    seen.output_size = std::floor(size);
    seen.tokens = std::floor(seen.input_size / 4);
    seen.band = kind < traffic.ai_share ? "ai" : kind < traffic.ai_share + 0.1 ? "uncertain" : "human";
    return seen;
}

QuietRuns quiet_runs(const MonitorOptions& options, std::size_t runs, std::size_t decisions, std::uint64_t seed) {
    QuietRuns result;
    result.runs = runs;
    result.decisions_a_run = decisions;
    result.days_a_run = 30;
    result.budget = options.alarms_a_month * static_cast<double>(runs);
    const double gap = static_cast<double>(kMonthMs) / static_cast<double>(decisions);
    for (std::size_t run = 0; run < runs; ++run) {
        Dice dice(seed + run);
        Monitor monitor(options);
        Alerts alerts;
        std::uint64_t alarms = 0;
        std::vector<Finding> findings;
        for (std::size_t i = 0; i < options.baseline + decisions; ++i) {
            const UnixMillis at = kStart + static_cast<UnixMillis>(gap * static_cast<double>(i));
            findings.clear();
            monitor.add(draw_decision(dice, at, {}), findings);
            if (findings.empty()) continue;
            ++alarms;
            if (std::ranges::any_of(findings, [](const Finding& one) { return one.evidence.test == "tandem"; })) {
                ++result.by_detector;
            }
            for (const Finding& one : findings) {
                const auto outcome = alerts.raise(alert_key(one), one.evidence, one.at);
                if (outcome.raised == Raised::kOpened) ++result.alerts;
            }
        }
        result.looks += monitor.streams().front()->last_look().number;
        result.alarms += alarms;
        if (alarms > 0) ++result.runs_with_alarm;
    }
    return result;
}

std::vector<ShiftRun> shifts_of_each_kind() {
    Traffic score;
    score.score_shift = 0.5;
    Traffic classes;
    classes.ai_share = 0.45;
    Traffic errors;
    errors.error_rate = 0.1;
    Traffic latency;
    latency.latency_factor = 1.5;
    Traffic length;
    length.length_factor = 1.5;
    return {{"score mean by half a deviation", "confidence", score},
            {"share of one class 0.30 to 0.45", "band", classes},
            {"error rate 5 % to 10 %", "error_rate", errors},
            {"latency 1.5 times", "latency", latency},
            {"input length 1.5 times", "input_size", length}};
}

ShiftFound shift_runs(const MonitorOptions& options, const ShiftRun& shift, std::size_t runs, std::size_t patience,
                      std::uint64_t seed) {
    ShiftFound result;
    result.shift = shift;
    result.runs = runs;
    double delays = 0;
    // A decision a second.
    constexpr UnixMillis kGap = 1'000;
    for (std::size_t run = 0; run < runs; ++run) {
        Dice dice(seed + run);
        Monitor monitor(options);
        const std::size_t change = options.baseline + 2 * options.window + dice.below(options.window);
        std::vector<Finding> findings;
        for (std::size_t i = 0; i < change + patience; ++i) {
            findings.clear();
            const UnixMillis at = kStart + kGap * static_cast<UnixMillis>(i);
            monitor.add(draw_decision(dice, at, i < change ? Traffic{} : shift.traffic), findings);
            if (i < change) {
                result.before += findings.empty() ? 0 : 1;
                continue;
            }
            if (std::ranges::find(findings, shift.feature, &Finding::feature) == findings.end()) continue;
            ++result.found;
            const std::size_t delay = i - change + 1;
            delays += static_cast<double>(delay);
            result.delay_worst = std::max(result.delay_worst, delay);
            break;
        }
    }
    if (result.found > 0) result.delay_mean = delays / static_cast<double>(result.found);
    return result;
}

}  // namespace tidegate::drift
