// Verdict: which features of a window changed, after all corrections, and how much each has to do with it.
//
// Guarantee   A feature is called drifted only if its p-value, corrected over the features, is at most the level of this look and
//             its effect reaches its minimum. Contributions are at least 0 and sum to 1, or are all 0.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "drift/cells.h"
#include "drift/window_tests.h"

namespace tidegate::drift {

struct FeatureTest {
    std::string feature;
    TestResult result;
};

struct FeatureVerdict {
    std::string feature;
    TestResult result;
    double p_adjusted = 1;
    bool drifted = false;
    /// Share of this feature in the sum of effects, each counted in multiples of its minimum.
    double contribution = 0;
};

/// One test a feature. By contribution, the largest first; equal ones by name.
std::vector<FeatureVerdict> judge(std::span<const FeatureTest> tests, double level);

struct CellShift {
    std::size_t cell = 0;
    double before = 0;  // Share in the reference.
    double now = 0;
    double contribution = 0;  // Part of the PSI that this cell makes.
};
/// Which cells moved, the largest contribution first.
std::vector<CellShift> what_moved(Counts reference, Counts window);

}  // namespace tidegate::drift
