// The routes by which people see the alerts, say that they have seen them, and silence them.
#pragma once

#include <vector>

#include "alerts/watch.h"
#include "pipeline/route.h"

namespace tidegate::app {

struct AlertRouteParts {
    alerts::Watch& watch;
    const Clock& clock;
    Duration interval{};
    bool loopback_without_keys = false;
};

/// `parts.watch` outlives the routes.
void register_alert_routes(std::vector<pipeline::Route>& routes, const AlertRouteParts& parts);

}  // namespace tidegate::app
