// evaluate: will the flow of the next step pass a threshold? The basin model against what happened.
//
// Guarantee   Everything (model, thresholds, the cut of F1) is fitted on rows that are not judged.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "services/flood/hydro/calibrate.h"

namespace tidegate::flood {

struct ThresholdScore {
    double threshold_mm = 0;
    std::size_t events = 0;  // Steps at or over it in the judged rows.
    double f1 = 0, cut = 0;
    double auc = 0;
    double brier_skill = 0;  // Against the base rate of the fitted rows.
};

struct BasinScore {
    std::string id;
    std::size_t fitted = 0, judged = 0;  // Steps.
    double nse_simulated = 0, nse_corrected = 0;
    double coverage = 0;                   // Share of the judged flows within the 5 to 95 % interval; 0.9 is right.
    std::array<ThresholdScore, 2> scores;  // q98, median yearly maximum.
    double seconds = 0;                    // Of the calibration.
};

Result<BasinScore> evaluate_basin(const Series& series, std::size_t fit_rows, const Clock& clock);

/// Where no rows are held out: each of `parts` equal parts is judged by a basin that was fitted to the others; counts are pooled.
Result<BasinScore> cross_validate_basin(const Series& series, std::size_t parts, const Clock& clock);

}  // namespace tidegate::flood
