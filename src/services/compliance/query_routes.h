// POST /api/compliance/query, /export; GET /request/{request_id}, /duplicates/{input_hash}, /stream, /statistics,
// /statistics/stream: what the record holds, for whom it is meant.
//
// Position    Over the views of the log; app/ makes what QueryParts refers to, which outlives the routes.
// Guarantee   A caller with a tenant sees that tenant alone, and a filter on another is refused. One without a tenant sees the
//             records without one; with the scope compliance:audit, or as admin, all. Whoever reads records leaves a record
//             of it: the answer, or the first byte of a stream, goes out after that record is durable.
// When full   503: exports_max, streams_max.
#pragma once

#include <vector>

#include "audit/views/live_feed.h"
#include "audit/views/log_history.h"
#include "base/clock.h"
#include "pipeline/route.h"
#include "services/compliance/query_settings.h"
#include "services/compliance/stream_pump.h"

namespace tidegate::audit {
class LiveStatistics;
}
namespace tidegate::audit::privacy {
class PrivacyPolicy;
}

namespace tidegate::compliance {

inline constexpr std::string_view kService = "compliance";

struct QueryParts {
    const Clock& clock;
    const audit::LogHistory& history;
    audit::LiveFeed& feed;
    const audit::LiveStatistics& statistics;
    StreamPump& pump;
    const QuerySettings& settings;
    /// What the records have for an input's hash; null: the hash.
    audit::privacy::PrivacyPolicy* privacy = nullptr;
    /// Nobody else can reach the listener and nobody is asked for a key: then a caller without one sees all.
    bool loopback_without_keys = false;
};

/// All of them.
void register_query_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts);

// The parts of the table, a file each.
void register_record_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts);
void register_export_route(std::vector<pipeline::Route>& routes, const QueryParts& parts);
void register_stream_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts);
void register_statistics_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts);

}  // namespace tidegate::compliance
