// Analysis: what the samples of a period say: trends, what became worse, which stage makes a route slow, how much more would go.
//
// Guarantee   Nothing is said of too little data: the reason stands where the number would. A difference is called one only when a test
//             says so (significance.h, corrected for their number after Benjamini and Hochberg 1995) and it is at least kEffectMin.
// Algorithm   A period is cut into at most kBlocks equal blocks; tests are over blocks, not over requests, which are not independent of
//             one another. Capacity: utilisation law (Denning and Buzen 1978): busy cores = base + demand x requests/s, fitted over the
//             blocks; the rate at which that reaches the share of the cores that the CPU's warning threshold allows.
// Memory      kBlocks merged samples a period, some 20 KB each.
// Threads     Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "performance/measures.h"
#include "performance/sample_store.h"
#include "performance/significance.h"

namespace tidegate::performance {

inline constexpr std::size_t kBlocks = 96;
inline constexpr double kAlpha = 0.01;    // Of a trend or a difference, after correction.
inline constexpr double kEffectMin = 10;  // Percent: less is of no use to anybody.
inline constexpr std::uint64_t kRouteRequestsMin = 20;

struct Period {
    UnixMillis from = 0;
    UnixMillis to = 0;
    std::int64_t block_ms = 0;
    std::uint64_t samples = 0;  // As they were taken, also where they were read rolled up.
    Sample all;
    std::vector<Sample> blocks;  // Those with samples, in order.
};
Result<Period> read_period(SampleStore& store, UnixMillis from, UnixMillis to);

struct Trend {
    const Measure* measure = nullptr;
    std::size_t blocks = 0;  // With data.
    TrendTest test;
    double p_adjusted = 1;
    double change_percent = 0;  // Sen's slope over the period, of the median; NaN where the median is 0.
    double slope_per_hour = 0;
    std::string direction;  // `rising`, `falling`, `none`, `unknown`
};
std::vector<Trend> trends_of(const Period& period);

struct Comparison {
    std::string name;  // A measure's, or `latency_p95_ms GET /path`.
    std::string unit;
    double before = 0;  // Of the whole period; NaN: no data.
    double now = 0;
    double change_percent = 0;
    DifferenceTest test;
    double p_adjusted = 1;
    std::string verdict;  // `worse`, `better`, `other` (neither way is worse), `same`, `unknown`
};
std::vector<Comparison> compare(const Period& before, const Period& now);

struct SlowRoute {
    const RouteSample* route = nullptr;
    std::string stage;         // Empty: nothing was measured of its stages.
    double stage_percent = 0;  // Of the time of `basis`.
    double stage_mean_ms = 0;  // In a request of `basis`.
    std::string basis;         // `slow requests`, `all requests`
};
/// Those with kRouteRequestsMin requests at least, slowest 95th percentile first.
std::vector<SlowRoute> slowest_routes(const Sample& sample, std::size_t limit);

struct Capacity {
    std::string reason;  // Why there is none; empty: there is.
    double requests_per_second = 0;
    double low = 0;  // 95 % interval of the fit.
    double high = 0;
    double cpu_ms_per_request = 0;
    double idle_cores = 0;  // Busy without a request.
    double cores = 0;
    double cpu_percent = 0;  // Up to which it is reckoned.
    double r_squared = 0;
    double observed_peak = 0;  // Requests/s of the busiest block.
    std::size_t blocks = 0;
};
Capacity capacity_of(const Period& period, double cpu_percent_max);

}  // namespace tidegate::performance
