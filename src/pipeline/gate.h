// Gate: the parts that the deciding stages work with, and the count of what they decided.
//
// Position    Wired in app/, handed to the Dispatcher. A part that is absent lets everything pass.
// Guarantee   Every decision is counted once: passed, refused, or refused in shadow (and let through).
// Threads     Counters are atomics; the parts say for themselves. What the pointers lead to outlives the Dispatcher.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "observe/metrics.h"
#include "observe/span.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/store.h"
#include "pipeline/identity/cors.h"
#include "pipeline/loop_parts.h"
#include "pipeline/spend/policy.h"
#include "pipeline/stage.h"
#include "pipeline/upstream/memory_ceiling.h"

namespace tidegate::audit::privacy {
class PrivacyPolicy;
}

namespace tidegate::pipeline {

class StreamWatch;

struct GuardCount {
    observe::Counter passed;
    observe::Counter refused;
    observe::Counter shadowed;  // Would have been refused.
};

/// Of one process; declare_metrics() shows them as `tidegate_stage_decisions_total{stage,decision}`.
using GuardCounts = std::array<GuardCount, kGuards>;
void declare_metrics(observe::Registry& registry, const GuardCounts& counts);

/// Which guards only count. kInvalidArgument names a word that is no guard.
using Shadow = std::array<bool, kGuards>;
Result<Shadow> parse_shadow(const std::vector<std::string>& names);

struct Gate {
    Shadow shadow{};
    GuardCounts* counts = nullptr;
    const Cors* cors = nullptr;
    upstream::MemoryCeiling* memory = nullptr;
    const limits::RateLimiter* limiter = nullptr;
    const spend::SpendPolicy* spend = nullptr;  // With ledgers, required.
    const spend::Zone* zone = nullptr;
    /// The response cache and who waits for whom; null: no answer is kept.
    cache::ResponseStore* store = nullptr;
    cache::Flights* flights = nullptr;
    std::string build;                                 // Of the program: part of the key of what it keeps.
    audit::privacy::PrivacyPolicy* privacy = nullptr;  // Every record passes it before it is appended.
    observe::SpanSink* spans = nullptr;                // Takes the requests that are traced; null: none is.
    StreamWatch* streams = nullptr;  // Ends streams whose key or token is good no more; one of the listeners as well.
    /// Makes what a loop has of its own, on its thread.
    std::function<std::unique_ptr<LoopParts>(runtime::EventLoop&, unsigned)> make_loop;
    std::vector<LoopListener*> listeners;
};

}  // namespace tidegate::pipeline
