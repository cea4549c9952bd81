// TunnelCore: what a connection and the application share of a tunnel; the application's calls wait here for the
// connection's turn.
//
// Position    Between Tunnel (the application's handle) and Connection. Made with the answer 101, before it has left: what is
//             written until then waits here, too.
// Guarantee   on_closed() comes once, last, and never from inside a call of the application.
// Memory      What waits here and in the connection's output is the tunnel's backlog: write() says false over
//             stream_buffer_bytes_max; the caller exceeds it by one piece at most.
// Threads     The loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "http/exchange.h"
#include "runtime/event_loop.h"

namespace tidegate::http {

class Connection;

class TunnelCore : public std::enable_shared_from_this<TunnelCore> {
  public:
    TunnelCore(std::shared_ptr<TunnelEnd> end, std::shared_ptr<runtime::Mailbox> mailbox, std::uint64_t bytes_max)
        : end_(std::move(end)), mailbox_(std::move(mailbox)), bytes_max_(bytes_max) {}

    // The application's side.
    bool write(std::string_view bytes);
    void finish();
    void resume();
    void cut();
    /// The handle was dropped.
    void let_go();

    // The connection's side.
    /// From here on the connection takes what is written.
    void attach(Connection& connection) noexcept { connection_ = &connection; }
    /// Hands bytes of the client to the application.
    void give(std::string_view bytes);
    void give_end();
    /// Takes what was written.
    std::string take() noexcept { return std::exchange(waiting_, {}); }
    /// Some was sent: a writer that waits is told soon if there is room.
    void note_sent();
    /// Over; on_closed() comes soon. Once.
    void close(bool whole);
    bool closed() const noexcept { return closed_; }
    bool paused() const noexcept { return paused_; }
    /// The application has written all it will.
    bool finished() const noexcept { return finished_; }
    bool cut_wanted() const noexcept { return cut_; }

  private:
    void wake();
    void tell_room();
    bool room_due() const noexcept { return full_ && backlog() * 2 <= bytes_max_; }
    std::uint64_t backlog() const noexcept;

    std::shared_ptr<TunnelEnd> end_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const std::uint64_t bytes_max_;
    Connection* connection_ = nullptr;
    std::string waiting_;
    bool paused_ = false;
    bool giving_ = false;   // on_bytes() is running.
    bool resumed_ = false;  // Inside it.
    bool full_ = false;     // write() has said false.
    bool telling_ = false;  // tell_room() is posted.
    bool finished_ = false;
    bool cut_ = false;
    bool closed_ = false;
};

/// What the application holds.
class TunnelHandle final : public Tunnel {
  public:
    explicit TunnelHandle(std::shared_ptr<TunnelCore> core) : core_(std::move(core)) {}
    ~TunnelHandle() override { core_->let_go(); }
    TunnelHandle(const TunnelHandle&) = delete;
    TunnelHandle& operator=(const TunnelHandle&) = delete;
    bool write(std::string_view bytes) override { return core_->write(bytes); }
    void finish() override { core_->finish(); }
    void resume() override { core_->resume(); }
    void cut() override { core_->cut(); }

  private:
    std::shared_ptr<TunnelCore> core_;
};

}  // namespace tidegate::http
