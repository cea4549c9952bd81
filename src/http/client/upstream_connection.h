// UpstreamConnection: one connection to an upstream, from the attempt to open it, over the calls it serves, to its end.
//
// Guarantee   It serves another call only after an answer that was whole, to a request that went out whole, on a connection
//             that neither side wants closed, with no byte left over. A kept connection on which anything comes is closed.
// Algorithm   The socket stays registered, level-triggered, for reading; writing is asked for only while the kernel takes no
//             more. A call on a kept connection costs one write and one read.
// Memory      At rest: this object. Input is kept only while a head is incomplete or the call is paused, at most one read.
// Threads     The loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/client/answer_reader.h"
#include "http/client/client_core.h"
#include "http/client/connector.h"
#include "http/transport.h"
#include "runtime/event_loop.h"
#include "runtime/timer_wheel.h"

namespace tidegate::http {

class CallState;
class OriginPool;

class UpstreamConnection final : public runtime::EventLoop::Handler,
                                 private runtime::Timer,
                                 private Connector::Owner,
                                 private AnswerSink,
                                 public std::enable_shared_from_this<UpstreamConnection> {
  public:
    UpstreamConnection(ClientCore& core, OriginPool& pool);
    ~UpstreamConnection() override { close(); }

    // For the pool.
    void open(SteadyTime deadline) { connector_.open(deadline); }
    void assign(const std::shared_ptr<CallState>& call);
    /// Waits, kept, for its next call.
    void rest();
    void close() noexcept;
    std::shared_ptr<CallState> take_call() noexcept { return std::move(call_); }
    std::size_t index = 0;  // Its place in the pool.

    // For the call.
    /// The call wants nothing any more; it is closed.
    void drop_call() noexcept;
    void flush();
    void resume();
    /// A byte of the call's request has been sent.
    bool sent_any() const noexcept { return sent_any_; }

  private:
    enum class State : std::uint8_t { kOpening, kBusy, kIdle, kClosed };

    void on_event(std::uint32_t events) override;
    void on_timer() override;
    void on_connected(std::unique_ptr<Transport> transport) override;
    void on_connect_failed(CallFailure failure) override;
    void on_connect_expired() override;
    void on_interim(int status, const Headers& headers) override;
    void on_head(ResponseHead head) override;
    void on_tunnel(ResponseHead head) override;
    bool on_body(std::string_view bytes) override;

    void on_idle_event();
    void on_output_event();
    void on_paused_event(std::uint32_t events);
    void read_some();
    /// False: not to be read further now.
    bool consume(std::string_view bytes);
    void keep(std::string_view rest, std::size_t from);
    void on_end_of_input();
    void finish_answer(bool whole_input);
    void fail(CallFailure::Kind kind, std::string detail);
    void read_later();
    void update_interest();

    ClientCore& core_;
    OriginPool& pool_;
    Connector connector_;
    std::unique_ptr<Transport> transport_;
    std::shared_ptr<CallState> call_;
    AnswerReader reader_;
    std::string held_;  // Input that could not be used yet.
    SteadyTime idle_until_{};
    std::uint32_t interest_ = 0;
    State state_ = State::kOpening;
    bool registered_ = false;
    bool reading_off_ = false;     // Paused, and something is there to read.
    bool replay_held_ = false;     // What is held need not wait for more.
    bool resumed_inside_ = false;  // resume() was called from inside on_body().
    bool kept_ = false;            // Has waited for a call, or served one.
    bool sent_any_ = false;
    bool heard_any_ = false;
    bool write_broken_ = false;
    bool write_shut_ = false;
};

}  // namespace tidegate::http
