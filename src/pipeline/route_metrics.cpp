#include "pipeline/route_metrics.h"

#include <algorithm>

namespace tidegate::pipeline {

HttpMetrics::HttpMetrics(observe::Registry& registry)
    : duration(registry.histograms(
          {.name = "http_request_duration_seconds",
           .help = "Time from the first byte of a request to its answer being handed to the kernel.",
           .labels = {"method", "handler"},
           .unit = "seconds",
           .when_it_rises = "Ask with X-Trace: true which stage takes the time."},
          observe::HistogramSpec::latency())),
      requests(registry.counters({.name = "http_requests_total",
                                  .help = "Requests answered.",
                                  .labels = {"method", "handler", "status"},
                                  .unit = {},
                                  .when_it_rises = "Status 5xx: look at the log lines of these requests.",
                                  .series_max = 2'000})),
      in_progress(registry.gauges({.name = "http_requests_inprogress",
                                   .help = "Requests whose head was read and whose answer is not out yet.",
                                   .labels = {"method", "handler"},
                                   .unit = {},
                                   .when_it_rises = "Requests come in faster than they are answered."})),
      size(registry.histograms({.name = "http_response_size_bytes",
                                .help = "Bytes of answer bodies as sent.",
                                .labels = {"method", "handler"},
                                .unit = "bytes",
                                .when_it_rises = "Larger answers, or answers that are no longer compressed."},
                               observe::HistogramSpec::sizes())),
      stages(registry.histograms(
          {.name = "tidegate_stage_duration_seconds",
           .help = "Time that requests of routes spent in a stage; `send`: what no other has named.",
           .labels = {"stage"},
           .unit = "seconds",
           .when_it_rises = "GET /api/v1/performance/report says which routes it makes slow.",
           .series_max = 64},
          observe::HistogramSpec::latency())) {}

RouteMetrics::RouteMetrics(HttpMetrics& families, std::string_view method, std::string_view handler)
    : families_(families),
      method_(method),
      handler_(handler),
      duration_(families.duration.with({method, handler})),
      size_(families.size.with({method, handler})),
      in_progress_(families.in_progress.with({method, handler})),
      stages_(families.stages) {}

void RouteMetrics::finished(int status, Duration took, std::uint64_t body_bytes) {
    in_progress_.add(-1);
    count_of(status).add();
    duration_.record(took);
    size_.record(body_bytes);
}

observe::Counter& RouteMetrics::count_of(int status) {
    auto& cell = by_status_[static_cast<std::size_t>(std::clamp(status, 100, 599) - 100)];
    observe::Counter* known = cell.load(std::memory_order_acquire);
    if (known == nullptr) {
        // The family makes a series once: two threads that meet here get the same one.
        known = &families_.requests.with({method_, handler_, std::to_string(status)});
        cell.store(known, std::memory_order_release);
    }
    return *known;
}

}  // namespace tidegate::pipeline
