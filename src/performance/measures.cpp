#include "performance/measures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/as_double.h"
#include "performance/no_value.h"

namespace tidegate::performance {
namespace {

double ratio(double part, double whole) {
    return whole > 0 ? part / whole : kNoValue;
}

double sum_of(const Sample& sample, std::string_view name) {
    const Value* const value = sample.find(name);
    return value == nullptr ? kNoValue : value->sum;
}

double mean_of(const Sample& sample, std::string_view name) {
    const Value* const value = sample.find(name);
    return value == nullptr ? kNoValue : value->mean();
}

double most_of(const Sample& sample, std::string_view name) {
    const Value* const value = sample.find(name);
    return value == nullptr ? kNoValue : value->most;
}

double latency_ms(const Sample& sample, double q) {
    return sample.latency().quantile(q) / 1e6;
}

double times_ms(const Sample& sample, std::string_view name, double q) {
    const Distribution* const times = sample.find_times(name);
    return times == nullptr ? kNoValue : times->quantile(q) / 1e6;
}

double hit_percent(const Sample& sample) {
    const double hits = sum_of(sample, "cache_hits");
    return 100 * ratio(hits, hits + sum_of(sample, "cache_misses"));
}

constexpr std::array<Measure, 21> kMeasures{{
    {"requests_per_second", "requests/s", Worse::kNeither,
     [](const Sample& s) { return ratio(as_double(s.requests()), s.seconds()); }},
    {"error_percent", "%", Worse::kHigher,
     [](const Sample& s) { return 100 * ratio(as_double(s.errors()), as_double(s.requests())); }},
    {"latency_p50_ms", "ms", Worse::kHigher, [](const Sample& s) { return latency_ms(s, 0.5); }},
    {"latency_p90_ms", "ms", Worse::kHigher, [](const Sample& s) { return latency_ms(s, 0.9); }},
    {"latency_p95_ms", "ms", Worse::kHigher, [](const Sample& s) { return latency_ms(s, 0.95); }},
    {"latency_p99_ms", "ms", Worse::kHigher, [](const Sample& s) { return latency_ms(s, 0.99); }},
    {"latency_p999_ms", "ms", Worse::kHigher, [](const Sample& s) { return latency_ms(s, 0.999); }},
    {"cpu_percent", "%", Worse::kHigher,
     [](const Sample& s) { return 100 * ratio(sum_of(s, "cpu_seconds"), s.seconds() * mean_of(s, "cores")); }},
    {"cpu_ms_per_request", "ms", Worse::kHigher,
     [](const Sample& s) { return 1000 * ratio(sum_of(s, "cpu_seconds"), as_double(s.requests())); }},
    {"memory_percent", "%", Worse::kHigher,
     [](const Sample& s) { return 100 * ratio(mean_of(s, "resident_bytes"), mean_of(s, "memory_allowed_bytes")); }},
    {"resident_bytes", "bytes", Worse::kHigher, [](const Sample& s) { return mean_of(s, "resident_bytes"); }},
    {"heap_used_bytes", "bytes", Worse::kHigher, [](const Sample& s) { return mean_of(s, "heap_used_bytes"); }},
    {"open_descriptors", "descriptors", Worse::kHigher, [](const Sample& s) { return mean_of(s, "open_descriptors"); }},
    {"threads", "threads", Worse::kHigher, [](const Sample& s) { return mean_of(s, "threads"); }},
    {"loop_lag_ms", "ms", Worse::kHigher, [](const Sample& s) { return most_of(s, "loop_lag_ms"); }},
    {"hit_percent", "%", Worse::kLower, hit_percent},
    {"queue_p95_ms", "ms", Worse::kHigher, [](const Sample& s) { return times_ms(s, "stage.queue", 0.95); }},
    {"in_flight", "requests", Worse::kNeither, [](const Sample& s) { return mean_of(s, "in_flight"); }},
    {"database_p95_ms", "ms", Worse::kHigher, [](const Sample& s) { return times_ms(s, "database", 0.95); }},
    {"database_percent", "%", Worse::kHigher,
     [](const Sample& s) {
         const Distribution* const times = s.find_times("database");
         return 100 * ratio(times == nullptr ? kNoValue : times->sum() / 1e9, s.seconds());
     }},
    {"spend_points_per_second", "points/s", Worse::kNeither,
     [](const Sample& s) { return ratio(sum_of(s, "spend_points"), s.seconds()); }},
}};

}  // namespace

std::span<const Measure> measures() noexcept {
    return kMeasures;
}

const Measure* find_measure(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(kMeasures, name, &Measure::name);
    return found == kMeasures.end() ? nullptr : &*found;
}

Reading reading_of(const Sample& sample) {
    Reading out{.time = sample.to, .covered = sample.covered, .values = {}};
    for (const auto& [name, value] : sample.values) out.values.emplace(name, value.last);
    for (const Measure& measure : kMeasures) {
        if (const double value = measure.of(sample); !std::isnan(value)) {
            out.values.insert_or_assign(std::string(measure.name), value);
        }
    }
    return out;
}

}  // namespace tidegate::performance
