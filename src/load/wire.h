// Wire: one connection of a load: connect, TLS, one request after the other, and what became of each.
//
// Position    Below the worker, which owns the epoll set and the clock. A lean counterpart of http/client: no pool, no timer, no header is
//             kept, because the generator must not be slower than what it measures (docs/load.md has the cost beside wrk's).
// Guarantee   After send() exactly one of kAnswered and kFailed follows, unless close() comes first.
// Memory      What the socket did not take of one request.
// Threads     One.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/transport.h"
#include "load/answer_scan.h"
#include "load/place.h"

namespace tidegate::load {

/// Why there is no answer.
enum class Fault : std::uint8_t {
    kConnect,   // No connection: refused, out of ports, no route.
    kTls,       // No handshake.
    kReset,     // The connection ended before the answer did.
    kProtocol,  // What came is not HTTP/1.x.
    kTimeout,
    kNotSent,  // Open loop: due, and no connection was free until the end.
};
inline constexpr std::size_t kFaults = 6;
/// `connect`, `tls`, ...
std::string_view to_string(Fault fault) noexcept;

class Wire {
  public:
    enum class State : std::uint8_t { kClosed, kConnecting, kHandshaking, kIdle, kBusy };
    enum class Event : std::uint8_t {
        kNothing,
        kReady,     // The connection stands.
        kAnswered,  // status() tells; the state is kIdle, or kClosed when the server ends the connection.
        kFailed,    // fault() tells why; kClosed.
        kEnded,     // Closed by the server between two requests.
    };

    Wire() = default;
    ~Wire() { close(); }
    Wire(Wire&&) = delete;

    /// Begins to connect and registers with the epoll set, edge triggered, `tag` in its data.
    Event open(const Place& place, http::TlsClientContext* tls, int epoll, std::uint64_t tag);
    void close() noexcept;
    /// Only in kIdle. Takes what the socket does not.
    Event send(std::string_view request);
    /// After an event of the set; `ended`: it says that the other side has finished. `scratch` is shared by all wires of a thread.
    Event on_event(bool ended, std::span<char> scratch);

    State state() const noexcept { return state_; }
    int status() const noexcept { return scan_.status(); }
    Fault fault() const noexcept { return fault_; }
    std::uint64_t bytes_in() const noexcept { return bytes_in_; }

  private:
    Event advance_connect();
    Event advance_handshake();
    Event flush();
    Event read(bool ended, std::span<char> scratch);
    Event read_idle(std::span<char> scratch);
    Event lose(Fault fault) noexcept;
    Event answered() noexcept;

    std::unique_ptr<http::Transport> transport_;
    http::TlsClientTransport* handshake_ = nullptr;  // The transport, while it shakes hands.
    http::TlsClientContext* tls_ = nullptr;
    std::string name_;
    AnswerScan scan_;
    std::string rest_;
    std::size_t rest_sent_ = 0;
    std::uint64_t bytes_in_ = 0;
    int socket_ = -1;  // Ours until the connection stands.
    State state_ = State::kClosed;
    Fault fault_ = Fault::kConnect;
};

}  // namespace tidegate::load
