// The routes that change something: acknowledge, resolve, suppress, reset-baseline.
#pragma once

#include "pipeline/schema.h"
#include "services/compliance/drift/drift_routes.h"

namespace tidegate::compliance {

void register_drift_change_routes(std::vector<pipeline::Route>& routes, const DriftParts& parts);

/// Of one alert.
pipeline::Schema alert_schema();

}  // namespace tidegate::compliance
