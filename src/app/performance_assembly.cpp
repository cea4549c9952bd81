#include "app/performance_assembly.h"

#include "app/performance_actions.h"
#include "app/performance_api.h"
#include "app/performance_sources.h"
#include "base/as_double.h"
#include "store/query_times.h"

namespace tidegate::app {
namespace {

using observe::MetricType;
using observe::Samples;

/// For a gauge: 0 healthy to 3 critical; -1 unknown, -2 not judged.
double state_number(performance::State state) {
    switch (state) {
        case performance::State::kOff:
            return -2;
        case performance::State::kUnknown:
            return -1;
        case performance::State::kHealthy:
            return 0;
        case performance::State::kElevated:
            return 1;
        case performance::State::kWarning:
            return 2;
        case performance::State::kCritical:
            return 3;
    }
    return -1;
}

void declare_database_metrics(observe::Registry& registry) {
    registry.callback({.name = "tidegate_database_statements_total",
                       .help = "Statements run on SQLite or PostgreSQL.",
                       .when_it_rises = "Rooms read or write."},
                      MetricType::kCounter,
                      [](Samples& out) { out.add({}, as_double(store::database_times().times().count)); });
    registry.callback({.name = "tidegate_database_seconds_total",
                       .help = "Time spent in them, waits for locks included.",
                       .unit = "seconds",
                       .when_it_rises = "Divide by the statements; look at the slow ones in the performance report."},
                      MetricType::kCounter,
                      [](Samples& out) { out.add({}, store::database_times().times().sum / 1e9); });
    registry.callback({.name = "tidegate_database_slow_total",
                       .help = "Statements that took performance.slow_query_ms or longer.",
                       .when_it_rises = "The performance report names them."},
                      MetricType::kCounter,
                      [](Samples& out) { out.add({}, as_double(store::database_times().slow())); });
}

}  // namespace

Result<std::unique_ptr<PerformanceAssembly>> PerformanceAssembly::open(const PerformanceNeeds& needs) {
    const performance::PerformanceSettings& settings = needs.settings.performance;
    TG_CHECK(performance::check(settings));
    std::unique_ptr<PerformanceAssembly> made(new PerformanceAssembly(needs));
    constexpr std::int64_t kHourMs = 3'600'000;
    TG_TRY(made->store_, performance::SampleStore::open({.path = needs.settings.process.data_dir + "/performance.db",
                                                         .keep_fine_ms = settings.keep_fine_hours * kHourMs,
                                                         .keep_ms = settings.keep_days * 24 * kHourMs,
                                                         .bytes_max = settings.bytes_max},
                                                        needs.clock));
    store::database_times().set_slow_from(settings.slow_query);
    made->recorder_ = std::make_unique<performance::Recorder>(
        performance::RecorderNeeds{.clock = needs.clock,
                                   .log = needs.log,
                                   .settings = settings,
                                   .store = *made->store_,
                                   .actions = made->actions_,
                                   .slow = [&clock = needs.clock] { return take_slow_statements(clock); }});
    add_performance_actions(made->actions_, *made->recorder_, needs);
    return made;
}

void PerformanceAssembly::start(pipeline::Dispatcher& dispatcher, audit::DecisionLog& decisions,
                                std::function<std::uint64_t()> spend_milli) {
    recorder_->start(performance_sources(
        {.needs = needs_, .dispatcher = dispatcher, .decisions = decisions, .spend_milli = std::move(spend_milli)}));
}

void PerformanceAssembly::stop() {
    if (recorder_) recorder_->stop();  // None: the store could not be opened.
}

void PerformanceAssembly::register_routes(std::vector<pipeline::Route>& routes) {
    register_performance(routes, {.clock = needs_.clock,
                                  .settings = needs_.settings.performance,
                                  .recorder = *recorder_,
                                  .store = *store_,
                                  .actions = actions_,
                                  .cache = needs_.cache,
                                  .database_path = needs_.database_path});
}

void PerformanceAssembly::declare_metrics(observe::Registry& registry) {
    declare_database_metrics(registry);
    const auto total = [&](std::string name, std::string help, std::string rises, std::function<std::uint64_t()> read) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter,
                          [read = std::move(read)](Samples& out) { out.add({}, as_double(read())); });
    };
    total("tidegate_performance_samples_total", "Samples taken of what the server does.", "Time passes.",
          [this] { return recorder_->taken(); });
    total("tidegate_performance_samples_failed_total", "Samples that could not be stored.",
          "Look at the disk; the log says why.", [this] { return recorder_->failed(); });
    total("tidegate_performance_samples_unreadable_total", "Stored samples that could not be read again.",
          "performance.db is damaged: move it away, a new one is made.", [this] { return store_->unreadable(); });
    registry.callback({.name = "tidegate_performance_actions_total",
                       .help = "Actions of POST /api/v1/performance/optimize and of performance.auto_apply.",
                       .labels = {"action", "outcome"},
                       .when_it_rises = "Somebody asked for them, or a threshold called for them."},
                      MetricType::kCounter, [this](Samples& out) {
                          actions_.each_count([&](const std::string& name, std::string_view outcome,
                                                  std::uint64_t count) { out.add({name, outcome}, as_double(count)); });
                      });
    registry.callback({.name = "tidegate_performance_state",
                       .help = "3 critical, 2 warning, 1 elevated, 0 healthy, -1 no data, -2 not judged.",
                       .labels = {"metric"},
                       .when_it_rises = "GET /api/v1/performance/health says what and since when."},
                      MetricType::kGauge, [this](Samples& out) {
                          for (const auto& one : recorder_->health().read().metrics) {
                              out.add({one.name}, state_number(one.state));
                          }
                      });
}

}  // namespace tidegate::app
