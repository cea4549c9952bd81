// L2Counters: what the second level and the coherence between processes did, totals over all loops.
//
// Threads     Any; relaxed atomics.
#pragma once

#include <atomic>
#include <cstdint>

namespace tidegate::cache {

struct L2Counters {
    using Count = std::atomic<std::uint64_t>;

    Count hits{0};
    Count misses{0};       // Asked, and nothing there.
    Count failed{0};       // Asked, and no answer in time: treated as a miss.
    Count skipped{0};      // Not asked: no connection, or not sure to hear of invalidations.
    Count corrupt{0};      // Bytes that did not check out; treated as a miss.
    Count invalidated{0};  // Found, but invalidated since it was made.
    Count expired{0};      // Found, but past its windows, or from ahead of our clock.
    Count writes{0};
    Count write_bytes{0};  // As sent.
    Count writes_failed{0};
    Count writes_dropped{0};  // Too many under way, or no connection: nobody waits for a write.
    Count writes_too_large{0};
    Count announced{0};       // Invalidations told to the others.
    Count announced_late{0};  // Of those, what had to wait for Redis.
    Count heard{0};           // Invalidations of others.
    Count lost{0};            // Times that messages may have been missed; everything was dropped.
    Count synced{0};          // A gauge: 1 while this process is sure to hear everything.
    Count leases{0};          // Taken: this process leads for all.
    Count leases_elsewhere{0};
    Count lease_waits_served{0};  // Waited for another process, which brought the answer.
};

}  // namespace tidegate::cache
