// Training rows: every document whole, and random crops of it, so that the detector knows short texts too.
//
// Guarantee   Depends on the documents and the seed only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/provenance/text/dataset.h"
#include "services/provenance/text/logistic.h"
#include "services/provenance/text/reading.h"

namespace tidegate::provenance::text::training {

struct Document {
    std::string text;
    std::string group;  // Documents of one prompt stay in one fold.
    std::string domain;
    bool ai = false;
};

struct Row {
    std::string text;
    std::uint32_t document = 0;
    bool whole = false;
};

struct RowOptions {
    unsigned crops = 4;            // Random crops a document, beside the whole.
    std::uint32_t words_min = 20;  // Length of a crop: log-uniform from here to a window.
    std::uint64_t seed = 1;
    double domain_balance = 0;  // 0: every document weighs the same; 1: every domain does.
};

/// Human and AI documents that the detector learns from. Raw samples of base language models are left out: they
/// are a different problem (research: AUROC 0.4), and they pull the stack away from chat models.
std::vector<Document> documents_of(const std::vector<Sample>& samples);

/// Whole documents first, in order, then their crops.
std::vector<Row> make_rows(const std::vector<Document>& documents, const RowOptions& options);

/// Features of windows (at most three a row), as the heads learn from them.
struct FeatureTable {
    SparseRows heads[kHashedHeadCount];
    SparseRows style;                     // Raw stylometry, dense.
    std::vector<std::uint32_t> document;  // Of each window.
    std::vector<std::string> lower;       // Normal lower-case text of the windows of whole documents; else empty.
};
FeatureTable extract_features(const std::vector<Document>& documents, const std::vector<Row>& rows,
                              double domain_balance);

}  // namespace tidegate::provenance::text::training
