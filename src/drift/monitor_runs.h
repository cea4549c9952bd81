// MonitorRuns: the monitor on simulated traffic: how often it is wrong when nothing changes, how soon it is right when something does.
//
// Algorithm   Decisions of a text classifier: beta-like scores with a band by threshold, lognormal sizes and latencies, a rate of
//             errors, at even distances in time. All independent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drift/dice.h"
#include "drift/monitor.h"

namespace tidegate::drift {

/// What the decisions of a stretch are drawn from.
struct Traffic {
    double score_shift = 0;  // Standard deviations of the score before it is squeezed into 0 to 1.
    double ai_share = 0.3;   // Of decisions whose class is not the score's doing.
    double error_rate = 0.05;
    double latency_factor = 1;
    double length_factor = 1;
};
Observation draw_decision(Dice& dice, UnixMillis at, const Traffic& traffic);

struct QuietRuns {
    std::size_t runs = 0;
    std::size_t decisions_a_run = 0;
    double days_a_run = 0;  // After the baseline.
    std::uint64_t looks = 0;
    std::uint64_t alarms = 0;  // Looks and detections with a finding.
    std::uint64_t by_detector = 0;
    std::uint64_t alerts = 0;  // Opened: what somebody would have been told.
    std::size_t runs_with_alarm = 0;
    double budget = 0;  // Alarms that all runs together may have on average.
};
/// `runs` streams of `decisions` each after their baseline, spread over 30 days.
QuietRuns quiet_runs(const MonitorOptions& options, std::size_t runs, std::size_t decisions, std::uint64_t seed);

struct ShiftRun {
    std::string kind;
    std::string feature;  // That the finding must be about.
    Traffic traffic;
};
/// One of each kind that the monitor is for.
std::vector<ShiftRun> shifts_of_each_kind();

struct ShiftFound {
    ShiftRun shift;
    std::size_t runs = 0;
    std::size_t found = 0;  // In the feature, within `patience` decisions.
    double delay_mean = 0;  // Decisions after the change, of those found.
    std::size_t delay_worst = 0;
    std::size_t before = 0;  // Alarms before the change.
};
/// Each run: a baseline, two windows unchanged, then the shift. The change falls somewhere within a window.
ShiftFound shift_runs(const MonitorOptions& options, const ShiftRun& shift, std::size_t runs, std::size_t patience,
                      std::uint64_t seed);

}  // namespace tidegate::drift
