// LimitCounters: what the limits decided and where; totals over all loops.
//
// Threads     Everything from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "observe/metrics.h"

namespace tidegate::limits {

class RateLimiter;

struct LimitCounters {
    observe::Counter allowed;           // Requests with at least one rule, all of which let them pass.
    observe::Counter denied;            // Requests refused.
    observe::Counter shadow_denied;     // Requests that a rule in shadow would have refused.
    observe::Counter decided_local;     // In process, without Redis set up.
    observe::Counter decided_lease;     // From permits taken before, or a denial remembered: no round trip.
    observe::Counter decided_redis;     // After a round trip.
    observe::Counter decided_degraded;  // In process because Redis could not be asked.
    observe::Counter redis_batches;     // Script calls.
    observe::Counter redis_failures;    // Script calls that failed.
    observe::Counter permits_taken;     // From Redis.
    observe::Counter permits_returned;  // Unused permits given back.
    observe::Counter overflows;  // Decided in process because too many keys or requests of a loop waited for Redis.
    std::vector<std::unique_ptr<observe::Counter>> denied_by_rule;  // By index; the caller's own rate last. Shadow too.
};

/// Declares `tidegate_limits_*`; `limiter` outlives the registry.
void declare_metrics(observe::Registry& registry, const RateLimiter& limiter);

}  // namespace tidegate::limits
