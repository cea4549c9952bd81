// Provenance: was this text made by a machine? Routes, their answers, their decisions.
//
// Position    A service: register_provenance() puts its routes into the table; nothing else knows of them.
// Ownership   What Parts refers to outlives the routes.
#pragma once

#include <cstdint>
#include <vector>

#include "audit/views/live_statistics.h"
#include "audit/views/log_history.h"
#include "base/clock.h"
#include "pipeline/route.h"
#include "services/provenance/settings.h"
#include "services/provenance/text/detector.h"

namespace tidegate::provenance {

inline constexpr std::string_view kService = "provenance";
/// API.md: a text has 1 to 50,000 characters.
inline constexpr std::size_t kTextCharactersMax = 50'000;

using text::TextModel;

struct Parts {
    const Clock& clock;
    const TextModel& text_detector;
    const audit::LogHistory* history;         // For register_history_routes().
    const audit::LiveStatistics* statistics;  // Likewise.
    const ProvenanceSettings& settings;
};

void register_provenance(std::vector<pipeline::Route>& routes, const Parts& parts);

// The parts of the table, a file each.
void register_text_routes(std::vector<pipeline::Route>& routes, const Parts& parts);
void register_stream_route(std::vector<pipeline::Route>& routes, const Parts& parts);
void register_history_routes(std::vector<pipeline::Route>& routes, const Parts& parts);

}  // namespace tidegate::provenance
