// POST /api/compliance/erase, GET /api/compliance/content/{id}: content of decisions, and how to be rid of it for good.
//
// Guarantee   The tenant is the caller's. An erasure is answered when the key is gone and the event that says so is durable; content is
//             given only after the event that says who read it is durable.
#pragma once

#include <vector>

#include "audit/decision_log.h"
#include "audit/privacy/vault.h"
#include "pipeline/route.h"

namespace tidegate::compliance {

struct EraseParts {
    audit::privacy::Vault& vault;
};

void register_erase_routes(std::vector<pipeline::Route>& routes, const EraseParts& parts);

/// Appends the events of erasures that a kill has cut off from the log. At start, before the first request; waits for the log.
Result<void> log_pending_erasures(audit::privacy::Vault& vault, audit::DecisionLog& log);

}  // namespace tidegate::compliance
