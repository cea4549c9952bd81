#include "http/stream_core.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::http {

bool StreamCore::try_accept(std::string_view bytes, bool& wake) {
    if (!has_room_for(bytes.size())) {
        refused_bytes_ = bytes.size();
        return false;
    }
    refused_bytes_ = 0;
    waiting_.append(bytes);
    wake = !woken_;
    woken_ = true;
    return true;
}

Stream::Outcome StreamCore::write(std::string_view bytes) {
    bool wake = false;
    {
        const Lock lock(mutex_);
        TG_ASSERT(end_ == End::kOpen);
        if (gone()) return Stream::Outcome::kGone;
        if (bytes.empty()) return Stream::Outcome::kAccepted;
        if (!try_accept(bytes, wake)) return Stream::Outcome::kFull;
    }
    if (wake) wake_();
    return Stream::Outcome::kAccepted;
}

Stream::Outcome StreamCore::write_owned(std::string&& bytes) {
    bool wake = false;
    {
        const Lock lock(mutex_);
        TG_ASSERT(end_ == End::kOpen);
        if (gone()) return Stream::Outcome::kGone;
        if (bytes.empty()) return Stream::Outcome::kAccepted;
        if (waiting_.empty() && has_room_for(bytes.size())) {
            refused_bytes_ = 0;
            waiting_ = std::move(bytes);
            wake = !woken_;
            woken_ = true;
        } else if (!try_accept(bytes, wake)) {
            return Stream::Outcome::kFull;
        }
    }
    if (wake) wake_();
    return Stream::Outcome::kAccepted;
}

Stream::Outcome StreamCore::write_wait(std::string_view bytes, Duration wait_max) {
    // Real time on purpose: a condition variable cannot wait on a clock that a test moves.
    const auto deadline = std::chrono::steady_clock::now() + wait_max;
    bool wake = false;
    {
        const Lock lock(mutex_);
        TG_ASSERT(end_ == End::kOpen);
        while (true) {
            if (gone()) return Stream::Outcome::kGone;
            if (bytes.empty()) return Stream::Outcome::kAccepted;
            if (try_accept(bytes, wake)) break;
            const auto left = deadline - std::chrono::steady_clock::now();
            if (left <= Duration::zero()) return Stream::Outcome::kFull;
            room_.wait_for(mutex_, left);
        }
    }
    if (wake) wake_();
    return Stream::Outcome::kAccepted;
}

void StreamCore::on_room(std::move_only_function<void()> callback) {
    bool due = false;
    {
        const Lock lock(mutex_);
        if (end_ != End::kOpen) return;
        std::swap(on_room_, callback);  // What it replaces dies after the lock is gone.
        due = should_tell();
    }
    if (due) tell_room_soon();
}

bool StreamCore::should_tell() {
    if (telling_ || !on_room_ || !room_due()) return false;
    telling_ = true;
    return true;
}

// Never at once: the connection is in the middle of its turn, and a writer that always has more would keep it there.
void StreamCore::tell_room_soon() {
    mailbox_->post([self = shared_from_this()] { self->tell_room(); });
}

void StreamCore::tell_room() {
    std::move_only_function<void()> callback;
    {
        const Lock lock(mutex_);
        telling_ = false;
        if (!on_room_ || !room_due()) return;
        callback = std::exchange(on_room_, nullptr);
    }
    callback();
}

std::uint64_t StreamCore::buffered() const {
    const Lock lock(mutex_);
    return held();
}

void StreamCore::end(End how) {
    bool wake = false;
    std::move_only_function<void()> unused;
    {
        const Lock lock(mutex_);
        if (end_ != End::kOpen) return;
        unused = std::exchange(on_room_, nullptr);
        // What was written after the client had gone is lost: such a body must not end as if it were whole.
        end_ = gone() ? End::kAbandoned : how;
        wake = !woken_;
        woken_ = true;
    }
    if (wake) wake_();
}

StreamCore::End StreamCore::take(std::string& out) {
    const Lock lock(mutex_);
    woken_ = false;
    taken_ += waiting_.size();
    out.clear();
    out.swap(waiting_);
    return end_;
}

void StreamCore::sent(std::uint64_t bytes) {
    bool due = false;
    {
        const Lock lock(mutex_);
        taken_ -= std::min(bytes, taken_);
        room_.notify_all();
        due = should_tell();
    }
    if (due) tell_room_soon();
}

void StreamCore::set_gone() {
    bool due = false;
    {
        const Lock lock(mutex_);
        gone_.store(true, std::memory_order_release);
        if (end_ == End::kFinished && !waiting_.empty()) end_ = End::kAbandoned;  // The end went with the bytes.
        waiting_.clear();
        waiting_.shrink_to_fit();
        room_.notify_all();
        due = should_tell();
    }
    if (due) tell_room_soon();
}

}  // namespace tidegate::http
