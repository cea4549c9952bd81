// Server: listeners, one event loop a core, HTTP/1.1 and TLS; hands requests to the Application.
//
// Position    The front door; knows nothing of what is behind Application.
// Guarantee   RFC 9112 read strictly: whatever two readers could understand differently is refused with 400 and the
//             connection closed. Answers leave in the order the requests came in. One gathered write an answer; the
//             answers to requests that came together leave together.
// Memory      A connection at rest holds under 16 KB. Every length and time has a limit (Limits).
// Threads     start(), drain() and stop() from the thread that owns the server.
// When full   Over connections_max, or connections_per_address_max of its address, a connection is answered 503 and closed, and
//             counted (those of a trusted proxy, which stands for many, by connections_max alone). A TLS client is closed without the 503: a handshake only to say no would cost more than serving.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/limits.h"

namespace tidegate::http {

struct TlsFiles {
    std::string certificate_path;  // PEM chain.
    std::string key_path;
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8000;  // 0: the kernel chooses; see Server::port().
    unsigned loops = 0;         // 0: one a core.
    std::unique_ptr<TlsFiles> tls;
    std::vector<std::string> trusted_proxies;  // See TrustedProxies::parse().
    Limits limits;
};

/// Read at any time from any thread; each is a running total unless it says otherwise.
struct ServerCounters {
    std::atomic<std::uint64_t> connections_accepted{0};
    std::atomic<std::int64_t> connections_open{0};              // Now.
    std::atomic<std::uint64_t> connections_refused{0};          // For any reason.
    std::atomic<std::uint64_t> connections_refused_address{0};  // Of those: over connections_per_address_max.
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> bytes_in{0};
    std::atomic<std::uint64_t> bytes_out{0};
    std::atomic<std::uint64_t> parse_errors{0};
    std::atomic<std::uint64_t> timeouts{0};
    std::atomic<std::uint64_t> clients_gone{0};
    std::atomic<std::uint64_t> tunnels{0};
    std::atomic<std::int64_t> tunnels_open{0};  // Now.
};

class Server {
  public:
    /// `application` and `clock` outlive the server. Binds and listens; kUnavailable when the port is taken,
    /// kInvalidArgument when the certificate cannot be used.
    static Result<std::unique_ptr<Server>> create(ServerOptions options, Application& application, const Clock& clock);
    virtual ~Server() = default;
    /// Starts the loops; returns at once.
    virtual void start() = 0;
    /// Stops accepting, lets requests in work finish, closes idle connections; true when all ended within `wait_max`.
    virtual bool drain(Duration wait_max) = 0;
    /// Cuts what is left and joins the loops.
    virtual void stop() = 0;
    virtual std::uint16_t port() const noexcept = 0;
    /// How many event loops there are; known before start().
    virtual unsigned loops() const noexcept = 0;
    virtual const ServerCounters& counters() const noexcept = 0;
    virtual bool draining() const noexcept = 0;
};

}  // namespace tidegate::http
