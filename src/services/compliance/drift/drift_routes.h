// The routes under /api/drift: alerts, statistics, report, acknowledge, resolve, suppress, reset-baseline, stream.
//
// Guarantee   A tenant sees and changes its own streams and alerts only; who sees all is told in services/compliance/reading.h. What changes something is in the
//             decision log as an event before it is done.
#pragma once

#include <vector>

#include "base/clock.h"
#include "pipeline/route.h"
#include "services/compliance/drift/settings.h"
#include "services/compliance/drift/watch.h"

namespace tidegate::compliance {

/// What the handlers work on; all of it outlives the routes.
struct DriftParts {
    const Clock& clock;
    DriftWatch& watch;
    const DriftSettings& settings;
    bool loopback_without_keys = false;
};

void register_drift_routes(std::vector<pipeline::Route>& routes, const DriftParts& parts);

}  // namespace tidegate::compliance
