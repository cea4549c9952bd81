// Samples as the tests of the performance layer make them.
#pragma once

#include <string>
#include <vector>

#include "observe/histogram.h"
#include "performance/sample.h"

namespace tidegate::performance::testing {

inline Distribution distribution_of(const std::vector<double>& ms) {
    observe::Histogram histogram(observe::HistogramSpec::latency());
    for (const double one : ms) histogram.record(static_cast<std::uint64_t>(one * 1e6));
    return Distribution(histogram.snapshot());
}

/// Ten seconds that end at `to` with one route, whose requests took so long.
inline Sample sample_of(UnixMillis to, const std::vector<double>& ms, std::uint64_t errors = 0,
                        double cpu_seconds = 1) {
    Sample out{
        .from = to - 10'000, .to = to, .covered = std::chrono::seconds(10), .values = {}, .times = {}, .routes = {}};
    out.values.emplace("cpu_seconds", Value::of(cpu_seconds));
    out.values.emplace("cores", Value::of(2));
    out.values.emplace("resident_bytes", Value::of(1e8));
    if (!ms.empty()) {
        out.routes.push_back({.method = "POST",
                              .route = "/api/v1/detect/text",
                              .requests = ms.size(),
                              .errors = errors,
                              .slow = 0,
                              .latency = distribution_of(ms),
                              .stages = {}});
    }
    return out;
}

}  // namespace tidegate::performance::testing
