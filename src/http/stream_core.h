// StreamCore: the bounded buffer between whoever writes a stream (any thread) and the connection that sends
// it (its loop).
//
// Guarantee   Accepted bytes are sent in order or the client sees the connection cut. Bytes count as buffered
// until the
//             kernel has taken them, so that a slow reader is felt at write().
// When full   write() says kFull and takes nothing; a single piece longer than the whole buffer is taken when
// it is empty. on_room() tells when half of the buffer is free and the refused piece would fit: half, so that a writer is
// not called for every packet that the client takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "http/exchange.h"
#include "runtime/event_loop.h"

namespace tidegate::http {

class StreamCore : public std::enable_shared_from_this<StreamCore> {
  public:
    enum class End : std::uint8_t { kOpen, kFinished, kAbandoned };

    /// `mailbox` is the loop's. `wake` tells the loop that there is something to take; called with no lock held, from any
    /// thread.
    StreamCore(std::uint64_t bytes_max, std::shared_ptr<runtime::Mailbox> mailbox, std::function<void()> wake)
        : bytes_max_(bytes_max), mailbox_(std::move(mailbox)), wake_(std::move(wake)) {}

    // The writer's side; any thread.
    Stream::Outcome write(std::string_view bytes) TG_EXCLUDES(mutex_);
    Stream::Outcome write_owned(std::string&& bytes) TG_EXCLUDES(mutex_);
    Stream::Outcome write_wait(std::string_view bytes, Duration wait_max) TG_EXCLUDES(mutex_);
    void on_room(std::move_only_function<void()> callback) TG_EXCLUDES(mutex_);
    std::uint64_t buffered() const TG_EXCLUDES(mutex_);
    void end(End how) TG_EXCLUDES(mutex_);
    bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }

    // The connection's side; the loop.
    /// Takes the waiting bytes, raw (the caller frames them), and says whether the writer has ended.
    End take(std::string& out) TG_EXCLUDES(mutex_);
    /// The kernel has everything that take() gave so far, up to `bytes` more than before.
    void sent(std::uint64_t bytes) TG_EXCLUDES(mutex_);
    void set_gone() TG_EXCLUDES(mutex_);

  private:
    std::uint64_t held() const TG_REQUIRES(mutex_) { return taken_ + waiting_.size(); }
    bool has_room_for(std::uint64_t bytes) const TG_REQUIRES(mutex_) {
        return held() == 0 || held() + bytes <= bytes_max_;
    }
    bool room_due() const TG_REQUIRES(mutex_) {
        return gone() || (held() * 2 <= bytes_max_ && has_room_for(refused_bytes_));
    }
    bool try_accept(std::string_view bytes, bool& wake) TG_REQUIRES(mutex_);
    /// Whether tell_room() has to be posted now.
    bool should_tell() TG_REQUIRES(mutex_);
    void tell_room_soon();
    void tell_room() TG_EXCLUDES(mutex_);

    const std::uint64_t bytes_max_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const std::function<void()> wake_;
    std::atomic<bool> gone_{false};
    mutable Mutex mutex_;
    Condition room_;
    std::move_only_function<void()> on_room_ TG_GUARDED_BY(mutex_);
    bool telling_ TG_GUARDED_BY(mutex_) = false;             // tell_room() is posted.
    std::uint64_t refused_bytes_ TG_GUARDED_BY(mutex_) = 0;  // Of the piece that found no room last.
    std::string waiting_ TG_GUARDED_BY(mutex_);
    std::uint64_t taken_ TG_GUARDED_BY(mutex_) = 0;  // Taken by the loop, not yet with the kernel.
    bool woken_ TG_GUARDED_BY(mutex_) = false;       // The loop knows; no need to wake it again.
    End end_ TG_GUARDED_BY(mutex_) = End::kOpen;
};

/// What the application holds. Dropped without finish(), it abandons the stream.
class StreamHandle final : public Stream {
  public:
    explicit StreamHandle(std::shared_ptr<StreamCore> core) : core_(std::move(core)) {}
    ~StreamHandle() override { core_->end(StreamCore::End::kAbandoned); }
    StreamHandle(const StreamHandle&) = delete;
    StreamHandle& operator=(const StreamHandle&) = delete;
    Outcome write(std::string_view bytes) override { return core_->write(bytes); }
    Outcome write_owned(std::string&& bytes) override { return core_->write_owned(std::move(bytes)); }
    void on_room(std::move_only_function<void()> callback) override { core_->on_room(std::move(callback)); }
    std::uint64_t buffered() const override { return core_->buffered(); }
    Outcome write_wait(std::string_view bytes, Duration wait_max) override {
        return core_->write_wait(bytes, wait_max);
    }
    void finish() override { core_->end(StreamCore::End::kFinished); }
    bool client_gone() const noexcept override { return core_->gone(); }

  private:
    std::shared_ptr<StreamCore> core_;
};

}  // namespace tidegate::http
