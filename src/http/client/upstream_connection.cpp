#include "http/client/upstream_connection.h"

#include <sys/epoll.h>

#include <array>
#include <utility>

#include "base/assert.h"
#include "http/client/call_state.h"
#include "http/client/origin_pool.h"

namespace tidegate::http {
namespace {

// What a kept connection may go on holding of its input buffer.
constexpr std::size_t kHeldAtRestMax = 4096;

}  // namespace

UpstreamConnection::UpstreamConnection(ClientCore& core, OriginPool& pool)
    : core_(core), pool_(pool), connector_(core, pool.origin(), *this), reader_(core.options.head_bytes_max) {}

// --- Opening and closing --------------------------------------------------------------------------------------------

void UpstreamConnection::on_connected(std::unique_ptr<Transport> transport) {
    transport_ = std::move(transport);
    registered_ = true;
    interest_ = EPOLLIN;
    core_.loop.modify(transport_->descriptor(), *this, interest_);
    pool_.attempt_ready(*this);
}

void UpstreamConnection::on_connect_failed(CallFailure failure) {
    // Perhaps from inside Client::start(), which must not call back.
    core_.loop.mailbox()->post([weak = weak_from_this(), failure = std::move(failure)]() mutable {
        const auto self = weak.lock();
        if (self && self->state_ == State::kOpening) self->pool_.attempt_failed(*self, std::move(failure));
    });
}

void UpstreamConnection::on_connect_expired() {
    pool_.attempt_expired(*this);
}

void UpstreamConnection::close() noexcept {
    if (state_ == State::kClosed) return;
    connector_.close();
    core_.loop.timers().cancel(*this);
    reader_.stop();
    if (transport_) {
        if (registered_) core_.loop.remove(transport_->descriptor());
        registered_ = false;
        if (state_ == State::kIdle && transport_->tls()) transport_->shutdown_write();
        transport_.reset();
    }
    state_ = State::kClosed;
}

void UpstreamConnection::rest() {
    state_ = State::kIdle;
    kept_ = true;
    if (held_.capacity() > kHeldAtRestMax) held_ = {};
    update_interest();
    idle_until_ = core_.loop.now() + core_.options.idle_connection_max;
    // Not cancelled when a call comes: moving it later is one store.
    core_.loop.timers().schedule(*this, idle_until_);
}

void UpstreamConnection::on_timer() {
    if (state_ != State::kIdle) return;
    if (core_.loop.now() < idle_until_) return core_.loop.timers().schedule(*this, idle_until_);
    pool_.retire_idle(*this);
}

// --- A call ---------------------------------------------------------------------------------------------------------

void UpstreamConnection::assign(const std::shared_ptr<CallState>& call) {
    kept_ = kept_ || state_ != State::kOpening;
    if (kept_) ++core_.counts().connections_reused;
    state_ = State::kBusy;
    call_ = call;
    sent_any_ = heard_any_ = false;
    reader_.reset(call->to_head(), call->upgrade());
    call->attach(*this);
    flush();
}

void UpstreamConnection::drop_call() noexcept {
    call_.reset();
    pool_.retire(*this);
}

void UpstreamConnection::flush() {
    std::array<iovec, 2> pieces;
    while (!write_broken_) {
        const std::size_t count = call_->gather(pieces);
        if (count == 0) break;
        const std::size_t offered = call_->output_bytes();
        const IoResult result = transport_->write(std::span(pieces).first(count));
        if (result.status == IoStatus::kWouldBlock) break;
        if (result.status != IoStatus::kOk) {
            // The other side may have answered before it closed: what it said decides, see read_some().
            write_broken_ = true;
            break;
        }
        sent_any_ = true;
        core_.counts().bytes_out += result.bytes;
        call_->sent(result.bytes);
        // A socket that took a part is full; TLS takes a record at a time.
        if (result.bytes < offered && !transport_->tls()) break;
    }
    if (write_broken_) {
        call_->stop_sending();
    } else {
        call_->note_output();
    }
    if (call_->tunnel_finished() && !std::exchange(write_shut_, true)) transport_->shutdown_write();
    update_interest();
}

void UpstreamConnection::resume() {
    if (!reader_.paused()) {
        resumed_inside_ = true;
        return;
    }
    reader_.resume();
    call_->set_paused(false);
    reading_off_ = false;
    if (!registered_) {
        interest_ = EPOLLIN;
        registered_ = core_.loop.add(transport_->descriptor(), *this, interest_).has_value();
        // Without its events the call's time ends it.
    }
    update_interest();
    if (replay_held_ || transport_->read_pending()) read_later();
}

void UpstreamConnection::read_later() {
    core_.loop.mailbox()->post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && self->state_ == State::kBusy && !self->reader_.paused()) self->read_some();
    });
}

void UpstreamConnection::update_interest() {
    if (!registered_) return;
    const bool output = call_ && ((call_->output_bytes() > 0 && !write_broken_) || call_->owes_writable());
    const std::uint32_t wanted = (reading_off_ ? 0U : EPOLLIN) | (output ? EPOLLOUT : 0U);
    if (wanted == std::exchange(interest_, wanted)) return;
    core_.loop.modify(transport_->descriptor(), *this, wanted);
}

// --- Events ---------------------------------------------------------------------------------------------------------

