// The bodies of requests: gathered, handed on as they come, or read only to be dropped.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "http/client_gone.h"
#include "http/connection.h"

namespace tidegate::http {
/// Hands on what comes, until the application pauses it or has lost its interest.
class ReceiverSink final : public BodySink {
  public:
    explicit ReceiverSink(Connection& connection) : connection_(connection) {}
    bool append(std::string_view bytes) override {
        if (!connection_.receiver_ || connection_.body_paused_ || connection_.closed_) return false;
        if (bytes.size() > connection_.body_max_ - connection_.body_given_) return false;
        connection_.give_body(bytes);
        return true;
    }

  private:
    Connection& connection_;
};

void Connection::begin_body(const std::shared_ptr<ServerExchange>& exchange, BodyPlan plan) {
    receiving_ = exchange;
    phase_ = Phase::kBody;
    phase_since_ = context_.now;
    chunks_.reset();
    body_left_ = exchange->head().content_length.value_or(0);
    body_max_ = plan.body_bytes_max;
    body_received_ = 0;
    body_given_ = 0;
    if (exchange->answered()) return begin_drain(*exchange);
    if (body_left_ > body_max_) return body_too_large();
    if (!plan.receiver || exchange->claimed()) return;
    receiver_ = std::move(plan.receiver);
    body_paused_ = plan.paused;
    body_asked_ = !plan.paused;
    body_paused_at_ = context_.now;
    exchange->delivered = true;
    context_.application.on_request(exchange);
}

/// The answer no longer depends on the body: reads a short rest, gives up the connection for a long one.
void Connection::begin_drain(ServerExchange& exchange) {
    receiver_.reset();
    body_paused_ = false;
    // A client that waits for 100 Continue may send the body or not: the next byte could be either.
    const bool unsure = exchange.continue_pending;
    exchange.continue_pending = false;
    if (unsure || body_left_ > kDrainBytesMax || !exchange.keep_alive) {
        exchange.keep_alive = false;
        linger_ = true;
        phase_ = Phase::kStopped;
        receiving_.reset();
        return;
    }
    phase_ = Phase::kDrain;
    drain_left_ = kDrainBytesMax;
}

void Connection::body_too_large() {
    refuse_body(413, "the body is longer than this route allows");
}

void Connection::refuse_body(int status, std::string_view detail) {
    const auto exchange = receiving_;
    if (!fail_receiver(*exchange, status, detail)) {
        exchange->answer_for_application(context_.application.on_protocol_error(exchange.get(), status, detail));
    }
    // Unless the application's answer has done so.
    if (receiving_ && phase_ == Phase::kBody) begin_drain(*exchange);
    pump();
}

/// Says to whoever hears the body that it will not be whole; true when the exchange has its answer from there.
bool Connection::fail_receiver(ServerExchange& exchange, int status, std::string_view detail) {
    if (!receiver_) return false;
    std::exchange(receiver_, nullptr)->on_body_failed(status, detail);
    return exchange.claimed();
}

/// The connection goes: whoever hears the body is told so, but not from in here.
void Connection::leave_receiver() {
    if (!receiver_) return;
    context_.link->mailbox->post([receiver = std::exchange(receiver_, nullptr)] {
        receiver->on_body_failed(kStatusClientGone, "the client has left");
    });
}

std::size_t Connection::step_body(std::string_view input) {
    receiving_->continue_pending = false;
    const bool chunked = receiving_->head().chunked;
    if (receiver_) {
        if (body_paused_) return 0;
        ReceiverSink sink(*this);
        return chunked ? step_chunked(input, sink) : step_plain(input, sink);
    }
    const std::uint64_t fresh = chunked ? input.size() : std::min<std::uint64_t>(body_left_, input.size());
    if (phase_ == Phase::kBody && !receiving_->charge_body(fresh)) {
        refuse_body(503, "other requests' bodies hold all the memory there is for them; ask again in a moment");
        return phase_ == Phase::kDrain ? step_body(input) : input.size();
    }
    if (phase_ == Phase::kBody) {
        BufferSink buffer(receiving_->body_buffer(), body_max_);
        return chunked ? step_chunked(input, buffer) : step_plain(input, buffer);
    }
    DiscardSink discard(drain_left_);
    const std::size_t used = chunked ? step_chunked(input, discard) : step_plain(input, discard);
    drain_left_ = discard.left();
    return used;
}

std::size_t Connection::step_plain(std::string_view input, BodySink& sink) {
    const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()));
    // First, so that an answer given from inside sees how much is left.
    body_received_ += used;
    body_left_ -= used;
    const bool taken = sink.append(input.substr(0, used));
    TG_ASSERT(taken);  // The announced length was checked.
    if (body_left_ == 0 && receiving_ && !closed_) body_done();
    return used;
}

std::size_t Connection::step_chunked(std::string_view input, BodySink& sink) {
    const bool draining = phase_ == Phase::kDrain;
    std::size_t used = 0;
    const ChunkedDecoder::Status status = chunks_.decode(input, sink, used);
    body_received_ += used;
    // Whoever heard the last bytes may have ended it all.
    if (closed_ || !receiving_) return input.size();
    switch (status) {
        case ChunkedDecoder::Status::kNeedMore:
            return used;
        case ChunkedDecoder::Status::kDone:
            body_done();
            return used;
        case ChunkedDecoder::Status::kError:
            fail_input(chunks_.error().status, chunks_.error().detail);
            return input.size();
        case ChunkedDecoder::Status::kSinkFull:
            break;
    }
    if (!draining) {
        if (receiver_ && body_paused_) return used;
        // Or the application has answered in the middle of it.
        if (phase_ == Phase::kBody) body_too_large();
        // What follows in hand is dropped under the new rule at once: no later event would bring us back to it.
        return phase_ == Phase::kDrain ? used + step_body(input.substr(used)) : input.size();
    }
    // The rest of a refused body turned out long; its answer may be out already.
    receiving_->keep_alive = false;
    receiving_.reset();
    phase_ = Phase::kStopped;
    linger_ = true;
    if (pipeline_.empty()) close_after_flush_ = true;
    return input.size();
}

void Connection::give_body(std::string_view bytes) {
    body_given_ += bytes.size();
    const auto held = receiver_;  // It may let go of itself.
    body_giving_ = true;
    body_resumed_ = false;
    const bool more = held->on_body(bytes);
    body_giving_ = false;
    if (more || body_resumed_ || receiver_ != held) return;
    body_paused_ = true;
    body_paused_at_ = context_.now;
}

void Connection::resume_body(ServerExchange& exchange) {
    if (closed_ || !receiver_ || receiving_.get() != &exchange) return;
    if (body_giving_) body_resumed_ = true;
    if (!std::exchange(body_paused_, false)) return;
    // The time in which the application did not want it is not the client's.
    phase_since_ += context_.now - body_paused_at_;
    body_asked_ = true;
    want_turn();
}

void Connection::body_done() {
    const auto exchange = std::exchange(receiving_, nullptr);
    const auto receiver = std::exchange(receiver_, nullptr);
    const bool deliver = phase_ == Phase::kBody;
    phase_ = exchange->keep_alive && !close_after_flush_ ? Phase::kHead : Phase::kStopped;
    phase_since_ = context_.now;
    body_paused_ = false;
    if (receiver) {
        receiver->on_body_end();
        return pump();
    }
    if (!deliver || exchange->claimed()) return;
    exchange->delivered = true;
    context_.application.on_request(exchange);
    pump();
}

}  // namespace tidegate::http
