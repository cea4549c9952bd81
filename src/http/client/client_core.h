// ClientCore: what the pools, connections and calls of one client share.
//
// Memory      One read buffer for all connections of the loop. Ended connections wait in the graveyard until the turn's events
//             have been seen: a later event of the same batch may still reach them.
// Threads     The loop's thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/client/addresses.h"
#include "http/client/client.h"
#include "http/client/client_counters.h"
#include "http/client/lookup_cache.h"
#include "http/client/tls_client.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::http {

class UpstreamConnection;

using NameCache = LookupCache<Addresses>;
using TlsCache = LookupCache<std::shared_ptr<TlsClientContext>>;

class ClientCore final : private runtime::Timer {
  public:
    /// One read(); what one connection may bring before another has its turn is kReadsPerEvent of them.
    static constexpr std::size_t kReadBytes = 64 * 1024;
    static constexpr int kReadsPerEvent = 4;
    /// How long a file of trusted certificates counts as read.
    static constexpr Duration kCertificatesKept = std::chrono::hours(1);

    ClientCore(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& client_options,
               ClientCounters& counters, NameCache::Fetch look_up);
    ~ClientCore() override;

    static std::string tls_key(const Origin& origin);

    /// Counted here, shown to others within 20 ms.
    ClientCounts& counts() noexcept {
        note_change();
        return counts_;
    }
    void count_failure(CallFailure::Kind kind) noexcept { ++counts().failures[static_cast<std::size_t>(kind)]; }
    void bury(std::shared_ptr<UpstreamConnection> connection);
    /// Runs once the graveyard is empty, at the end of a turn.
    void set_sweep(std::function<void()> sweep) { sweep_ = std::move(sweep); }
    void note_change() noexcept {
        if (!std::exchange(changed_, true)) loop.timers().schedule(*this, loop.now());
    }

    runtime::EventLoop& loop;
    const ClientOptions options;
    std::array<char, kReadBytes> read_buffer;
    NameCache names;
    TlsCache certificates;

  private:
    void on_timer() override;

    ClientCounts counts_;
    ClientCounters& counters_;
    std::vector<std::shared_ptr<UpstreamConnection>> graveyard_;
    std::function<void()> sweep_;
    bool changed_ = false;
};

}  // namespace tidegate::http
