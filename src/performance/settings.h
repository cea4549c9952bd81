// The performance layer's settings.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "settings/table.h"

namespace tidegate::performance {

/// Where a number begins to be worth a look, to be wrong, and to be a danger. 0 in all three: it is not judged.
struct Thresholds {
    double elevated = 0;
    double warning = 0;
    double critical = 0;
};

struct PerformanceSettings {
    Duration interval{};
    std::uint32_t keep_days = 0;
    std::uint32_t keep_fine_hours = 0;
    std::uint64_t bytes_max = 0;
    Duration slow_query{};
    bool auto_apply = false;
    Duration auto_apply_interval{};
    std::uint32_t blocking_threads_max = 0;
    std::uint32_t samples_to_worsen = 0;
    std::uint32_t samples_to_recover = 0;
    double hysteresis_percent = 0;
    Thresholds p95_ms, requests_per_second, cpu_percent, memory_percent, hit_percent, error_percent;
};

void declare(settings::Table& table, PerformanceSettings& s);
/// Thresholds in the wrong order.
Result<void> check(const PerformanceSettings& settings);

}  // namespace tidegate::performance
