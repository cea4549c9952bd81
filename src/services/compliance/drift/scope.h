// What of drift a caller may see.
#pragma once

#include <string>

#include "pipeline/context.h"
#include "pipeline/identity/caller.h"

namespace tidegate::compliance {

/// Its own tenant's; an admin all. Without identity there is one tenant, the empty one.
struct DriftScope {
    bool all = false;
    std::string tenant;
    bool sees(const std::string& other) const noexcept { return all || tenant == other; }
};

inline DriftScope drift_scope(const pipeline::Context& context) {
    const pipeline::CallerPtr& caller = context.caller();
    if (!caller) return {};
    return {.all = caller->admin, .tenant = caller->tenant};
}

}  // namespace tidegate::compliance
