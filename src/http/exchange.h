// Exchange: one request and the one answer it gets; the whole face of http/ to the rooms above.
//
// Life        Made by the connection when a head has been read; shared by the connection and whoever answers.
//             It outlives the connection when the client leaves early: answering then does nothing.
// Threads     head() and body() are immutable once on_request() has been called and may be read anywhere. respond(),
//             start_stream() and client_gone() may be called from any thread; the bytes are written by the event loop
//             that owns the connection. Everything else, and all callbacks, belong to that loop and must not block it.
// Guarantee   Exactly one answer: the second respond() is a broken invariant. A callback never runs inside the call that
//             registers it.
// When full   Each way has its word for "enough for now": Stream::Outcome::kFull, on_body() and on_bytes() returning false,
//             Tunnel::write() returning false; and each has a callback for "go on".
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "http/message.h"

namespace tidegate::runtime {
class EventLoop;
}

namespace tidegate::http {

/// A body written piece by piece: of unknown length (server-sent events), or of the length said in
/// Response::content_length.
class Stream {
  public:
    virtual ~Stream() = default;
    enum class Outcome : std::uint8_t {
        kAccepted,
        kFull,  // The client reads too slowly and the buffer (stream_buffer_bytes_max) is full: nothing was taken.
        kGone,  // The client has left; every later write gives the same.
    };
    /// Queues bytes. Any thread, never blocks. What is written on the loop within one turn leaves together.
    virtual Outcome write(std::string_view bytes) = 0;
    /// As write(), taking the buffer itself where that saves a copy; untouched unless kAccepted.
    virtual Outcome write_owned(std::string&& bytes) { return write(bytes); }
    /// Blocks the caller (a worker thread, never a loop) until there is room, the client has left, or the wait is over.
    virtual Outcome write_wait(std::string_view bytes, Duration wait_max) = 0;
    /// Runs `callback` once, on the loop, as soon as the buffer holds at most half of what it may or the client has left;
    /// soon, when that is so already. A second call before that replaces the first. Any thread. Not run at all when the
    /// stream is dropped or finished first.
    virtual void on_room(std::move_only_function<void()> callback) { (void)callback; }
    /// Bytes accepted that the kernel has not taken yet.
    virtual std::uint64_t buffered() const { return 0; }
    /// Ends the body. Without it (the Stream dropped) the connection is cut, so that the client sees a broken answer. So is
    /// a body that ends short of its content_length, or would grow beyond it.
    virtual void finish() = 0;
    virtual bool client_gone() const noexcept = 0;
};

/// Hears the body of a request while it comes. The loop's thread.
///
/// Exactly one of on_body_end() and on_body_failed() comes last, unless the application is done with the exchange first (it
/// has answered by respond(), or its stream has ended): then the rest of the body is nobody's and nothing more is called.
/// on_body_end() may come although on_body() has said false: it brings no bytes.
class BodyReceiver {
  public:
    virtual ~BodyReceiver() = default;
    /// The next bytes, transfer coding removed; valid during the call. False: they are taken, but no more until
    /// Exchange::resume_body().
    virtual bool on_body(std::string_view bytes) = 0;
    virtual void on_body_end() = 0;
    /// The body will never be whole. `status`: 400 (broken chunks), 408 (too slow), 413 (longer than body_bytes_max), 499
    /// (the client has left). The application may respond() in here; where it has not answered afterwards the server does,
    /// with Application::on_protocol_error(), and a later answer is dropped.
    virtual void on_body_failed(int status, std::string_view detail) = 0;
};

/// What the application says once it has seen the head.
struct BodyPlan {
    /// A longer body is refused with 413: by Content-Length before it is read, else as soon as it grows past.
    std::uint64_t body_bytes_max = 0;
    /// With it the body is not gathered: on_request() comes right after on_head(), and the bytes go here as they arrive
    /// (body() stays empty). Not used for a request without a body (RequestHead::has_body()).
    std::shared_ptr<BodyReceiver> receiver = nullptr;
    /// With a receiver: nothing is read, and no 100 Continue sent, until the first resume_body(). An answer that comes
    /// before it gives the body up. Else the body is wanted from the start and 100 Continue goes out at once.
    bool paused = false;
};

/// The application's end of a tunnel: hears the client. The loop's thread.
class TunnelEnd {
  public:
    virtual ~TunnelEnd() = default;
    /// Raw bytes of the client, first those that came right behind the request's head. False: taken, but no more until
    /// Tunnel::resume().
    virtual bool on_bytes(std::string_view bytes) = 0;
    /// The client has said all it has to say; writing to it goes on.
    virtual void on_end() = 0;
    /// Room again, after Tunnel::write() said false.
    virtual void on_room() {}
    /// The tunnel is over; always comes, once, last. `whole`: both sides had ended by themselves.
    virtual void on_closed(bool whole) = 0;
};

/// The client's end of a tunnel, as the application holds it. The loop's thread. Calls after on_closed() do nothing.
/// Dropped before finish(), it cuts the tunnel.
class Tunnel {
  public:
    virtual ~Tunnel() = default;
    /// Queues bytes for the client; false: enough for now (they are taken), TunnelEnd::on_room() will tell.
    virtual bool write(std::string_view bytes) = 0;
    /// Nothing more will be written; the client may still send. The tunnel ends when both sides have ended.
    virtual void finish() = 0;
    virtual void resume() = 0;
    /// Ends both ways at once.
    virtual void cut() = 0;
};

class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual const RequestHead& head() const noexcept = 0;
    /// The whole body (the transfer coding removed); empty before on_request() and with BodyPlan::receiver.
    virtual std::string_view body() const noexcept = 0;
    /// When the first byte of the head was read.
    virtual SteadyTime received_at() const noexcept = 0;
    virtual void respond(Response response) = 0;
    /// Sends the head with a body to follow; `response.body` must be empty. With `response.content_length` under that
    /// length, else chunked (until close for HTTP/1.0). To a HEAD only the head is sent, and what is written dropped.
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

