// ServiceManager: says to whoever started the service (systemd, Type=notify) that it is ready, ends, or lives.
//
// Position    Used by app/ alone. Without NOTIFY_SOCKET in the environment every call does nothing.
// Algorithm   sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names, a path or `@` and an abstract name.
// Threads     Any; nothing is kept but the address.
// When it fails  Nobody listens, or the socket is full: the word is lost. The service does not depend on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tidegate::runtime {

class ServiceManager {
  public:
    /// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    static ServiceManager from_environment();
    /// `socket`: as NOTIFY_SOCKET; empty: nobody is told.
    ServiceManager(std::string socket, std::optional<Duration> watchdog)
        : socket_(std::move(socket)), watchdog_(watchdog) {}

    /// Requests are answered from now on.
    void ready() const { tell("READY=1"); }
    void stopping() const { tell("STOPPING=1"); }
    /// To be said at least as often as watchdog() says; who does not is killed and started anew.
    void alive() const { tell("WATCHDOG=1"); }
    /// Nothing: nobody watches.
    std::optional<Duration> watchdog() const noexcept { return watchdog_; }

  private:
    void tell(std::string_view words) const;

    std::string socket_;
    std::optional<Duration> watchdog_;
};

}  // namespace tidegate::runtime
