// POST /api/compliance/prebuilt/sec, /finra, /mifid2, /gdpr, /ai-act: reports from the record, as JSON or as a page to print.
//
// Guarantee   A caller with a tenant gets its own records judged; what is judged over the whole log says so. A report is given after the
//             event that says who made it, with the hash of its bytes, is durable.
// When full   503: compliance.reports_max. 413: compliance.report_records_max.
#pragma once

#include <vector>

#include "audit/keep/holds.h"
#include "audit/keep/proof_keeper.h"
#include "audit/views/log_history.h"
#include "base/clock.h"
#include "pipeline/route.h"
#include "services/compliance/drift/watch.h"
#include "services/compliance/reports/settings.h"

namespace tidegate::compliance {

/// All of it outlives the routes.
struct ReportParts {
    const Clock& clock;
    const audit::LogReader& reader;
    const audit::LogHistory& history;
    audit::keep::ProofKeeper& proofs;
    const audit::keep::Holds& holds;
    std::string log_id;                 // Hex.
    Duration retention{};               // RetentionOptions::age.
    const DriftWatch* drift = nullptr;  // Null: no drift monitor runs.
    const ReportSettings& settings;
    /// As in QueryParts.
    bool loopback_without_keys = false;
};

void register_report_routes(std::vector<pipeline::Route>& routes, const ReportParts& parts);

}  // namespace tidegate::compliance
