// Metrics of single flight and of the second level, read at each scrape. Those of the store are declared where the server is put
// together (app/gate_metrics.cpp).
#pragma once

#include "observe/metrics.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/l2_counters.h"

namespace tidegate::cache {

/// What is passed outlives the registry.
void declare_metrics(observe::Registry& registry, const Flights& flights);
void declare_metrics(observe::Registry& registry, const L2Counters& counters);

}  // namespace tidegate::cache
