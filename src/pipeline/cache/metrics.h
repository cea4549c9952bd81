// Metrics of the response cache: what the store, the flights and the second level counted, read at each scrape.
#pragma once

#include "observe/metrics.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/l2_counters.h"
#include "pipeline/cache/store.h"

namespace tidegate::cache {

/// What is passed outlives the registry.
void declare_metrics(observe::Registry& registry, const ResponseStore& store);
void declare_metrics(observe::Registry& registry, const Flights& flights);
void declare_metrics(observe::Registry& registry, const L2Counters& counters);

}  // namespace tidegate::cache
