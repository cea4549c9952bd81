// ClientCounters: what all clients of a process count together.
//
// Guarantee   Each loop counts for itself and adds what it has to the shared numbers every 20 ms while it has something: no
//             cache line wanders between cores with each call.
// Threads     Any thread may read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "http/client/client.h"

namespace tidegate::http {

/// `Total` only rises, `Level` is a number of things now.
template <class Total, class Level>
struct ClientCounterSet {
    Total calls{};                    // Started.
    Total connections_opened{};       // Ready for a first request: TCP and, where asked for, TLS.
    Total connections_reused{};       // Calls that went out on a connection that had been kept.
    Total connections_closed_idle{};  // Kept ones that ended unused: by age, by number, or closed by the other side.
    Total name_lookups{};             // Begun; a name in the cache needs none.
    Total bytes_in{};                 // As read from upstreams, heads and framing included; TLS removed.
    Total bytes_out{};
    std::array<Total, CallFailure::kKinds> failures{};  // By CallFailure::Kind.
    Level calls_waiting{};                              // Calls without a connection now.
    Level connections_open{};                           // Open or being opened now.
    Level connections_idle{};                           // Kept and without a call now.
};

struct ClientCounters : ClientCounterSet<std::atomic<std::uint64_t>, std::atomic<std::int64_t>> {};
/// What one loop has not added yet.
using ClientCounts = ClientCounterSet<std::uint64_t, std::int64_t>;

/// Adds `counts` to `counters` and begins at zero.
inline void publish(ClientCounts& counts, ClientCounters& counters) noexcept {
    const auto add = [](auto& total, auto& part) {
        if (part != 0) total.fetch_add(part, std::memory_order_relaxed);
        part = 0;
    };
    add(counters.calls, counts.calls);
    add(counters.connections_opened, counts.connections_opened);
    add(counters.connections_reused, counts.connections_reused);
    add(counters.connections_closed_idle, counts.connections_closed_idle);
    add(counters.name_lookups, counts.name_lookups);
    add(counters.bytes_in, counts.bytes_in);
    add(counters.bytes_out, counts.bytes_out);
    for (std::size_t i = 0; i < counts.failures.size(); ++i) add(counters.failures[i], counts.failures[i]);
    add(counters.calls_waiting, counts.calls_waiting);
    add(counters.connections_open, counts.connections_open);
    add(counters.connections_idle, counts.connections_idle);
}

}  // namespace tidegate::http
