// JobAssembly: durable jobs, the webhooks that are one kind of them, and the alerts that use the webhooks.
//
// Order       open() when the data folder is there; kinds are added to jobs() before start(); watch() when all metrics are declared.
//             stop_watch() when a drain begins, before what it reads ends; stop() when nobody hands in work any more and before what
//             the jobs use ends.
// Threads     The main thread; what it holds says for itself.
#pragma once

#include <memory>
#include <vector>

#include "alerts/watch.h"
#include "app/settings.h"
#include "jobs/jobs.h"
#include "jobs/webhooks.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/route.h"

namespace tidegate::app {

struct ViewParts;

/// All of it outlives the assembly.
struct JobNeeds {
    const AppSettings& settings;
    const Clock& clock;
    Random& random;
    observe::Logger& log;
};

class JobAssembly {
  public:
    /// An Error says which setting is wrong or what could not be opened.
    static Result<std::unique_ptr<JobAssembly>> open(const JobNeeds& needs);
    ~JobAssembly();

    jobs::Jobs& jobs() noexcept { return *jobs_; }
    void register_routes(std::vector<pipeline::Route>& routes, bool loopback_without_keys);
    void declare_metrics(observe::Registry& registry) const;
    /// Makes the alerts' rules ready. kInvalidArgument names a rule and what is wrong with it.
    Result<void> watch(const observe::Registry& registry, const ViewParts& views);
    void start();
    void stop_watch();
    void stop();

  private:
    explicit JobAssembly(const JobNeeds& needs) : needs_(needs) {}

    const JobNeeds needs_;
    std::unique_ptr<jobs::Jobs> jobs_;
    std::unique_ptr<jobs::Webhooks> webhooks_;
    std::unique_ptr<alerts::Watch> watch_;  // Null: alerts.enabled is off.
};

}  // namespace tidegate::app
