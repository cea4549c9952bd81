// The routes that show which keys are asked for most, and have them asked again.
//
// Guarantee   The counts of a warm-up are what became of each key, told when all have ended or the time is over.
// Threads     The handlers run on the blocking pool; the answer of a warm-up comes from the first loop.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "pipeline/cache/hot_keys.h"
#include "pipeline/route.h"
#include "services/proxy/proxy.h"

namespace tidegate::app {

/// All of it outlives the routes.
struct WarmupRouteParts {
    cache::HotKeys& hot_keys;
    proxy::Proxy& proxy;
    const Clock& clock;
    /// Names of the proxied routes whose answers may be kept.
    std::vector<std::string> routes;
};

void register_warmup_routes(std::vector<pipeline::Route>& routes, WarmupRouteParts parts);

}  // namespace tidegate::app
