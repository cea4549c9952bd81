// Exchange: one request and the one answer it gets; the whole face of http/ to the rooms above.
//
// Life        Made by the connection when a head has been read; shared by the connection and whoever answers.
//             It outlives the connection when the client leaves early: answering then does nothing.
// Threads     head() and body() are immutable once on_request() has been called and may be read anywhere. respond(),
//             start_stream() and client_gone() may be called from any thread; the bytes are written by the event loop
//             that owns the connection. on_head() and on_request() are called on that loop and must not block it.
// Guarantee   Exactly one answer: the second respond() is a broken invariant.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace tidegate::http {

/// A body of unknown length, written piece by piece (server-sent events).
class Stream {
  public:
    virtual ~Stream() = default;
    enum class Outcome : std::uint8_t {
        kAccepted,
        kFull,  // The client reads too slowly and the buffer (stream_buffer_bytes_max) is full: nothing was taken.
        kGone,  // The client has left; every later write gives the same.
    };
    /// Queues bytes. Any thread, never blocks.
    virtual Outcome write(std::string_view bytes) = 0;
    /// Blocks the caller (a worker thread, never a loop) until there is room, the client has left, or the wait is over.
    virtual Outcome write_wait(std::string_view bytes, Duration wait_max) = 0;
    /// Ends the body. Without it (the Stream dropped) the connection is cut, so that the client sees a broken answer.
    virtual void finish() = 0;
    virtual bool client_gone() const noexcept = 0;
};

/// What the application says once it has seen the head.
struct BodyPlan {
    /// A longer body is refused with 413: by Content-Length before it is read, else as soon as it grows past.
    std::uint64_t body_bytes_max = 0;
};

class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual const RequestHead& head() const noexcept = 0;
    /// The whole body (the transfer coding removed); empty before on_request().
    virtual std::string_view body() const noexcept = 0;
    /// When the first byte of the head was read.
    virtual SteadyTime received_at() const noexcept = 0;
    virtual void respond(Response response) = 0;
    /// Sends the head with a chunked body to follow (until close for HTTP/1.0); `response.body` must be empty.
    virtual std::shared_ptr<Stream> start_stream(Response response) = 0;
    /// The client has closed its side. It may have left, or only have said all it has to say: an answer is still sent.
    virtual bool client_gone() const noexcept = 0;
    /// Nobody will ever get the answer: the connection has ended.
    virtual bool unreachable() const noexcept { return client_gone(); }
    /// Runs once when the answer was handed to the kernel or given up; on the loop. For the access log and metrics.
    struct Sent {
        int status;
        std::uint64_t body_bytes;
        bool complete;  // False: the client left before the answer was out.
    };
    virtual void on_sent(std::move_only_function<void(const Sent&)> callback) = 0;
    /// Free for the application: its own state for this exchange.
    std::shared_ptr<void> attachment;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// The rooms above, as http/ sees them.
class Application {
  public:
    virtual ~Application() = default;
    /// The head has been read. The application may respond() here (404, 405, 415, ...): the body is then drained up to
    /// a small limit or the connection closed. Otherwise the plan holds.
    virtual BodyPlan on_head(const ExchangePtr& exchange) = 0;
    /// The body is whole.
    virtual void on_request(const ExchangePtr& exchange) = 0;
    /// Makes the answer to bytes that never became a request, or to a body that broke a limit (`exchange` is null in the
    /// first case). `detail` says what was wrong, in words for the client.
    virtual Response on_protocol_error(const Exchange* exchange, int status, std::string_view detail) = 0;
};

}  // namespace tidegate::http