    // From here on: the loop's thread.

    /// The loop that owns the connection, for timers, and its number (0 to Server::loops() - 1). Any thread may ask for the
    /// number.
    virtual runtime::EventLoop& loop() const {
        TG_ASSERT(false);
        std::unreachable();
    }
    virtual unsigned loop_index() const noexcept { return 0; }
    /// Runs once when the client closes its side or the connection ends before the answer is complete: the moment to cancel
    /// what works for it. client_gone() holds then; unreachable() tells whether an answer could still arrive. Not run when
    /// the answer is out first.
    virtual void on_gone(std::move_only_function<void()> callback) { (void)callback; }
    /// Go on with the body: after on_body() returned false, or the first time after BodyPlan::paused.
    virtual void resume_body() {}
    /// Passes on 102, 103 and the like, before the answer and in its place among pipelined ones. Not sent to HTTP/1.0
    /// clients, after the answer, or beyond 16 KiB that wait for their turn. 100 and 101 are the server's own.
    virtual void send_interim(int status, const Headers& headers) { (void)status, (void)headers; }
    /// Answers 101 and turns the connection into raw bytes both ways. `head` has status 101 and names the protocol in
    /// Upgrade (`Connection: Upgrade` is added). Only where RequestHead::wants_upgrade holds and the body, if any, is whole.
    /// on_sent() reports at the tunnel's end. Idle longer than limits.tunnel_idle_max_s it is cut; a drain waits for it as for
    /// any request, then stop() cuts it.
    virtual std::shared_ptr<Tunnel> start_tunnel(Response head, std::shared_ptr<TunnelEnd> end) {
        (void)head, (void)end;
        return nullptr;
    }
    /// Ends the connection now, whatever has been sent of the answer: to the client it is broken, and everybody who waits for
    /// it hears that it has left. Nothing when the answer is out and the connection has gone on.
    virtual void cut() {}

    /// Free for the application: its own state for this exchange.
    std::shared_ptr<void> attachment;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// The rooms above, as http/ sees them.
class Application {
  public:
    virtual ~Application() = default;
    /// On each loop's thread, before its first event; `index` runs from 0 to Server::loops() - 1. For what is kept once a
    /// loop (an upstream client, a Redis connection).
    virtual void on_loop_start(runtime::EventLoop& loop, unsigned index) { (void)loop, (void)index; }
    /// On that thread after its last event: every connection has ended, every callback about it has run. What the loop was
    /// given has to leave it here.
    virtual void on_loop_stop(unsigned index) { (void)index; }
    /// The head has been read. The application may respond() here (404, 405, 415, ...): the body is then drained up to
    /// a small limit or the connection closed. Otherwise the plan holds.
    virtual BodyPlan on_head(const ExchangePtr& exchange) = 0;
    /// The body is whole; or, with BodyPlan::receiver, it is about to come.
    virtual void on_request(const ExchangePtr& exchange) = 0;
    /// Makes the answer to bytes that never became a request, or to a body that broke a limit (`exchange` is null in the
    /// first case). `detail` says what was wrong, in words for the client.
    virtual Response on_protocol_error(const Exchange* exchange, int status, std::string_view detail) = 0;
};

}  // namespace tidegate::http
