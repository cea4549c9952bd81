// Settings of the provenance service.
#pragma once

#include <cstdint>
#include <string>

#include "settings/table.h"

namespace tidegate::provenance {

struct ProvenanceSettings {
    std::uint32_t batch_items_max = 50;
    std::string keep_output = "summary";
    std::uint32_t exports_max = 2;
    Duration cache_ttl{};
};

inline void declare(settings::Table& table, ProvenanceSettings& s) {
    table.group("provenance", "Was this made by a machine?");
    table.add("provenance.batch_items_max", s.batch_items_max, 50)
        .range(1, 1000)
        .unit("items")
        .env_aliases({"APT_MAX_BATCH_ITEMS"})
        .doc("Most texts in one batch request.");
    table.add("provenance.exports_max", s.exports_max, 2)
        .range(1, 256)
        .unit("requests")
        .doc("Exports of the history at once; one more gets 503. A slow reader holds a thread; each has one.");
    table.add("provenance.cache_ttl_s", s.cache_ttl, std::chrono::hours(1))
        .range(std::chrono::seconds(0), std::chrono::hours(24 * 365))
        .doc(
            "How long at most the answer about a text is given again to the same tenant, its analysis_id too; 0: "
            "never.");
    table.add("provenance.keep_output", s.keep_output, "summary")
        .choices({"summary", "whole"})
        .doc("What a decision keeps of the answer: its verdict, or all of it with signals and segments.");
}

}  // namespace tidegate::provenance
