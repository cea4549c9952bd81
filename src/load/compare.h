// compare(): do two runs differ, by how much, and is it more than chance?
//
// Algorithm   The samples are the intervals of a run (a second or more each), not its requests: requests of one second share their fate.
//             Mann and Whitney's test (1947; two-sided, normal approximation with ties and continuity) on the interval values, the shift
//             by Hodges and Lehmann (1963); the error shares by a two-proportion z test. Over all rows: Holm's correction (1979).
// Note        It says whether these two runs differ. Whether the two programs do takes several runs of each, in alternation: a machine's
//             mood lasts longer than a second. The text says so.
#pragma once

#include <string>
#include <vector>

#include "load/result.h"

namespace tidegate::load {

struct Compared {
    std::string name;     // `answers per second`, `p50`, ...
    std::string unit;     // `/s`, `ms`, `%`
    double a = 0, b = 0;  // Of the whole runs.
    double change = 0;    // b / a - 1; of an error share: b - a.
    double shift = 0;     // Between typical intervals, in the unit.
    double p = 1;         // After the correction.
    std::size_t n_a = 0, n_b = 0;
    bool tested = false;       // Enough intervals (8 each).
    bool significant = false;  // p < 0.05.
    bool better = false;       // Of a change that is significant.
};

struct Comparison {
    std::vector<Compared> rows;
    std::vector<std::string> differences;  // What else differs: settings, machine, target: it may be the reason.
};

Comparison compare(const RunResult& a, const RunResult& b);
/// A table and a sentence for each row.
std::string render(const Comparison& comparison);

/// Two-sided p of Mann and Whitney's test; 1 when either has nothing.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);
/// Median of all differences b - a.
double hodges_lehmann(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace tidegate::load
