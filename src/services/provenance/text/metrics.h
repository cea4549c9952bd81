// Measures of a detector: ranking, hits at a fixed false-positive rate, calibration, and how sure they are.
//
// Guarantee   Deterministic; the bootstrap takes its seed. NaN where a measure has no meaning (one class missing).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tidegate::provenance::text {

struct Scored {
    double score = 0;  // Higher means more likely a machine.
    bool ai = false;
};

/// Area under the ROC curve; ties count half.
double auroc(std::span<const Scored> items);
/// Share of AI items above the lowest threshold at which at most `fpr` of the human items are flagged.
double tpr_at_fpr(std::span<const Scored> items, double fpr);
/// Expected calibration error over ten bins of equal width; `score` must be a probability.
double calibration_error(std::span<const Scored> items);
/// Value at `share` (0 to 1) of the sorted values, linearly interpolated; NaN when empty.
double quantile(std::vector<double> values, double share);

struct Estimate {
    double value = 0;
    double low = 0;   // 2.5th percentile of the bootstrap.
    double high = 0;  // 97.5th percentile.
};

using Measure = std::function<double(std::span<const Scored>)>;
/// Percentile bootstrap over items, each class resampled by itself (Efron 1979).
Estimate bootstrap(std::span<const Scored> items, const Measure& measure, unsigned replicates, std::uint64_t seed);

}  // namespace tidegate::provenance::text
