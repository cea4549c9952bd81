// Client: HTTP/1.1 to upstream servers, on the event loop of whoever asks; pools of kept connections, streamed both ways.
//
// Position    The counterpart of server.h. Knows nothing of balancing, caching or retries: it reports what happened, exactly
//             enough for the rooms above to decide.
// Guarantee   The answer is read strictly (RFC 9112): what two readers could understand differently is a failure, never a
//             guess. A handler hears on_end() only for a whole body; everything else ends in on_failure(). One of the two, once.
//             Connection-level fields never leave this room (Connection and what it names, Keep-Alive, TE, Trailer,
//             Transfer-Encoding, Upgrade, Proxy-Connection).
// Memory      Nothing is gathered: body bytes go to the handler as they come; a paused call stops reading its socket.
//             A pool an origin, kept until forget(): origins come from settings, never from a caller.
// Threads     One Client a loop; the loop's thread, all of it. Name look-ups run on the pool given and come back by mailbox.
// When full   Over connections_max of an origin calls wait in order, up to waiting_max; one more fails with kPoolFull.
// End         Destroying the client ends its calls as cancel() does, without a callback; on the loop's thread between two turns, or
//             after the loop has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::http {

/// What a connection goes to. Two calls with equal origins may share connections.
struct Origin {
    std::string host;  // A name or a numeric address.
    std::uint16_t port = 80;
    bool tls = false;
    std::string ca_file;      // PEM; empty: the system's.
    bool verify = true;       // Certificate and name.
    std::string server_name;  // For SNI and the check of the name; empty: host.
    /// Also connect where clouds keep their metadata (is_link_local() in addresses.h), whether it is written so or a name
    /// leads there.
    bool allow_link_local = false;
    friend bool operator==(const Origin&, const Origin&) = default;
};
/// `http://host[:port]` or `https://...`, without path, query or user; kInvalidArgument says what is wrong.
Result<Origin> parse_origin(std::string_view url);

struct ClientRequest {
    std::string method = "GET";
    std::string target = "/";
    /// With Host (else the origin's is written). What belongs to the connection is the client's own and left out here:
    /// Content-Length, Transfer-Encoding, Connection, Keep-Alive, TE, Trailer, Upgrade, Proxy-Connection, Expect. Fields that
    /// a caller's Connection named are for the room above to remove, before it adds its own.
    Headers headers;
    std::string body;                             // Whole; ignored when `streamed`.
    bool streamed = false;                        // The body comes through Call::write_body().
    std::optional<std::uint64_t> content_length;  // Of a streamed body; absent: chunked.
    std::string upgrade;                          // `websocket`: ask for a tunnel; empty: do not. Never with a body.
};

struct CallTimes {
    Duration connect_max = std::chrono::seconds(2);      // Name look-up, TCP, TLS, waiting for a free connection.
    Duration first_byte_max = std::chrono::seconds(60);  // From the last byte of the request to the answer's head.
    /// Between two pieces of the body, either way; not while the call is paused or has nothing to send. In a tunnel: without a
    /// byte in any direction.
    Duration idle_max = std::chrono::seconds(60);
    Duration total_max = std::chrono::minutes(10);  // Of the whole call; a tunnel, once it stands, is free of it.
};

