// Trains what stands below the stack: the hashed heads, the stylometry head, the character model.
#pragma once

#include <functional>

#include "rows.h"
#include "services/provenance/text/model.h"

namespace tidegate::provenance::text::training {

struct BaseOptions {
    // Chosen by out-of-fold and leave-one-domain-out AUROC; see CARD.md.
    double l2_heads[kHashedHeadCount] = {8e-5, 8e-5, 8e-5};
    double l2_style = 1e-1;
    unsigned char_slot_bits = 18;
    unsigned iterations_max = 60;
};

/// Trains on the documents for which `use` says so.
Model train_base(const FeatureTable& table, const std::vector<Document>& documents,
                 const std::function<bool(std::uint32_t)>& use, const BaseOptions& options);

}  // namespace tidegate::provenance::text::training
