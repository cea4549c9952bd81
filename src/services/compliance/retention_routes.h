// GET, POST /api/compliance/retention; GET, POST /api/compliance/hold; DELETE /api/compliance/hold/{id}.
//
// Guarantee   A hold or release is answered when it and the event that says so are durable. A caller with a tenant may hold and see that
//             tenant's records only; the schedule and other holds need a caller without one.
#pragma once

#include <vector>

#include "audit/keep/holds.h"
#include "audit/keep/retention.h"
#include "pipeline/route.h"

namespace tidegate::audit::privacy {
class PrivacyPolicy;
}

namespace tidegate::compliance {

struct RetentionParts {
    audit::keep::Retention& retention;
    const audit::keep::Holds& holds;
    /// A hold's reason goes into the log.
    const audit::privacy::PrivacyPolicy* privacy = nullptr;
    bool loopback_without_keys = false;
};

void register_retention_routes(std::vector<pipeline::Route>& routes, const RetentionParts& parts);

}  // namespace tidegate::compliance
