// The performance layer wired: where its samples come from, where they are kept, what may be done, the routes.
//
// Order       open() with the storage, register_routes() with the others', start() when the loops run; stop() before the parts that it
//             reads end: it takes the last sample.
// When it fails  A store that cannot be opened stops the start; one that cannot be written later is said in the log and counted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/cache_assembly.h"
#include "app/performance_routes.h"
#include "app/settings.h"
#include "audit/decision_log.h"
#include "observe/log.h"
#include "performance/actions.h"
#include "performance/recorder.h"
#include "performance/sample_store.h"
#include "pipeline/dispatcher.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"

namespace tidegate::app {

/// All of it outlives the assembly, but for the dispatcher and the log of decisions, which outlive stop().
struct PerformanceNeeds {
    const AppSettings& settings;
    const Clock& clock;
    observe::Logger& log;
    runtime::WorkerPool& cpu;
    runtime::WorkerPool& blocking;
    CacheAssembly& cache;
    LoopLag& loop_lag;
    std::string database_path;
    std::uint32_t long_read_threads = 0;  // Of the blocking pool, beside pools.blocking_threads.
};

class PerformanceAssembly {
  public:
    static Result<std::unique_ptr<PerformanceAssembly>> open(const PerformanceNeeds& needs);
    ~PerformanceAssembly() { stop(); }

    void register_routes(std::vector<pipeline::Route>& routes);
    void declare_metrics(observe::Registry& registry);
    void start(pipeline::Dispatcher& dispatcher, audit::DecisionLog& decisions,
               std::function<std::uint64_t()> spend_milli);
    void stop();

    const performance::Levels& levels() const noexcept { return recorder_->levels(); }
    performance::Recorder& recorder() noexcept { return *recorder_; }
    performance::SampleStore& store() noexcept { return *store_; }
    performance::Actions& actions() noexcept { return actions_; }
    const PerformanceNeeds& needs() const noexcept { return needs_; }

  private:
    explicit PerformanceAssembly(const PerformanceNeeds& needs) : needs_(needs), actions_(needs.clock, needs.log) {}

    const PerformanceNeeds needs_;
    performance::Actions actions_;
    std::unique_ptr<performance::SampleStore> store_;
    std::unique_ptr<performance::Recorder> recorder_;
};

}  // namespace tidegate::app
