// The server put together: the one place where concrete parts are chosen and wired.
//
// Order       Parts are members in the order they are built; destruction runs the other way. shutdown() is
// explicit all
//             the same: listener first, then the pools, then the decision log, so that whatever was accepted
//             is answered.
// Threads     create(), shutdown() and the destructor on the main thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/audit_assembly.h"
#include "app/cache_assembly.h"
#include "app/compliance_assembly.h"
#include "app/gate_assembly.h"
#include "app/heartbeat.h"
#include "app/job_assembly.h"
#include "app/model_assembly.h"
#include "app/performance_assembly.h"
#include "app/performance_routes.h"
#include "app/profile_routes.h"
#include "app/services.h"
#include "app/settings.h"
#include "app/trace_sender.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "http/server.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/dispatcher.h"
#include "runtime/worker_pool.h"
#include "services/provenance/text/detector.h"
#include "services/proxy/proxy.h"

namespace tidegate::app {

/// The version of the program, as in CMakeLists.txt.
std::string_view version() noexcept;

/// The database file in a data folder.
std::string database_path(const std::string& data_dir);

class TidegateServer {
  public:
    /// Opens everything and listens; returns with the port open and the loops not yet started. An Error says
    /// what could not be opened and why.
    /// `described_settings`: what GET /api/v1/settings answers.
    static Result<std::unique_ptr<TidegateServer>> create(const AppSettings& settings,
                                                          std::string described_settings = {});
    ~TidegateServer();

    void start();
    /// Drains: stops accepting, answers what is in work, commits what waits. What is not
    /// answered after `wait_max` is cut; a handler that runs then still runs to its end.
    void shutdown(Duration wait_max);
    std::uint16_t port() const noexcept { return http_->port(); }
    /// Whether every event loop took up a task within `wait_max`. One thread.
    bool loops_turn(Duration wait_max) { return heartbeat_.beats(wait_max); }
    observe::Logger& log() noexcept { return *log_; }
    /// After a rotation.
    void reopen_logs() noexcept {
        log_->reopen();
        if (access_log_) access_log_->reopen();
    }
    /// The API document, as served at /openapi.json.
    const std::string& openapi() const noexcept { return *openapi_; }

  private:
    explicit TidegateServer(const AppSettings& settings) : settings_(settings) {}
    Result<void> open_storage();
    Result<void> open_listener();
    void make_pools();
    Result<void> make_gate();
    Result<void> open_services();
    Result<void> make_dispatcher();
    void declare_metrics();

    const AppSettings settings_;
    std::string described_settings_;
    SystemClock clock_;
    SystemRandom random_;
    SystemDisk disk_;
    std::string database_path_;
    std::unique_ptr<observe::Logger> log_;
    std::unique_ptr<observe::Logger> access_log_;  // Null: requests stand in log_.
    observe::Registry metrics_;
    std::unique_ptr<const provenance::text::TextDetector> text_detector_;
    // Destroyed after the log, which feeds what it holds.
    std::unique_ptr<ComplianceAssembly> compliance_;
    std::unique_ptr<AuditAssembly> audit_;
    // What waits for a model holds its request, but what that belongs to has ended by then (shutdown()).
    std::unique_ptr<ModelAssembly> models_;
    std::unique_ptr<JobAssembly> jobs_;
    std::unique_ptr<runtime::WorkerPool> cpu_;
    std::unique_ptr<runtime::WorkerPool> blocking_;
    std::unique_ptr<GateAssembly> gate_;
    std::unique_ptr<CacheAssembly> cache_;
    std::vector<RunningService> services_;  // Those of settings_.services.
    std::unique_ptr<proxy::Proxy> proxy_;
    std::shared_ptr<const std::string> openapi_;
    Tracing tracing_;
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
    std::unique_ptr<http::Server> http_;
    std::map<std::string, std::string> route_families_;  // Of each path.
    Heartbeat heartbeat_;
    Performance performance_{clock_};
    std::unique_ptr<PerformanceAssembly> measures_;  // Reads the parts above.
    Profiles profiles_{clock_, disk_};
    std::atomic<bool> stopping_{false};
};

}  // namespace tidegate::app
