// Benchmark: every detector on labelled streams and on streams without change; every windowed test beside fixed thresholds.
//
// Guarantee   Pure computation from seeds: the same numbers on every machine. Times are taken by the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drift/score.h"
#include "drift/streams.h"

namespace tidegate::drift {

struct Contestant {
    std::string name;
    MakeDetector make;
};
/// All detectors with their published defaults, then ours at three budgets: a false alarm in 100,000 values (about HDDM_W's
/// own), in a million, and in 20 million (under a tenth of one expected over fifteen streams of 100,000).
std::vector<Contestant> contestants();

struct FamilyScore {
    std::string family;
    Score score;
};
/// The detector on all streams, summed by family, in the order in which families appear.
std::vector<FamilyScore> score_families(std::span<const LabelledStream> streams, const MakeDetector& make);

/// Streams of our own from seeds on which nothing was chosen: ten each of Sine1, Mixed and Circles, shaped as the public ones.
std::vector<LabelledStream> held_out_streams();

struct StationaryRuns {
    std::size_t runs = 0;
    std::size_t values_a_run = 0;
    std::size_t alarms = 0;
    std::size_t runs_with_alarm = 0;
};
/// Errors at a constant rate; each run starts a new detector.
StationaryRuns stationary_runs(const MakeDetector& make, double error_rate, std::size_t runs, std::size_t values_a_run,
                               std::uint64_t seed);

struct WindowRule {
    std::string name;
    double alarms = 0;  // Share of the windows, 0 to 1.
};
struct WindowRow {
    std::size_t n = 0;
    double shift = 0;  // In standard deviations.
    std::size_t windows = 0;
    std::vector<WindowRule> rules;
};
/// A reference of 10,000 normal values against windows of n, shifted: common fixed rules, then ours (level 0.01 and effect).
std::vector<WindowRow> window_table(std::size_t windows, std::uint64_t seed);

}  // namespace tidegate::drift
