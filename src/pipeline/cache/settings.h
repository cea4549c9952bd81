// Settings of the response cache: the store in memory, single flight, the second level in Redis.
#pragma once

#include <cstdint>

#include "pipeline/cache/flights.h"
#include "pipeline/cache/hot_keys.h"
#include "pipeline/cache/second_level.h"
#include "pipeline/cache/store.h"
#include "settings/table.h"

namespace tidegate::cache {

struct CacheSettings {
    StoreOptions store;
    FlightOptions flights;
    std::uint32_t waiters_max = 0;
    bool l2 = true;
    std::uint64_t l2_object_bytes_max = 0;
    std::string prefix;
    Duration l2_lease{};
    Duration warmup_interval{};
    std::uint32_t warmup_keys = 0;
};

inline StoreOptions store_options(const CacheSettings& s) {
    return {.memory_bytes_max = s.store.memory_bytes_max,
            .object_bytes_max = s.store.object_bytes_max,
            .keep_stale = s.store.keep_stale};
}
inline bool wants_second_level(const CacheSettings& s, bool redis_configured) {
    return s.l2 && redis_configured;
}
inline FlightOptions flight_options(const CacheSettings& s) {
    FlightOptions options = s.flights;
    options.waiters_max = s.waiters_max;
    return options;
}
inline SecondLevelOptions second_level_options(const CacheSettings& s) {
    SecondLevelOptions options;
    options.prefix = s.prefix + ":cache";
    options.object_bytes_max = s.l2_object_bytes_max;
    return options;
}

inline void declare(settings::Table& table, CacheSettings& s) {
    using std::chrono::hours;
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    constexpr std::uint64_t kMiB = 1024 * 1024;
    table.group("cache", "The response cache");
    table.add("cache.memory_bytes_max", s.store.memory_bytes_max, s.store.memory_bytes_max)
        .range(kMiB, 1ULL << 40U)
        .bytes()
        .doc("Memory of kept answers, with everything that belongs to them.");
    table.add("cache.object_bytes_max", s.store.object_bytes_max, s.store.object_bytes_max)
        .range(1024, 1ULL << 30U)
        .bytes()
        .doc("Largest answer that is kept; never more than a sixteenth of one of the memory's parts (four a core).");
    table.add("cache.keep_stale_s", s.store.keep_stale, s.store.keep_stale)
        .range(seconds(0), hours(24 * 7))
        .doc("How long an answer stays past its windows, to be validated or to stand in where a route allows it.");
    table.add("cache.waiters_max", s.waiters_max, 1000)
        .range(1, 1'000'000)
        .unit("requests")
        .doc("Most requests that wait for one fetch of the same key; more fetch by themselves.");
    table.add("cache.leader_age_max_s", s.flights.leader_age_max, s.flights.leader_age_max)
        .range(milliseconds(100), hours(1))
        .doc("Nobody new waits for a fetch that is older.");
    table.add("cache.uncacheable_s", s.flights.uncacheable_for, s.flights.uncacheable_for)
        .range(seconds(0), hours(1))
        .doc("How long a key is remembered whose answer could not be kept: nobody waits for it.");
    table.add("cache.l2", s.l2, true).doc("Share kept answers through Redis, where redis.url is set.");
    table.add("cache.l2_object_bytes_max", s.l2_object_bytes_max, kMiB)
        .range(1024, 64 * kMiB)
        .bytes()
        .doc("Largest answer that is written to Redis.");
    table.add("cache.l2_prefix", s.prefix, "tidegate")
        .doc("First part of every name in Redis: servers with the same one share their answers.");
    table.add("cache.l2_lease_s", s.l2_lease, seconds(5))
        .range(milliseconds(100), hours(1))
        .doc(
            "How long one server may fetch for all that share the cache; about the slowest answer of an upstream. Past "
            "it, and "
            "at half of the time that a request has left, the others ask by themselves.");
    table.add("cache.warmup_interval_s", s.warmup_interval, seconds(0))
        .range(seconds(0), hours(24 * 7))
        .doc(
            "How often the most requested keys are asked again, as far as they are not fresh; 0: only by "
            "/api/v1/cache/warmup.");
    table.add("cache.warmup_keys", s.warmup_keys, 100)
        .range(1, static_cast<std::int64_t>(HotKeys::kKeysMax))
        .unit("keys")
        .doc("How many of them, each time.");
}

}  // namespace tidegate::cache
