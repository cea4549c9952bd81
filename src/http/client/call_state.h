// CallState: one call from start() to its last callback: what is to be sent, what time it has, who hears of it.
//
// Position    Between the caller's Call and CallHandler and the UpstreamConnection that carries the bytes.
// Guarantee   on_end() or on_failure(), once, and nothing after it; nothing at all after cancel(). One timer: the earliest of
//             the times that count at this stage. A piece of the body only notes the time.
// Memory      The head and the body of the request, or at most write_buffer_bytes_max and one piece of a streamed one.
// Threads     The loop's thread.
#pragma once

#include <sys/uio.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/client/client.h"
#include "http/client/client_core.h"
#include "runtime/timer_wheel.h"

namespace tidegate::http {

class OriginPool;
class UpstreamConnection;

class CallState final : public Call, private runtime::Timer, public std::enable_shared_from_this<CallState> {
  public:
    CallState(const std::shared_ptr<ClientCore>& core, const CallTimes& times, std::shared_ptr<CallHandler> handler);

    // The caller's side.
    bool write_body(std::string_view bytes) override;
    void finish_body() override;
    void resume() override;
    void cancel() override;

    // The client's side.
    /// Takes the request; an error says why it cannot be sent.
    Result<void> accept(const Origin& origin, ClientRequest request);
    void wait_in(OriginPool& pool) noexcept { pool_ = &pool; }
    void attach(UpstreamConnection& connection) noexcept;
    /// Pool or connection has let go of it.
    void detach() noexcept;
    /// The final head has come, or with `tunnel` the 101.
    void enter_body(bool tunnel);
    /// Bytes went out or came in.
    void note_progress() noexcept { progress_at_ = core_->loop.now(); }
    /// What waits to be sent has changed.
    void note_output();
    void set_paused(bool paused);
    /// Nothing more is to be sent; what waits is dropped.
    void stop_sending();

    /// These end the call and are the last thing that their callers do with it. The caller holds a pointer of its own.
    void end();
    void fail(CallFailure failure);
    /// As fail(), with the callback in a later turn: for where one would surprise.
    void fail_later(CallFailure failure);
    /// Without a callback.
    void abandon() noexcept;

    /// What waits to be sent; returns how many pieces.
    std::size_t gather(std::array<iovec, 2>& pieces) noexcept;
    void sent(std::size_t bytes) noexcept;
    std::size_t output_bytes() const noexcept { return queue_.size() - queue_sent_ + body_.size() - body_sent_; }
    /// The request has gone out whole.
    bool request_done() const noexcept { return body_finished_ && !cut_ && output_bytes() == 0; }
    /// The caller has finished the tunnel on its side, and everything before that has gone out.
    bool tunnel_finished() const noexcept { return tunnel_finished_ && output_bytes() == 0; }
    /// write_body() said false, and there is room again.
    bool owes_writable() const noexcept { return wants_writable_ && output_bytes() <= room_below_; }
    void tell_writable();

    bool active() const noexcept { return core_ != nullptr; }
    bool idempotent() const noexcept { return idempotent_; }
    bool to_head() const noexcept { return to_head_; }
    const std::string& upgrade() const noexcept { return upgrade_; }
    CallFailure::Stage stage() const noexcept { return stage_; }
    /// A copy, so that it outlives the callback in which the call ends.
    std::shared_ptr<CallHandler> handler() const noexcept { return handler_; }
    SteadyTime connect_deadline() const noexcept { return connect_deadline_; }

  private:
    void on_timer() override;
    SteadyTime due() const noexcept;
    void reschedule();
    void append_piece(std::string_view bytes);
    /// Leaves pool or connection, which ends the connection unless the answer was whole.
    void leave() noexcept;
    /// No more timer, no more client.
    void close() noexcept;
    /// Ends a call whose caller broke its word about the body.
    void refuse_body(std::string detail);

    const std::weak_ptr<ClientCore> weak_core_;
    ClientCore* core_;  // Null once it is decided how the call ends.
    std::shared_ptr<CallHandler> handler_;
    OriginPool* pool_ = nullptr;  // While it waits.
    UpstreamConnection* connection_ = nullptr;
    const CallTimes times_;
    std::string queue_;  // The head, then pieces of a streamed body or of a tunnel.
    std::string body_;   // A whole body, as it was given.
    std::string upgrade_;
    std::size_t queue_sent_ = 0;
    std::size_t body_sent_ = 0;
    const std::size_t room_below_;
    std::optional<std::uint64_t> left_;  // Of a streamed body whose length is known.
    SteadyTime connect_deadline_;
    SteadyTime total_deadline_;
    SteadyTime head_deadline_ = SteadyTime::max();
    SteadyTime progress_at_;
    CallFailure::Stage stage_ = CallFailure::Stage::kConnect;
    bool chunked_ = false;
    bool body_finished_ = true;
    bool cut_ = false;  // The request will never be whole.
    bool wants_writable_ = false;
    bool paused_ = false;
    bool tunnel_ = false;
    bool tunnel_finished_ = false;
    bool idempotent_ = false;
    bool to_head_ = false;
};

}  // namespace tidegate::http
