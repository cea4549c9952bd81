// OriginPool: the connections to one origin, and the calls that wait for one.
//
// Guarantee   Calls are served in the order they came. While calls wait, as many connections are being opened as there are
//             calls to serve, within connections_max; whoever is ready first serves the front. A failed attempt is the failure
//             of the call in front; an attempt that only takes too long is nobody's: calls have their own time.
// Algorithm   The kept connection used last goes first, so that the ones not needed grow old and are closed.
// Memory      connections_max connections, connections_max + waiting_max calls.
// Threads     The loop's thread. No function here calls a CallHandler except attempt_failed(), which does so last.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "http/client/call_state.h"
#include "http/client/client_core.h"
#include "http/client/upstream_connection.h"

namespace tidegate::http {

class OriginPool {
  public:
    OriginPool(ClientCore& core, Origin origin);
    ~OriginPool();
    OriginPool(const OriginPool&) = delete;
    OriginPool& operator=(const OriginPool&) = delete;

    void start(const std::shared_ptr<CallState>& call);
    /// Keeps no connection any more, until the next start().
    void forget();
    /// Nothing is open, nobody waits.
    bool empty() const noexcept { return connections_.empty() && waiting_.empty(); }
    bool forgotten() const noexcept { return forgotten_; }
    const Origin& origin() const noexcept { return origin_; }

    // For calls.
    void forget_call(CallState& call) noexcept;

    // For connections.
    void attempt_ready(UpstreamConnection& connection);
    void attempt_failed(UpstreamConnection& connection, CallFailure failure);
    void attempt_expired(UpstreamConnection& connection);
    /// Has served its call and can serve another.
    void release(UpstreamConnection& connection);
    /// Has served or lost its call and cannot serve another; it is closed.
    void retire(UpstreamConnection& connection);
    /// Was kept and is of no use any more; it is closed.
    void retire_idle(UpstreamConnection& connection);

  private:
    /// Opens what the waiting calls need.
    void fill();
    std::shared_ptr<CallState> take_front();
    void close_and_bury(UpstreamConnection& connection) noexcept;

    ClientCore& core_;
    const Origin origin_;
    std::vector<std::shared_ptr<UpstreamConnection>> connections_;
    std::vector<UpstreamConnection*> attempts_;  // Being opened, the oldest first.
    std::vector<UpstreamConnection*> idle_;      // The one used last is at the end.
    std::list<std::shared_ptr<CallState>> waiting_;
    bool forgotten_ = false;
};

}  // namespace tidegate::http
