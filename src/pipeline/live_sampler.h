// LiveSampler: what the server did between two looks, from the counters that /metrics shows.
//
// Guarantee   Nothing is counted a second time and nothing is estimated: a sample is the difference of two readings of the same
//             counters, so samples add up to what /metrics shows. Percentiles are of the sample's own requests, within 0.2 %.
// Memory      One reading of each route's histogram.
// Threads     One at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "observe/histogram.h"
#include "observe/process.h"
#include "pipeline/cache/store.h"
#include "pipeline/route_metrics.h"

namespace tidegate::pipeline {

struct LiveRoute {
    std::string method;
    std::string route;  // Its path, as declared.
    std::string family;
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;  // Answered 5xx.
    observe::HistogramSnapshot latency;
};

/// What happened in `interval` up to `unix_ms`.
struct LiveSample {
    std::int64_t unix_ms = 0;
    Duration interval{};
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    double in_flight = 0;  // At the end.
    observe::HistogramSnapshot latency;
    std::vector<double> bounds_s;   // Upper bounds of latency.buckets.
    std::vector<LiveRoute> routes;  // Those with requests.
    std::uint64_t cache_hits = 0;
    std::uint64_t cache_misses = 0;
    double spend_points = 0;
    double cpu_cores = 0;
    observe::ProcessSample process;
    Duration loop_lag{};  // The worst.
};

class LiveSampler {
  public:
    struct Sources {
        HttpMetrics& http;
        std::map<std::string, std::string> families;  // Of each path.
        std::function<cache::StoreStats()> cache;
        std::function<std::uint64_t()> spend_milli;  // Settled so far.
        std::function<Duration()> loop_lag;          // The worst since it was last asked.
    };
    explicit LiveSampler(Sources sources) : sources_(std::move(sources)) {}

    /// Since the last call; the first one gives no sample and only remembers.
    bool take(std::int64_t unix_ms, SteadyTime now, LiveSample& out);

  private:
    struct Known {
        std::uint64_t requests = 0;
        std::uint64_t errors = 0;
        observe::HistogramSnapshot latency;
    };
    using Route = std::vector<std::string>;  // Method, operation.
    void read_requests(std::map<Route, Known>& now) const;
    void add_routes(const std::map<Route, Known>& now, LiveSample& out) const;

    const Sources sources_;
    bool begun_ = false;
    SteadyTime at_{};
    std::map<Route, Known> known_;
    cache::StoreStats cache_;
    std::uint64_t spend_milli_ = 0;
    double cpu_seconds_ = 0;
};

/// As the event stream sends it.
std::string to_json(const LiveSample& sample);

}  // namespace tidegate::pipeline
