// What /metrics shows of upstreams: read from their own counters at each scrape.
#pragma once

#include <string>
#include <vector>

#include "observe/metrics.h"
#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/health_checker.h"
#include "pipeline/upstream/memory_ceiling.h"
#include "pipeline/upstream/micro_batcher.h"
#include "pipeline/upstream/pool.h"
#include "pipeline/upstream/retry.h"

namespace tidegate::upstream {

/// One upstream's parts; what is null is not shown. All of them outlive the registry.
struct UpstreamParts {
    std::string name;
    const Pool* pool = nullptr;
    const RetryBudget* retries = nullptr;
    const HealthChecker* health = nullptr;
    const Admission* admission = nullptr;
};
struct BatcherPart {
    std::string route;
    const MicroBatcher* batcher = nullptr;
};

/// `tidegate_upstream_*`, `tidegate_admission_*`, `tidegate_batch_*`, `tidegate_memory_*`. Once a registry. `clock` for what
/// depends on the time (open, ejected).
void declare_metrics(observe::Registry& registry, const Clock& clock, std::vector<UpstreamParts> upstreams,
                     std::vector<BatcherPart> batchers, const MemoryCeiling* memory);

}  // namespace tidegate::upstream