void UpstreamConnection::on_event(std::uint32_t events) {
    if (state_ == State::kIdle) return on_idle_event();
    if (state_ != State::kBusy) return;
    if ((events & EPOLLOUT) != 0) {
        const CallState* const before = call_.get();
        on_output_event();
        if (call_.get() != before) return;
    }
    if ((events & ~std::uint32_t{EPOLLOUT}) == 0) return;
    if (reader_.paused()) return on_paused_event(events);
    read_some();
}

// Nothing is asked for, so nothing may come: the end, or bytes that would pass for the answer to the next request. With TLS
// it may be a ticket, which is neither.
void UpstreamConnection::on_idle_event() {
    if (transport_->read(core_.read_buffer).status != IoStatus::kWouldBlock) pool_.retire_idle(*this);
}

void UpstreamConnection::on_output_event() {
    flush();
    if (!call_->owes_writable()) return;
    const auto call = call_;
    call->tell_writable();
    if (call_ == call) update_interest();
}

void UpstreamConnection::on_paused_event(std::uint32_t events) {
    reading_off_ = true;
    if ((events & (EPOLLHUP | EPOLLERR)) == 0) return update_interest();
    // These come whatever the interest: out of the set until the call goes on.
    core_.loop.remove(transport_->descriptor());
    registered_ = false;
}

void UpstreamConnection::read_some() {
    const auto call = call_;
    if (std::exchange(replay_held_, false) && !consume({})) return;
    for (int reads = 0; reads < ClientCore::kReadsPerEvent; ++reads) {
        const IoResult result = transport_->read(core_.read_buffer);
        if (result.status == IoStatus::kWouldBlock) return;
        if (result.status == IoStatus::kEnd) return on_end_of_input();
        if (result.status == IoStatus::kFailed) return fail(CallFailure::Kind::kReset, "the connection was reset");
        heard_any_ = true;
        core_.counts().bytes_in += result.bytes;
        call->note_progress();
        if (!consume({core_.read_buffer.data(), result.bytes})) return;
        if (result.bytes < core_.read_buffer.size() && !transport_->read_pending()) return;
    }
    // The kernel will not tell of what TLS has taken in already.
    if (transport_->read_pending()) read_later();
}

bool UpstreamConnection::consume(std::string_view bytes) {
    std::string_view input = bytes;
    if (!held_.empty()) {
        held_.append(bytes);
        input = held_;
    }
    const auto call = call_;
    std::size_t used = 0;
    const auto status = reader_.read(input, used, *this);
    if (call_ != call) return false;
    switch (status) {
        case AnswerReader::Status::kNeedMore:
            keep(input, used);
            return true;
        case AnswerReader::Status::kPaused:
            keep(input, used);
            replay_held_ = !held_.empty();
            return false;
        case AnswerReader::Status::kEnd:
            finish_answer(used == input.size());
            return false;
        case AnswerReader::Status::kError:
            fail(CallFailure::Kind::kProtocol, std::string(reader_.error()));
            return false;
    }
    std::unreachable();
}

void UpstreamConnection::keep(std::string_view input, std::size_t from) {
    if (input.data() == held_.data()) {
        held_.erase(0, from);
    } else {
        held_.assign(input.substr(from));
    }
}

void UpstreamConnection::on_end_of_input() {
    const bool tunnel = reader_.in_tunnel();
    // After a broken write an end may be the reset that came with it.
    const bool end = reader_.end_of_input() == AnswerReader::Status::kEnd;
    if (end && (tunnel || !write_broken_)) return finish_answer(false);
    fail(CallFailure::Kind::kReset, end ? "the connection broke" : std::string(reader_.error()));
}

void UpstreamConnection::finish_answer(bool whole_input) {
    const auto call = std::move(call_);
    const bool reusable =
        whole_input && reader_.keep_alive() && call->request_done() && !write_broken_ && !transport_->read_pending();
    held_.clear();
    call->detach();
    if (reusable) {
        pool_.release(*this);
    } else {
        pool_.retire(*this);
    }
    call->end();
}

void UpstreamConnection::fail(CallFailure::Kind kind, std::string detail) {
    const auto call = std::move(call_);
    const bool found_closed = kind == CallFailure::Kind::kReset && kept_ && !heard_any_;
    CallFailure failure{kind, call->stage(), std::move(detail), !sent_any_ || (found_closed && call->idempotent())};
    call->detach();
    pool_.retire(*this);
    call->fail(std::move(failure));
}

// --- What the answer's reader finds ---------------------------------------------------------------------------------

void UpstreamConnection::on_interim(int status, const Headers& headers) {
    call_->handler()->on_interim(status, headers);
}

void UpstreamConnection::on_head(ResponseHead head) {
    const auto call = call_;
    if (head.status >= 300 && !call->request_done()) {
        call->stop_sending();
        update_interest();
    }
    call->enter_body(false);
    call->handler()->on_head(std::move(head));
}

void UpstreamConnection::on_tunnel(ResponseHead head) {
    const auto call = call_;
    call->enter_body(true);
    call->handler()->on_tunnel(std::move(head));
}

bool UpstreamConnection::on_body(std::string_view bytes) {
    const auto call = call_;
    resumed_inside_ = false;
    const bool more = call->handler()->on_body(bytes);
    if (more || resumed_inside_ || call_ != call) return true;
    call->set_paused(true);
    return false;
}

}  // namespace tidegate::http
