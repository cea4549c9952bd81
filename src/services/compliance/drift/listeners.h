// Listeners: who hears of alerts and statistics by server-sent events.
//
// Guarantee   A listener hears of its own tenant only, in order. Who reads too slowly, or has listened for life_max, is cut or
//             ended, and connects again.
// Threads     Any. Never waits.
// When full   check_room() says so; who comes between is ended at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/exchange.h"

namespace tidegate::compliance {

class Listeners {
  public:
    /// `of_tenant_max`: of `listeners_max`, of one tenant.
    Listeners(std::size_t listeners_max, std::size_t of_tenant_max)
        : listeners_max_(listeners_max), of_tenant_max_(of_tenant_max) {}

    /// Whether there is room: ask before the stream is begun. kUnavailable: all places are taken; kResourceExhausted: the tenant's are.
    Result<void> check_room(const std::optional<std::string>& tenant) const;
    /// `tenant`: absent for an admin, who hears of all.
    void add(std::shared_ptr<http::Stream> stream, std::optional<std::string> tenant, SteadyTime now);
    /// To those who may hear of the tenant. `event` is whole, as http::append_event() makes it.
    void send(std::string_view tenant, std::string_view event);
    /// To everybody: a comment that keeps the line open. Ends streams that have lasted long enough.
    void keep_alive(SteadyTime now);
    void close();
    std::size_t size() const;

  private:
    struct Listener {
        std::shared_ptr<http::Stream> stream;
        std::optional<std::string> tenant;
        SteadyTime since{};
    };
    Result<void> check(const std::optional<std::string>& tenant) const TG_REQUIRES(mutex_);
    const std::size_t listeners_max_;
    const std::size_t of_tenant_max_;
    mutable Mutex mutex_;
    std::vector<Listener> listeners_ TG_GUARDED_BY(mutex_);
    bool closed_ TG_GUARDED_BY(mutex_) = false;
};

}  // namespace tidegate::compliance
