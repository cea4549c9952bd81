#include "http/tunnel_core.h"

#include "base/assert.h"
#include "http/connection.h"

namespace tidegate::http {

void TunnelCore::wake() {
    if (connection_ != nullptr) connection_->on_tunnel_ready();
}

std::uint64_t TunnelCore::backlog() const noexcept {
    return waiting_.size() + (connection_ != nullptr ? connection_->output_bytes() : 0);
}

bool TunnelCore::write(std::string_view bytes) {
    if (closed_) return true;
    TG_ASSERT(!finished_);
    waiting_.append(bytes);
    full_ = backlog() > bytes_max_;
    const bool room = !full_;
    wake();
    return room;
}

void TunnelCore::finish() {
    if (closed_ || std::exchange(finished_, true)) return;
    wake();
}

void TunnelCore::resume() {
    if (closed_) return;
    if (giving_) resumed_ = true;
    if (!std::exchange(paused_, false)) return;
    wake();
}

void TunnelCore::cut() {
    if (closed_ || std::exchange(cut_, true)) return;
    wake();
}

void TunnelCore::let_go() {
    if (!finished_) cut();
}

void TunnelCore::give(std::string_view bytes) {
    giving_ = true;
    resumed_ = false;
    const auto held = end_;
    const bool more = held->on_bytes(bytes);
    giving_ = false;
    paused_ = !more && !resumed_;
}

void TunnelCore::give_end() {
    end_->on_end();
}

// Half, so that the writer is not called for every packet that the client takes; and not at once, because a writer that
// always has more would keep the connection in its turn.
void TunnelCore::note_sent() {
    if (telling_ || !room_due()) return;
    telling_ = true;
    mailbox_->post([self = shared_from_this()] { self->tell_room(); });
}

void TunnelCore::tell_room() {
    telling_ = false;
    if (closed_ || !room_due()) return;
    full_ = false;
    end_->on_room();
}

void TunnelCore::close(bool whole) {
    if (std::exchange(closed_, true)) return;
    connection_ = nullptr;
    waiting_ = std::string();
    mailbox_->post([end = std::exchange(end_, nullptr), whole] { end->on_closed(whole); });
}

}  // namespace tidegate::http
