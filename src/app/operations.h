// The routes that operate the server: health, metrics, the cache, a caller's use, the API document and its page.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "app/audit_assembly.h"
#include "app/cache_assembly.h"
#include "app/compliance_assembly.h"
#include "app/gate_assembly.h"
#include "app/model_assembly.h"
#include "app/services.h"
#include "base/clock.h"
#include "jobs/jobs.h"
#include "observe/metrics.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "services/proxy/proxy.h"

namespace tidegate::app {

/// What the handlers read; all outlive the routes.
struct OperationParts {
    const Clock& clock;
    const observe::Registry& metrics;
    AuditAssembly& audit;
    const ComplianceAssembly& compliance;
    const runtime::WorkerPool& cpu;
    const runtime::WorkerPool& blocking;
    const std::atomic<bool>& stopping;
    const GateAssembly& gate;
    proxy::Proxy& proxy;
    CacheAssembly& cache;
    const ModelAssembly& models;
    const jobs::Jobs& jobs;
    const std::vector<RunningService>& services;
    std::string_view text_model_version;
    bool metrics_enabled = true;  // Without it there is no /metrics.
};

/// A request sent now would be answered and recorded.
bool is_ready(AuditAssembly& audit, const std::atomic<bool>& stopping);
/// After the services' routes: those whose answers may be kept can be named to be dropped.
void register_operations(std::vector<pipeline::Route>& routes, const OperationParts& parts);
/// Adds /openapi.json, the document of all routes handed in so far and of itself, and returns it: call it
/// last.
std::shared_ptr<const std::string> register_openapi(std::vector<pipeline::Route>& routes);

}  // namespace tidegate::app
