#include "http/client/call_state.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "http/client/origin_pool.h"
#include "http/client/request_head.h"
#include "http/client/upstream_connection.h"

namespace tidegate::http {
namespace {

// What has gone out is dropped from the front of a queue once it is this much and more than the rest: each byte is moved at
// most once.
constexpr std::size_t kCompactBytes = 64 * 1024;

SteadyTime after(SteadyTime now, Duration time) noexcept {
    return time >= SteadyTime::max() - now ? SteadyTime::max() : now + time;
}

}  // namespace

CallState::CallState(const std::shared_ptr<ClientCore>& core, const CallTimes& times,
                     std::shared_ptr<CallHandler> handler)
    : weak_core_(core),
      core_(core.get()),
      handler_(std::move(handler)),
      times_(times),
      room_below_(core->options.write_buffer_bytes_max / 2),
      connect_deadline_(after(core->loop.now(), times.connect_max)),
      total_deadline_(after(core->loop.now(), times.total_max)),
      progress_at_(core->loop.now()) {
    TG_ASSERT(handler_ != nullptr);
}

Result<void> CallState::accept(const Origin& origin, ClientRequest request) {
    TG_TRY(queue_, write_request_head(origin, request));
    idempotent_ = is_idempotent(request.method);
    to_head_ = request.method == "HEAD";
    upgrade_ = std::move(request.upgrade);
    if (request.streamed) {
        left_ = request.content_length;
        chunked_ = !left_;
        body_finished_ = false;
    } else {
        body_ = std::move(request.body);
    }
    reschedule();
    return {};
}

void CallState::attach(UpstreamConnection& connection) noexcept {
    pool_ = nullptr;
    connection_ = &connection;
    stage_ = CallFailure::Stage::kSend;
    note_progress();
}

void CallState::detach() noexcept {
    pool_ = nullptr;
    connection_ = nullptr;
}

void CallState::enter_body(bool tunnel) {
    stage_ = CallFailure::Stage::kBody;
    tunnel_ = tunnel;
    note_progress();
    reschedule();
}

void CallState::note_output() {
    if (stage_ == CallFailure::Stage::kSend && request_done()) {
        stage_ = CallFailure::Stage::kHead;
        head_deadline_ = after(core_->loop.now(), times_.first_byte_max);
    }
    reschedule();
}

void CallState::set_paused(bool paused) {
    paused_ = paused;
    if (paused) return;
    note_progress();
    reschedule();
}

void CallState::stop_sending() {
    if (!request_done()) cut_ = true;
    queue_.clear();
    body_.clear();
    queue_sent_ = body_sent_ = 0;
    if (stage_ == CallFailure::Stage::kSend) head_deadline_ = after(core_->loop.now(), times_.first_byte_max);
    reschedule();
}

// --- Time -----------------------------------------------------------------------------------------------------------

SteadyTime CallState::due() const noexcept {
    SteadyTime time = SteadyTime::max();
    switch (stage_) {
        case CallFailure::Stage::kConnect:
            time = connect_deadline_;
            break;
        case CallFailure::Stage::kSend:
            // Without anything to send it is the caller who takes his time.
            if (cut_) time = head_deadline_;
            if (output_bytes() > 0) time = after(progress_at_, times_.idle_max);
            break;
        case CallFailure::Stage::kHead:
            time = head_deadline_;
            break;
        case CallFailure::Stage::kBody:
            if (!paused_) time = after(progress_at_, times_.idle_max);
            break;
    }
    return tunnel_ ? time : std::min(time, total_deadline_);
}

void CallState::reschedule() {
    core_->loop.timers().schedule(*this, due());
}

void CallState::on_timer() {
    const SteadyTime now = core_->loop.now();
    if (now < due()) return reschedule();
    const bool total = !tunnel_ && now >= total_deadline_;
    CallFailure failure{CallFailure::Kind::kTimeout, stage_, {}, connection_ == nullptr || !connection_->sent_any()};
    switch (stage_) {
        case CallFailure::Stage::kConnect:
            failure.detail = "no connection in the time allowed";
            break;
        case CallFailure::Stage::kSend:
            failure.detail = "the upstream takes no bytes of the request";
            break;
        case CallFailure::Stage::kHead:
            failure.detail = "no answer in the time allowed";
            break;
        case CallFailure::Stage::kBody:
            failure.detail = "the answer came to a stop";
            break;
    }
    if (total) failure.detail = "the call took longer than it may in all";
    const auto self = shared_from_this();
    leave();
    fail(std::move(failure));
}

// --- The end --------------------------------------------------------------------------------------------------------

void CallState::leave() noexcept {
    if (connection_ != nullptr) std::exchange(connection_, nullptr)->drop_call();
    if (pool_ != nullptr) std::exchange(pool_, nullptr)->forget_call(*this);
}

void CallState::close() noexcept {
    detach();
    core_->loop.timers().cancel(*this);
    core_ = nullptr;
    // A caller may hold the call for long.
    queue_ = {};
    body_ = {};
    queue_sent_ = body_sent_ = 0;
}

void CallState::end() {
    close();
    const auto handler = std::move(handler_);
    handler->on_end();
}

void CallState::fail(CallFailure failure) {
    core_->count_failure(failure.kind);
    close();
    const auto handler = std::move(handler_);
    handler->on_failure(failure);
}

void CallState::fail_later(CallFailure failure) {
    core_->count_failure(failure.kind);
    const auto mailbox = core_->loop.mailbox();
    close();
    mailbox->post([self = shared_from_this(), failure = std::move(failure)] {
        const auto handler = std::move(self->handler_);
        // Cancelled since, or the client has gone.
        if (handler != nullptr && !self->weak_core_.expired()) handler->on_failure(failure);
    });
}

void CallState::abandon() noexcept {
    close();
    handler_.reset();
}

void CallState::cancel() {
    const auto self = shared_from_this();
    if (core_ != nullptr) {
        core_->count_failure(CallFailure::Kind::kCancelled);
        leave();
        close();
    }
    handler_.reset();
}

// --- Output ---------------------------------------------------------------------------------------------------------

std::size_t CallState::gather(std::array<iovec, 2>& pieces) noexcept {
    std::size_t count = 0;
    const auto add = [&](std::string& text, std::size_t from) {
        if (text.size() > from) pieces[count++] = {text.data() + from, text.size() - from};
    };
    add(queue_, queue_sent_);
    add(body_, body_sent_);
    return count;
}

void CallState::sent(std::size_t bytes) noexcept {
    note_progress();
    const std::size_t of_queue = std::min(bytes, queue_.size() - queue_sent_);
    queue_sent_ += of_queue;
    body_sent_ += bytes - of_queue;
    if (queue_sent_ == queue_.size()) {
        queue_.clear();
        queue_sent_ = 0;
    } else if (queue_sent_ >= kCompactBytes && queue_sent_ > queue_.size() / 2) {
        queue_.erase(0, queue_sent_);
        queue_sent_ = 0;
    }
}

void CallState::append_piece(std::string_view bytes) {
    if (!chunked_ || tunnel_) {
        queue_.append(bytes);
        return;
    }
    std::array<char, 16> size;
    const auto written = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
    queue_.append(size.data(), written.ptr).append("\r\n").append(bytes).append("\r\n");
}

bool CallState::write_body(std::string_view bytes) {
    if (core_ == nullptr || bytes.empty()) return true;
    if (tunnel_ ? tunnel_finished_ : body_finished_ || cut_) return true;
    if (left_ && !tunnel_) {
        if (bytes.size() > *left_) {
            refuse_body("more of the body was written than its length says");
            return true;
        }
        *left_ -= bytes.size();
    }
    append_piece(bytes);
    if (connection_ != nullptr) connection_->flush();
    if (output_bytes() <= room_below_ * 2) return true;
    wants_writable_ = true;
    return false;
}

void CallState::finish_body() {
    if (core_ == nullptr) return;
    if (tunnel_) {
        tunnel_finished_ = true;
    } else {
        if (body_finished_ || cut_) return;
        if (left_.value_or(0) > 0) return refuse_body("the body was finished before its length was reached");
        body_finished_ = true;
        if (chunked_) queue_.append("0\r\n\r\n");
    }
    if (connection_ != nullptr) connection_->flush();
}

void CallState::refuse_body(std::string detail) {
    const bool safe = connection_ == nullptr || !connection_->sent_any();
    CallFailure failure{CallFailure::Kind::kInvalidRequest, stage_, std::move(detail), safe};
    leave();
    fail_later(std::move(failure));
}

void CallState::tell_writable() {
    wants_writable_ = false;
    handler()->on_writable();
}

void CallState::resume() {
    if (connection_ != nullptr) connection_->resume();
}

}  // namespace tidegate::http
