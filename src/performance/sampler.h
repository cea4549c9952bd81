// Sampler: from counters that /metrics shows too, what they grew by since the last look.
//
// Guarantee   Nothing is counted a second time and nothing is estimated. The first sample covers the time since the Sampler was made, so
//             all samples of a process add up to its counters. A number that cannot be read is left out.
// Threads     One at a time; the sources are called on it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "observe/histogram.h"
#include "performance/sample.h"

namespace tidegate::performance {

/// One number of the server. A total grows from 0 at the start of the process; a level is what it is. NaN: not known now.
struct Series {
    std::string name;
    std::string unit;
    bool is_total = false;
    std::function<double()> read;
};

struct StageReading {
    std::string stage;
    std::uint64_t requests = 0;
    std::uint64_t ns = 0;
    std::uint64_t slow_ns = 0;
};

/// What a route has counted since the start.
struct RouteReading {
    std::string method;
    std::string route;
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    std::uint64_t slow = 0;
    observe::HistogramSnapshot latency;
    std::vector<StageReading> stages;
};

struct Sources {
    std::vector<Series> series;
    std::function<std::vector<RouteReading>()> routes;
    std::function<std::vector<std::pair<std::string, observe::HistogramSnapshot>>()> times;
    /// Told each route's 95th percentile of the sample, in nanoseconds: from here on its requests count as slow. May be empty.
    std::function<void(const std::string& method, const std::string& route, std::uint64_t slow_from_ns)> set_slow;
    /// For numbers that several series share a reading of; before each sample. May be empty.
    std::function<void()> refresh;
};

class Sampler {
  public:
    Sampler(Sources sources, UnixMillis unix_ms, SteadyTime now);
    Sample take(UnixMillis unix_ms, SteadyTime now);
    const Sources& sources() const noexcept { return sources_; }

  private:
    void take_values(Sample& out);
    void take_routes(Sample& out);
    void take_times(Sample& out);
    RouteSample grown(const RouteReading& now, const RouteReading& before) const;

    const Sources sources_;
    UnixMillis unix_ms_;
    SteadyTime at_;
    std::map<std::string, double> totals_;
    std::map<std::pair<std::string, std::string>, RouteReading> routes_;
    std::map<std::string, observe::HistogramSnapshot> times_;
};

}  // namespace tidegate::performance
