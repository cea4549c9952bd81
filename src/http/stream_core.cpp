#include "http/stream_core.h"

#include <algorithm>

#include "base/assert.h"

namespace tidegate::http {

bool StreamCore::try_accept(std::string_view bytes, bool& wake) {
    const std::uint64_t held = taken_ + waiting_.size();
    if (held > 0 && held + bytes.size() > bytes_max_) return false;
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

void StreamCore::end(End how) {
    bool wake = false;
    {
        const Lock lock(mutex_);
        if (end_ != End::kOpen) return;
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
    const Lock lock(mutex_);
    taken_ -= std::min(bytes, taken_);
    room_.notify_all();
}

void StreamCore::set_gone() {
    const Lock lock(mutex_);
    gone_.store(true, std::memory_order_release);
    if (end_ == End::kFinished && !waiting_.empty()) end_ = End::kAbandoned;  // The end went with the bytes.
    waiting_.clear();
    waiting_.shrink_to_fit();
    room_.notify_all();
}

}  // namespace tidegate::http
