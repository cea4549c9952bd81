// Evaluation of the text detector: what it gets right, on which texts, and beside what.
//
// Guarantee   Every number comes from this run on this data. The groups and goals of the release gates are fixed here;
//             a group that the data does not hold is absent, not zero.
// Algorithm   Rank measures with a percentile bootstrap (seeded); bands as shipped.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/provenance/text/dataset.h"
#include "services/provenance/text/detector.h"
#include "services/provenance/text/metrics.h"

namespace tidegate::provenance::text {

struct EvaluationOptions {
    std::uint64_t seed = 1;
    unsigned replicates = 200;
    std::function<void(std::size_t done, std::size_t total)> on_progress;
};

/// One text and what the detectors said.
struct Judged {
    const Sample* sample = nullptr;
    double log_odds = 0;
    double confidence = 0;
    double interval_low = 0;
    double interval_high = 0;
    double words = 0;
    Band band = Band::kUncertain;
    double char_baseline = 0;
    double compression_baseline = 0;
    bool ai() const noexcept { return sample->label != Label::kHuman; }
};

struct BandCounts {
    std::size_t human = 0;
    std::size_t uncertain = 0;
    std::size_t ai = 0;
    std::size_t total() const noexcept { return human + uncertain + ai; }
};

struct Ranking {
    Estimate auroc;
    Estimate tpr1;  // Hits at 1 % false positives.
    Estimate tpr5;
};

struct GroupReport {
    std::string name;
    std::size_t humans = 0;
    std::size_t machines = 0;
    Ranking detector;
    Ranking char_baseline;
    std::optional<Ranking> compression_baseline;
    double calibration_error = 0;
    BandCounts human_bands;
    BandCounts machine_bands;
};

struct Gate {
    std::string name;
    double value = 0;
    double goal = 0;
    bool at_most = false;  // Else at least.
    bool passed() const noexcept { return at_most ? value <= goal : value >= goal; }
};

struct Evaluation {
    std::size_t samples = 0;
    std::string data_digest;
    std::string train_digest;  // Empty when the training texts were absent.
    std::string model_version;
    std::string model_hash;
    std::string calibration_version;
    std::string char_baseline_name;
    std::vector<GroupReport> gate_groups;
    std::vector<GroupReport> by_model;
    std::vector<GroupReport> by_slice;
    std::vector<GroupReport> by_length;
    std::vector<Gate> gates;
    /// Share of texts in confidence bins whose observed share of machines lies in the bin's mean interval.
    double interval_coverage = 0;
    double seconds = 0;  // For the detector alone, all texts, one thread.
};

/// `train` gives the baselines their texts; without it the compression baseline is absent and the character baseline is
/// the shipped model's own character signal, named so.
Result<Evaluation> evaluate(const TextDetector& detector, const Dataset& data, const Dataset* train, const Clock& clock,
                            const EvaluationOptions& options);

/// For people.
std::string evaluation_table(const Evaluation& evaluation);

struct MachineFacts {
    std::string cpu;
    unsigned cores = 0;
};
MachineFacts machine_facts();
/// For machines; dated.
std::string evaluation_json(const Evaluation& evaluation, UnixMillis date, const MachineFacts& machine);

}  // namespace tidegate::provenance::text
