// The routes under /api/keys: create, list, revoke, rotate. For administrators only.
#pragma once

#include <vector>

#include "base/clock.h"
#include "pipeline/identity/key_store.h"
#include "pipeline/route.h"

namespace tidegate::app {

/// What the handlers work on; both outlive the routes.
struct KeyRouteParts {
    pipeline::KeyStore& keys;
    const Clock& clock;
};

void register_key_routes(std::vector<pipeline::Route>& routes, const KeyRouteParts& parts);

}  // namespace tidegate::app