struct CallFailure {
    enum class Kind : std::uint8_t {
        kResolve,   // The name has no address.
        kRefused,   // No address took the connection.
        kTimeout,   // One of CallTimes has passed.
        kTls,       // No handshake, or a certificate that does not hold.
        kReset,     // The connection ended before the answer did.
        kProtocol,  // The answer is not HTTP/1.1 as RFC 9112 has it.
        kPoolFull,
        kCancelled,       // Counted only: a cancelled call hears nothing more.
        kInvalidRequest,  // The request cannot be sent as it is: CR or LF in a field, a body unlike its length.
        kForbidden,       // All addresses are link-local ones, and Origin::allow_link_local is not set.
    };
    static constexpr std::size_t kKinds = 10;
    enum class Stage : std::uint8_t { kConnect, kSend, kHead, kBody };
    Kind kind = Kind::kReset;
    Stage stage = Stage::kConnect;
    std::string detail;  // For the log; no bytes of the upstream in it.
    /// The upstream cannot have acted on the request: nothing of it was sent, or a kept connection was found closed before any
    /// byte of an answer came and the method is idempotent.
    bool safe_to_retry = false;
};
/// `resolve`, `refused`, ...: for logs and metric labels.
std::string_view to_string(CallFailure::Kind kind) noexcept;
/// `connect`, `send`, `head`, `body`.
std::string_view to_string(CallFailure::Stage stage) noexcept;

struct ResponseHead {
    int status = 0;
    Headers headers;  // End-to-end fields only, in order, as they came.
    std::optional<std::uint64_t> content_length;
    bool has_body = false;  // False for HEAD, 204, 304 (content_length then tells of what a GET would bring).
};

class Call;

/// Hears of one call, on the loop. Kept alive by the client until the call has ended. May cancel the call in any callback.
class CallHandler {
  public:
    virtual ~CallHandler() = default;
    /// 102, 103: to be passed on, never kept. 100 is the client's own business.
    virtual void on_interim(int status, const Headers& headers) { (void)status, (void)headers; }
    virtual void on_head(ResponseHead head) = 0;
    /// False: no more bytes until Call::resume(), though on_end() and on_failure() may come. The bytes live as long as the
    /// call of on_body().
    virtual bool on_body(std::string_view bytes) = 0;
    virtual void on_end() = 0;
    virtual void on_failure(const CallFailure& failure) = 0;
    /// Room for more of a streamed request body, after write_body() said false.
    virtual void on_writable() {}
    /// 101: from here on_body() brings raw bytes and write_body() sends them; on_end() is the other side's end.
    virtual void on_tunnel(ResponseHead head) { (void)head; }
};

class Call {
  public:
    virtual ~Call() = default;
    /// Queues bytes of a streamed body or of a tunnel; false: enough for now, on_writable() will tell. After an answer of 300 or
    /// more nothing is sent any more and the bytes are dropped; a 2xx may well be an answer that grows with its request.
    virtual bool write_body(std::string_view bytes) = 0;
    virtual void finish_body() = 0;
    virtual void resume() = 0;
    /// Ends it without a further callback; the connection is closed unless the answer was whole. Dropping the last pointer
    /// does NOT cancel.
    virtual void cancel() = 0;
};
using CallPtr = std::shared_ptr<Call>;

struct ClientOptions {
    std::size_t connections_max = 256;  // An origin, on this loop.
    std::size_t waiting_max = 1024;     // An origin, on this loop.
    std::size_t idle_connections_max = 64;
    Duration idle_connection_max = std::chrono::seconds(30);
    std::size_t head_bytes_max = 64 * 1024;
    std::size_t write_buffer_bytes_max = 256 * 1024;
    Duration resolve_ttl =
        std::chrono::seconds(30);  // Names are looked up again after this; a failed look-up is kept 1 s.
};

/// Totals over all loops; shared, atomic, declared in client_counters.h.
struct ClientCounters;

class Client {
  public:
    virtual ~Client() = default;
    /// Callbacks come later, never from inside start().
    virtual CallPtr start(const Origin& origin, ClientRequest request, const CallTimes& times,
                          std::shared_ptr<CallHandler> handler) = 0;
    /// Closes kept connections to origins that are not used any more.
    virtual void forget(const Origin& origin) = 0;
};

/// `loop`, `pool` (for name look-ups) and `counters` outlive it.
std::unique_ptr<Client> make_client(runtime::EventLoop& loop, runtime::WorkerPool& pool, const ClientOptions& options,
                                    ClientCounters& counters);

}  // namespace tidegate::http
