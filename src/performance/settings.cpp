#include "performance/settings.h"

#include <array>
#include <chrono>
#include <string>

namespace tidegate::performance {
namespace {

struct Words {
    const char* name;
    const char* unit;
    double most;
    const char* what;
};

void declare_thresholds(settings::Table& table, Thresholds& s, const Words& words, const Thresholds& preset) {
    const std::string group = std::string("performance.") + words.name;
    const auto one = [&](const char* level, double& target, double initial, const char* means) {
        table.add(group + "." + level, target, initial)
            .range(0, words.most)
            .unit(words.unit)
            .doc(std::string(words.what) + " " + means);
    };
    one("elevated", s.elevated, preset.elevated, "is worth a look from here on; 0 with the two others: not judged.");
    one("warning", s.warning, preset.warning, "is a warning from here on.");
    one("critical", s.critical, preset.critical, "is critical from here on.");
}

Result<void> check_order(const Thresholds& of, const char* name, bool high_is_bad) {
    const bool in_order = high_is_bad ? of.elevated <= of.warning && of.warning <= of.critical
                                      : of.elevated >= of.warning && of.warning >= of.critical;
    if (in_order) return {};
    return fail(
        ErrorCode::kInvalidArgument,
        std::string("performance.") + name + ": elevated, warning, critical must " + (high_is_bad ? "rise" : "fall"));
}

}  // namespace

void declare(settings::Table& table, PerformanceSettings& s) {
    using namespace std::chrono_literals;
    table.group("performance", "Samples of what the server does, thresholds, reports");
    table.add("performance.interval_s", s.interval, 10s).range(1s, 60s).doc("Time between two stored samples.");
    table.add("performance.keep_days", s.keep_days, 30)
        .range(1, 366)
        .unit("days")
        .doc("So long samples are kept, rolled up to 5 minutes and to hours.");
    table.add("performance.keep_fine_hours", s.keep_fine_hours, 720)
        .range(1, 8'784)
        .unit("hours")
        .doc("So long they are kept as they were taken, too, as far as bytes_max has room.");
    table.add("performance.bytes_max", s.bytes_max, 768ULL * 1024 * 1024)
        .range(1024 * 1024, 1ULL << 40U)
        .bytes()
        .doc("Samples take no more of the disk than this; the oldest fine ones go first.");
    table.add("performance.slow_query_ms", s.slow_query, 100ms)
        .range(1ms, 60s)
        .doc("A database statement that takes so long is counted and kept as slow.");
    table.add("performance.auto_apply", s.auto_apply, false)
        .doc("Do what POST /api/v1/performance/optimize would when a threshold calls for it; off: only recommend.");
    table.add("performance.auto_apply_interval_s", s.auto_apply_interval, 600s)
        .range(1s, 24h)
        .doc("With auto_apply: least time between two runs of one action.");
    table.add("performance.blocking_threads_max", s.blocking_threads_max, 32)
        .range(1, 256)
        .unit("threads")
        .doc("`optimize` makes the blocking pool no larger than this, beside the threads of exports and reports.");
    table.add("performance.samples_to_worsen", s.samples_to_worsen, 2)
        .range(1, 100)
        .unit("samples")
        .doc("So many samples in a row past a threshold make a state worse.");
    table.add("performance.samples_to_recover", s.samples_to_recover, 6)
        .range(1, 1000)
        .unit("samples")
        .doc("So many samples in a row clear of a threshold make a state better.");
    table.add("performance.hysteresis_percent", s.hysteresis_percent, 10)
        .range(0, 50)
        .unit("%")
        .doc("Clear of a threshold means: this much of it away.");
    declare_thresholds(table, s.p95_ms,
                       {"p95_ms", "ms", 3'600'000, "The 95th percentile of the answers of the last six samples"},
                       {100, 500, 1000});
    declare_thresholds(table, s.requests_per_second,
                       {"requests_per_second", "requests/s", 1e9, "Fewer requests a second than this"}, {0, 0, 0});
    declare_thresholds(table, s.cpu_percent,
                       {"cpu_percent", "%", 100, "CPU time of this process, of the cores that it may use,"},
                       {70, 80, 90});
    declare_thresholds(table, s.memory_percent,
                       {"memory_percent", "%", 100, "Resident memory, of what this process may use,"}, {80, 90, 95});
    declare_thresholds(table, s.hit_percent, {"hit_percent", "%", 100, "A share of cache hits lower than this"},
                       {85, 70, 50});
    declare_thresholds(table, s.error_percent, {"error_percent", "%", 100, "The share of answers 5xx"}, {1, 2, 5});
}

Result<void> check(const PerformanceSettings& s) {
    TG_CHECK(check_order(s.p95_ms, "p95_ms", true));
    TG_CHECK(check_order(s.requests_per_second, "requests_per_second", false));
    TG_CHECK(check_order(s.cpu_percent, "cpu_percent", true));
    TG_CHECK(check_order(s.memory_percent, "memory_percent", true));
    TG_CHECK(check_order(s.hit_percent, "hit_percent", false));
    return check_order(s.error_percent, "error_percent", true);
}

}  // namespace tidegate::performance
