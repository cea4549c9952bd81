// RedisCounters: what the connections to Redis did, totals over all loops.
//
// Threads     Any; relaxed atomics.
#pragma once

#include <atomic>
#include <cstdint>

#include "observe/metrics.h"

namespace tidegate::store {

struct RedisCounters {
    using Count = std::atomic<std::uint64_t>;

    Count connected{0};        // Connections usable now (a gauge); subscriptions not counted.
    Count connects{0};         // Connections made ready, greeting answered.
    Count connects_failed{0};  // Attempts that ended before that: refused, timed out, name unknown, greeting refused.
    Count disconnects{0};      // Ready connections that were lost.
    Count commands{0};         // Commands queued to be sent.
    Count replies{0};          // Replies handed to whoever asked, error replies among them.
    Count error_replies{0};    // Replies `-...`, less NOSCRIPT, which is answered by sending the script.
    Count refused{0};          // Commands failed at once: no connection, or commands_max under way.
    Count timed_out{0};        // Commands whose time limit passed.
    Count late_replies{0};     // Replies that came after their limit and were dropped.
    Count broken{0};           // Commands that failed because their connection was lost.
    Count scripts_sent{0};     // Scripts sent whole because the server did not know their SHA-1.
    Count writes{0};           // Write system calls: commands / writes says how well a turn is gathered.
    Count bytes_out{0};
    Count bytes_in{0};
    Count messages{0};            // Messages of subscribed channels.
    Count subscriptions_lost{0};  // Times that messages may have been missed.
};

/// Declares `tidegate_redis_*`; `counters` outlives the registry.
void declare_metrics(observe::Registry& registry, const RedisCounters& counters);

}  // namespace tidegate::store
