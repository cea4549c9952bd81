// Scores of the training rows by models that never saw their prompt, nor, in the second set, their domain.
//
// Why two      Scores across folds say how well the detector does on what it knows; scores across domains say how well it
//              travels. Stack, calibration and bands are fitted on both, half and half: a threshold learnt in the
//              first setting alone does not hold in a register never seen (research: 49 % false positives).
#pragma once

#include "base_heads.h"

namespace tidegate::provenance::text::training {

enum Setting : std::uint8_t { kAcrossFolds, kAcrossDomains, kSettingCount };

struct ScoredRow {
    std::uint32_t row = 0;
    Setting setting = kAcrossFolds;
    bool ai = false;
    bool whole = false;
    double words = 0;
    double weight = 0;
    std::string domain;
    std::string group;
    SignalScores scores{};
    SignalScores shown{};
    double style_distance = 0;
    double foreign_share = 0;
    double code_share = 0;
    std::vector<std::array<double, kSegmentInputs>> segments;  // Of whole documents only.
};

struct FoldOptions {
    unsigned folds = 5;
    unsigned threads = 2;
    BaseOptions base;
};

std::vector<ScoredRow> score_out_of_fold(const std::vector<Document>& documents, const std::vector<Row>& rows,
                                         const FeatureTable& table, const FoldOptions& options);

}  // namespace tidegate::provenance::text::training
