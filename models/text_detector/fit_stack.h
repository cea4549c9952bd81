// Fits what stands above the base signals, on out-of-fold rows: stack, calibration and its replicates, bands, limits
// of familiarity, segment head, human ranges.
#pragma once

#include "out_of_fold.h"

namespace tidegate::provenance::text::training {

struct StackOptions {
    double l2 = 1e-3;
    // Weight of rows scored across domains, beside 1 for those across folds; by the mean AUROC in both settings.
    double domain_weight = 0.3;
    // The probability is calibrated for known registers; its interval allows for others too.
    double calibration_domain_weight = 0.03;
    double replicate_domain_weight = 0.1;
    std::uint64_t seed = 7;
};

/// Fills everything in `model` above the base heads.
void fit_above_base(const std::vector<ScoredRow>& rows, const StackOptions& options, Model& model);

/// Calibrated log-odds of a scored row.
double log_odds_of(const Model& model, const ScoredRow& row);

}  // namespace tidegate::provenance::text::training
