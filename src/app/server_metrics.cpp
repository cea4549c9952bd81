// What /metrics shows of parts that count for themselves: read at each scrape, declared here once.
#include "app/server.h"

namespace tidegate::app {
namespace {

using observe::MetricType;
using observe::Samples;

double as_double(std::uint64_t count) {
    return static_cast<double>(count);
}

void declare_http(observe::Registry& registry, const http::ServerCounters& counters) {
    const auto total = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::uint64_t>& counter) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, MetricType::kCounter,
            [&counter](Samples& out) { out.add({}, as_double(counter.load(std::memory_order_relaxed))); });
    };
    total("tidegate_http_connections_accepted_total", "Connections accepted.",
          "More clients, or clients without keep-alive.", counters.connections_accepted);
    total("tidegate_http_connections_refused_total",
          "Connections refused: too many were open, in all or of one address, or the process had no descriptor left.",
          "Raise the limit, or look for clients that leave connections open.", counters.connections_refused);
    total("tidegate_http_connections_refused_address_total",
          "Of those refused: one address had its limit of connections open.",
          "One client, or many behind one address, leaves connections open.", counters.connections_refused_address);
    total("tidegate_http_tunnels_total", "Connections that became tunnels (WebSocket).", "Clients open more of them.",
          counters.tunnels);
    total("tidegate_http_parse_errors_total", "Requests refused because their bytes were not HTTP/1.1.",
          "A broken client, a scanner, or an attempt at request smuggling.", counters.parse_errors);
    total("tidegate_http_timeouts_total", "Connections ended because a limit of time passed.",
          "Slow clients or a slow network; many at once may be an attack.", counters.timeouts);
    total("tidegate_http_clients_gone_total", "Clients that left before their answer was out.",
          "Clients give up: answers take longer than they wait.", counters.clients_gone);
    total("tidegate_http_received_bytes_total", "Bytes read from clients.", "Larger requests, or more.",
          counters.bytes_in);
    total("tidegate_http_sent_bytes_total", "Bytes written to clients.", "Larger answers, or more.",
          counters.bytes_out);
    const auto level = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::int64_t>& counter) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, MetricType::kGauge,
            [&counter](Samples& out) { out.add({}, static_cast<double>(counter.load(std::memory_order_relaxed))); });
    };
    level("tidegate_http_connections_open", "Connections open now.", "Compare with limits.connections_max.",
          counters.connections_open);
    level("tidegate_http_tunnels_open", "Tunnels open now.", "Clients keep more of them open.", counters.tunnels_open);
}

void declare_pools(observe::Registry& registry, const runtime::WorkerPool& cpu, const runtime::WorkerPool& blocking) {
    const auto of_both = [&](observe::FamilySpec spec, MetricType type, double (*read)(const runtime::WorkerPool&)) {
        spec.labels = {"pool"};
        registry.callback(std::move(spec), type, [&cpu, &blocking, read](Samples& out) {
            out.add({cpu.name()}, read(cpu));
            out.add({blocking.name()}, read(blocking));
        });
    };
    of_both({.name = "tidegate_pool_waiting",
             .help = "Tasks waiting for a thread now.",
             .when_it_rises = "The pool is busy: more threads or fewer requests."},
            MetricType::kGauge, [](const runtime::WorkerPool& pool) { return as_double(pool.depth()); });
    of_both({.name = "tidegate_pool_completed_total", .help = "Tasks done.", .when_it_rises = "Work is done."},
            MetricType::kCounter, [](const runtime::WorkerPool& pool) { return as_double(pool.completed()); });
    of_both({.name = "tidegate_pool_refused_total",
             .help = "Tasks refused because the queue was full; each was answered 503.",
             .when_it_rises = "The server is overloaded."},
            MetricType::kCounter, [](const runtime::WorkerPool& pool) { return as_double(pool.refused()); });
}

void declare_decisions(observe::Registry& registry, const audit::DecisionLog& log) {
    const auto read_health = [&](std::string name, std::string help, std::string rises, MetricType type,
                                 double (*read)(const audit::LogHealth&)) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
                          [&log, read](Samples& out) { out.add({}, read(log.health())); });
    };
    read_health("tidegate_audit_recorded_total", "Decisions durable and acknowledged.", "Answers are given.",
                MetricType::kCounter, [](const audit::LogHealth& h) { return as_double(h.appended); });
    read_health("tidegate_audit_failed_total", "Decisions whose commit failed; their callers got 503.",
                "Look at the disk.", MetricType::kCounter,
                [](const audit::LogHealth& h) { return as_double(h.failed); });
    read_health("tidegate_audit_refused_total", "Decisions refused because the queue was full or the record unfit.",
                "The disk is slower than the decisions come in.", MetricType::kCounter,
                [](const audit::LogHealth& h) { return as_double(h.refused_full + h.refused_invalid); });
    read_health("tidegate_audit_commits_total", "Group commits.", "Decisions come in.", MetricType::kCounter,
                [](const audit::LogHealth& h) { return as_double(h.commits); });
    read_health("tidegate_audit_waiting", "Decisions waiting for a commit now.", "The disk is slow.",
                MetricType::kGauge, [](const audit::LogHealth& h) { return as_double(h.queue_records); });
    read_health("tidegate_audit_gap_total",
                "Decisions lost after their answers had gone (audit.answer_after, audit.when_failing).",
                "Look at the disk; each gap is an event in the log.", MetricType::kCounter,
                [](const audit::LogHealth& h) { return as_double(h.gap_records); });
    read_health("tidegate_audit_size", "Records of the log, those that retention removed included.",
                "Decisions and events are recorded.", MetricType::kGauge,
                [](const audit::LogHealth& h) { return as_double(h.size); });
    read_health("tidegate_audit_degraded", "1 while the last commit failed.",
                "Answers are refused until a commit succeeds.", MetricType::kGauge,
                [](const audit::LogHealth& h) { return h.degraded ? 1.0 : 0.0; });
}

}  // namespace

void TidegateServer::declare_metrics() {
    observe::add_process_metrics(metrics_);
    declare_http(metrics_, http_->counters());
    declare_pools(metrics_, *cpu_, *blocking_);
    declare_decisions(metrics_, audit_->log());
    audit_->declare_metrics(metrics_);
    compliance_->declare_metrics(metrics_);
    gate_->declare_metrics(metrics_, cache_->store(), *proxy_);
    cache_->declare_metrics(metrics_);
    measures_->declare_metrics(metrics_);
    models_->declare_metrics(metrics_);
    for (const RunningService& one : services_) one.service->declare_metrics(metrics_);
    jobs_->declare_metrics(metrics_);
    profiles_.declare_metrics(metrics_);
    if (tracing_.exporter) tracing_.exporter->declare_metrics(metrics_);
    proxy::declare_metrics(metrics_, proxy_->warmup_counts());
    metrics_.callback({.name = "tidegate_log_lines_dropped_total",
                       .help = "Log lines dropped because the output was too slow.",
                       .when_it_rises = "Look at the disk of log.path."},
                      MetricType::kCounter, [this](Samples& out) {
                          out.add({}, as_double(log_->dropped() + (access_log_ ? access_log_->dropped() : 0)));
                      });
    metrics_.callback({.name = "tidegate_build_info",
                       .help = "Always 1; the labels say what runs.",
                       .labels = {"version", "text_model"},
                       .when_it_rises = "It does not."},
                      MetricType::kGauge,
                      [this](Samples& out) { out.add({version(), text_detector_->model_version()}, 1); });
}

}  // namespace tidegate::app
