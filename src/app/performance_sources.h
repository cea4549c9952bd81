// Where the stored samples come from: the counters that /metrics shows, and what the kernel says of this process.
#pragma once

#include "app/performance_assembly.h"
#include "performance/sampler.h"

namespace tidegate::app {

struct SourceParts {
    const PerformanceNeeds& needs;
    pipeline::Dispatcher& dispatcher;
    audit::DecisionLog& decisions;
    std::function<std::uint64_t()> spend_milli;
};

/// What `parts` names outlives them, `parts` itself need not.
performance::Sources performance_sources(const SourceParts& parts);
/// Slow statements since the last call.
std::vector<performance::SlowStatement> take_slow_statements(const Clock& clock);

}  // namespace tidegate::app
