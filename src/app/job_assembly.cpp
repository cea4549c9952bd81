#include "app/job_assembly.h"

#include "app/alert_routes.h"
#include "app/alert_views.h"
#include "app/job_routes.h"

namespace tidegate::app {

Result<std::unique_ptr<JobAssembly>> JobAssembly::open(const JobNeeds& needs) {
    std::unique_ptr<JobAssembly> made(new JobAssembly(needs));
    const AppSettings& settings = needs.settings;
    const std::string& folder = settings.process.data_dir;
    TG_TRY(made->jobs_, jobs::Jobs::open(settings.jobs, folder, needs.clock, needs.random, &needs.log));
    TG_TRY(made->webhooks_, jobs::Webhooks::create(settings.jobs, *made->jobs_, needs.clock));
    if (settings.alerts.enabled) {
        TG_TRY(
            made->watch_,
            alerts::Watch::open(
                settings.alerts, folder + "/alerts.db",
                {.clock = needs.clock, .random = needs.random, .log = &needs.log, .webhooks = made->webhooks_.get()}));
    }
    return made;
}

JobAssembly::~JobAssembly() {
    stop_watch();
    stop();
}

void JobAssembly::register_routes(std::vector<pipeline::Route>& routes, bool loopback_without_keys) {
    register_job_routes(routes, {.jobs = *jobs_, .loopback_without_keys = loopback_without_keys});
    if (!watch_) return;
    register_alert_routes(routes, {.watch = *watch_,
                                   .clock = needs_.clock,
                                   .interval = needs_.settings.alerts.interval,
                                   .loopback_without_keys = loopback_without_keys});
}

void JobAssembly::declare_metrics(observe::Registry& registry) const {
    jobs_->declare_metrics(registry);
    if (watch_) watch_->declare_metrics(registry);
}

Result<void> JobAssembly::watch(const observe::Registry& registry, const ViewParts& views) {
    if (!watch_) return {};
    alerts::Source source(registry);
    add_views(source, views);
    return watch_->use(std::move(source));
}

void JobAssembly::start() {
    jobs_->start();
    if (watch_) watch_->start();
}

void JobAssembly::stop_watch() {
    if (watch_) watch_->stop();
}

void JobAssembly::stop() {
    if (jobs_) jobs_->stop();  // None: open() failed.
}

}  // namespace tidegate::app
