// Pool::Target: what a pool keeps for one target. Inside the room only.
//
// Threads     Atomics, written by every loop; `turn`, `ejections_in_row` and `is_out` under the pool's lock. On cache lines
//             of its own: two targets do not share one.
#pragma once

#include "pipeline/upstream/pool.h"

namespace tidegate::upstream {

inline constexpr auto kRelaxed = std::memory_order_relaxed;

struct alignas(64) Pool::Target {
    Target(PoolTarget target, const BreakerOptions& options, Random& random, std::int64_t now,
           Breaker::Listener listener)
        : spec(std::move(target)), breaker(options, random, std::move(listener)), fresh_since(now) {}

    const PoolTarget spec;
    Breaker breaker;
    std::atomic<std::uint32_t> outstanding{0};
    std::atomic<bool> healthy{true};
    std::atomic<std::int64_t> fresh_since;  // Nanoseconds of SteadyTime, as all here; may lie ahead while ejected.
    std::atomic<std::int64_t> ejected_until{INT64_MIN};
    std::atomic<double> first_byte_ns{0};
    std::atomic<std::int64_t> first_byte_at{0};
    std::atomic<std::uint32_t> gateway_failures{0};  // In a row.
    std::atomic<std::uint32_t> interval_calls{0};
    std::atomic<std::uint32_t> interval_good{0};
    std::atomic<std::uint64_t> picked{0};
    std::atomic<std::uint64_t> ejections{0};
    std::array<std::atomic<std::uint64_t>, kOutcomes> outcomes{};

    double turn = 0;  // Of smooth weighted round robin.
    std::uint32_t ejections_in_row = 0;
    bool is_out = false;  // Ejected, and its return not yet told.
};

}  // namespace tidegate::upstream
