// What of drift a caller may see: the same as of the record.
#pragma once

#include <optional>
#include <string>

#include "services/compliance/drift/drift_routes.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {

inline Reach drift_reach(const pipeline::Context& context, const DriftParts& parts) {
    return reach_of(context.caller().get(), parts.loopback_without_keys, {kOfficer, kAudit});
}

/// Whether the request was refused because it names another's tenant.
inline bool refuse_other(pipeline::Context& context, const Reach& reach, const std::optional<std::string>& tenant) {
    if (!tenant || reach.sees(*tenant)) return false;
    context.fail({ErrorCode::kPermissionDenied, "The key sees its own tenant's drift only."});
    return true;
}

}  // namespace tidegate::compliance
