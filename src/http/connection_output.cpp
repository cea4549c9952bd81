// The output half of Connection: answers in order, one gathered write a turn, time limits, closing.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "http/client_gone.h"
#include "http/connection.h"

namespace tidegate::http {
namespace {

// IOV_MAX is 1024; 32 answers with a large body each are 64 pieces.
constexpr std::size_t kPiecesPerWrite = 64;
// After the last answer: how long we go on reading (and dropping) so that the client gets to read it (RFC
// 9112, 9.6).
constexpr Duration kLingerMax = std::chrono::seconds(5);
constexpr Duration kLingerDrainingMax = std::chrono::seconds(1);

void append_chunk_size(std::string& out, std::size_t bytes) {
    std::array<char, 16> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), bytes, 16);
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
    out.append("\r\n");
}

}  // namespace

void Connection::open_refused(const Response& response) {
    phase_ = Phase::kStopped;
    linger_ = true;
    close_after_flush_ = true;
    HeadOptions options;
    options.content_length = response.payload().size();
    options.close = true;
    context_.writer.write_head(out_.begin_text(), response, options);
    out_.end_text();
    response.shared_body ? out_.append(response.shared_body) : out_.append(std::string(response.payload()));
    corked_ = true;
    end_turn();
    corked_ = false;
}

void Connection::on_answer_ready(ServerExchange& exchange) {
    if (closed_ || deciding_) return;
    if (input_ended_ && exchange.ends_with_client()) exchange.stream()->set_gone();
    if (&exchange == receiving_.get() && phase_ == Phase::kBody) {
        // An answer that streams may begin while the body still comes.
        const bool both_ways = receiver_ && body_asked_ && exchange.stream();
        if (!both_ways) begin_drain(exchange);
    }
    want_turn();
}

void Connection::on_stream_ready(ServerExchange& exchange) {
    if (closed_ || !streaming_ || pipeline_.front().get() != &exchange) return;
    want_turn();
}

void Connection::on_interim_ready() {
    want_turn();
}

void Connection::want_turn() {
    again_ = true;
    // In a turn of its own already, whose end looks at everything.
    if (closed_ || corked_ || std::exchange(turn_wanted_, true)) return;
    host_.want_turn(*this);
}

void Connection::run_turn() {
    turn_wanted_ = false;
    if (closed_) return;
    corked_ = true;
    end_turn();
    corked_ = false;
}

/// Moves finished answers, oldest first, to the output.
void Connection::pump() {
    if (streaming_) pump_stream(*pipeline_.front());
    if (tunnel_) pump_tunnel();
    move_answers();
    // What is finished but behind an answer that is not counts as waiting output: one slow request must not let the large
    // answers of pipeline_depth_max others pile up.
    held_bytes_ = 0;
    for (std::size_t i = 1; i < pipeline_.size(); ++i) {
        if (pipeline_[i]->answered()) held_bytes_ += pipeline_[i]->answer_bytes();
    }
}

void Connection::move_answers() {
    while (!closed_ && !pipeline_.empty() && !streaming_ && !tunnel_) {
        const auto exchange = pipeline_.front();
        put_interim(*exchange);
        if (!exchange->answered()) return;
        if (exchange->tunnel()) return begin_tunnel(*exchange);
        write_answer(*exchange);
        if (exchange->stream()) {
            streaming_ = true;
            stream_bytes_ = 0;
            pump_stream(*exchange);
            continue;
        }
        pipeline_.erase(pipeline_.begin());
        exchange->detach();
        if (close_after_flush_) drop_rest_of_pipeline();
    }
}

/// What goes before the answer whose turn it is.
void Connection::put_interim(ServerExchange& exchange) {
    if (exchange.continue_pending && body_asked()) {
        exchange.continue_pending = false;
        out_.begin_text().append("HTTP/1.1 100 Continue\r\n\r\n");
        out_.end_text();
    }
    // A client that does not read gets no more of them: they are hints.
    if (exchange.has_interim() && out_.bytes() < kOutputHighWater) {
        out_.append(exchange.take_interim());
    }
}

void Connection::write_answer(ServerExchange& exchange) {
    Response& response = exchange.answer();
    const bool stream = exchange.stream() != nullptr;
    const bool bodiless = status_forbids_body(response.status);
    const bool last_of_all = context_.draining && pipeline_.size() == 1 && !receiving_;
    if (response.close || last_of_all) linger_ = true;
    const bool till_close = stream && !exchange.http_1_1 && !response.content_length;
    const bool close = !exchange.keep_alive || response.close || last_of_all || till_close;
    const std::uint64_t body_bytes = response.payload().size();
    const bool head_only = exchange.head().method == Method::kHead;

    HeadOptions options;
    options.close = close;
    options.say_keep_alive = !exchange.http_1_1;
    options.chunked = stream && exchange.http_1_1 && !bodiless && !response.content_length;
    if (stream || head_only || response.status == 304) options.content_length = response.content_length;
    if (!stream && !options.content_length) options.content_length = body_bytes;
    if (bodiless && (response.status != 304 || !response.content_length)) options.content_length.reset();
    context_.writer.write_head(out_.begin_text(), response, options);
    out_.end_text();
    const bool send_body = !bodiless && !head_only;
    if (send_body && !stream) {
        if (response.lent_body.data() != nullptr) {
            out_.begin_text().append(response.lent_body);
            out_.end_text();
        } else {
            response.shared_body ? out_.append(std::move(response.shared_body)) : out_.append(std::move(response.body));
        }
    }
    whole_at_close_ = till_close && send_body;
    const bool both_ways = stream && receiving_.get() == &exchange && phase_ == Phase::kBody;
    if (close && !both_ways) {
        close_after_flush_ = true;
        // A follower whose body is still coming must not be served any more either; the rest of it is only dropped.
        if (receiving_) linger_ = true;
        phase_ = Phase::kStopped;
        receiving_.reset();
        leave_receiver();
    }
    if (phase_ == Phase::kHead && !parts_) phase_since_ = context_.now;
    if (stream) {
        exchange.keep_alive = !close;
        exchange.set_stream_facts(response.status, send_body && !bodiless);
    } else if (exchange.wants_report()) {
        sent_marks_.push_back({out_.queued(), pipeline_.front(), {response.status, send_body ? body_bytes : 0, true}});
    }
    exchange.drop_answer();
}

/// Moves what the writer of the stream at the front has written to the output; ends the stream when the
/// writer has.
void Connection::pump_stream(ServerExchange& exchange) {
    const auto held = pipeline_.front();
    std::string bytes;
    StreamCore::End end = exchange.stream()->take(bytes);
    const std::size_t taken = bytes.size();
    const auto& length = exchange.stream_length();
    const bool has_body = exchange.stream_has_body();
    const bool chunked = exchange.http_1_1 && !length;
    const bool too_long = has_body && length && taken > *length - stream_bytes_;
    const bool too_short = has_body && length && end == StreamCore::End::kFinished && taken < *length - stream_bytes_;
    if (too_long || too_short) end = StreamCore::End::kAbandoned;
    if (taken > 0 && !has_body) {
        exchange.stream()->sent(taken);
    } else if (taken > 0 && !too_long) {
        stream_bytes_ += taken;
        if (chunked) {
            append_chunk_size(out_.begin_text(), taken);
            out_.end_text();
            out_.append(std::move(bytes));
            out_.begin_text().append("\r\n");
            out_.end_text();
        } else {
            out_.append(std::move(bytes));
        }
        stream_marks_.push_back({out_.queued(), taken});
    }
    if (end == StreamCore::End::kOpen) return;
    if (end == StreamCore::End::kAbandoned) {
        // What was written goes out as far as it will; the missing last chunk tells the client that it is not
        // whole.
        flush();
        return cut();
    }
    if (chunked && has_body) {
        out_.begin_text().append("0\r\n\r\n");
        out_.end_text();
    }
    streaming_ = false;
    if (exchange.wants_report()) {
        sent_marks_.push_back({out_.queued(), held, {exchange.stream_status(), stream_bytes_, true}});
    }
    pipeline_.erase(pipeline_.begin());
    exchange.detach();
    if (receiving_.get() == &exchange && phase_ == Phase::kBody) begin_drain(exchange);
    if (phase_ == Phase::kHead && !parts_) phase_since_ = context_.now;
    // The input may have broken down while the stream was on its way.
    if (!exchange.keep_alive) close_after_flush_ = true;
    if (close_after_flush_) drop_rest_of_pipeline();
}

void Connection::drop_rest_of_pipeline() {
    for (const auto& exchange : std::exchange(pipeline_, {})) give_up(exchange);
}

void Connection::give_up(const std::shared_ptr<ServerExchange>& exchange) {
    exchange->set_client_gone();
    // Before the answer is ready its stream is the other thread's to touch; become_ready() looks then.
    if (exchange->answered() && exchange->stream()) exchange->stream()->set_gone();
    exchange->detach();
    if (exchange->answered() && exchange->tunnel()) exchange->tunnel()->close(false);
    const bool started = std::exchange(streaming_, false) && exchange->stream();
    exchange->report_sent(
        {started ? exchange->stream_status() : kStatusClientGone, started ? stream_bytes_ : 0, false});
}

/// Sends, takes up input that had to wait for the output, and decides what to wait for.
void Connection::end_turn() {
    while (true) {
        again_ = false;
        pump();
        if (closed_) return;
        flush();
        if (closed_) return;
        if (tunnel_) settle_tunnel();
        if (closed_) return;
        // Whoever heard that its answer is out may have answered the next one.
        if (again_ || (!out_.empty() && !write_blocked_)) continue;
        if (close_after_flush_ && out_.empty() && !streaming_) return finish_close();
        const bool waiting = input_waits();
        const bool inside = transport_->read_pending() && wants_input();
        if (!waiting && !inside) break;
        waiting ? consume({}) : read_some();
        if (closed_) return;
        if (out_.empty() && !waiting && !again_) break;
    }
    if (input_ended_ && pipeline_.empty() && out_.empty()) return cut();
    if (context_.draining && at_rest()) {
        if (transport_->tls()) transport_->shutdown_write();
        return cut();
    }
    settle();
}

void Connection::flush() {
    while (!out_.empty() && !write_blocked_) {
        std::array<iovec, kPiecesPerWrite> pieces;
        const std::size_t count = out_.gather(pieces);
        const IoResult sent = transport_->write(std::span(pieces).first(count));
        if (sent.status == IoStatus::kWouldBlock) {
            write_blocked_ = true;
            // Not blocked before: the client's time starts now, however long ago the last answer was.
            if ((interest_ & EPOLLOUT) == 0) written_at_ = context_.now;
            break;
        }
        if (sent.status != IoStatus::kOk) return cut();
        context_.bytes_out += sent.bytes;
        written_at_ = context_.now;
        if (tunnel_) phase_since_ = context_.now;
        out_.consume(sent.bytes);
    }
    if (out_.empty()) written_at_ = context_.now;
    note_sent();
}

void Connection::note_sent() {
    while (!stream_marks_.empty() && stream_marks_.front().offset <= out_.sent()) {
        const std::uint64_t bytes = stream_marks_.front().bytes;
        stream_marks_.erase(stream_marks_.begin());
        if (streaming_) pipeline_.front()->stream()->sent(bytes);
    }
    // Taken out before it is told: whoever hears it may end this connection.
    while (!sent_marks_.empty() && sent_marks_.front().offset <= out_.sent()) {
        const SentMark mark = std::move(sent_marks_.front());
        sent_marks_.erase(sent_marks_.begin());
        mark.exchange->report_sent(mark.report);
    }
}

void Connection::finish_close() {
    if (!linger_ || input_ended_) {
        if (transport_->tls()) transport_->shutdown_write();
        return cut();
    }
    if (!lingering_) {
        lingering_ = true;
        lingering_since_ = context_.now;
        phase_ = Phase::kStopped;
        transport_->shutdown_write();
    }
    settle();
}

/// Says to the loop what this connection waits for.
void Connection::settle() {
    std::uint32_t events = 0;
    if (wants_input()) {
        events |= EPOLLIN;
        // The time in which we did not read is not the client's.
        if ((interest_ & EPOLLIN) == 0 && phase_ == Phase::kHead && parts_) phase_since_ = context_.now;
    } else if (!input_ended_ && !hang_up_seen_) {
        events |= EPOLLRDHUP;
    }
    if (write_blocked_ || transport_->wants_write()) events |= EPOLLOUT;
    if (events != interest_) {
        interest_ = events;
        host_.set_interest(*this, events);
    }
    host_.set_deadline(*this, next_due().at);
}

Connection::Due Connection::next_due() const noexcept {
    const Limits& limits = context_.limits;
    if (lingering_) return {lingering_since_ + (context_.draining ? kLingerDrainingMax : kLingerMax), Why::kLinger};
    if (transport_->handshaking()) return {opened_at_ + limits.tls_handshake_max, Why::kHandshake};
    Due due;
    const auto consider = [&due](SteadyTime at, Why why) {
        if (at < due.at) due = {at, why};
    };
    if (!out_.empty()) consider(written_at_ + limits.write_stall_max, Why::kWriteStall);
    if (phase_ == Phase::kTunnel) {
        consider(phase_since_ + limits.tunnel_idle_max, Why::kTunnel);
    } else if (phase_ == Phase::kBody && body_paused_) {
        // The application's time.
    } else if (phase_ == Phase::kBody || phase_ == Phase::kDrain) {
        // The moment at which the mean rate since the start falls below the floor.
        const auto rate = std::max<std::uint64_t>(limits.body_rate_min_bytes_s, 1);
        const auto earned =
            std::chrono::milliseconds(std::min<std::uint64_t>(body_received_, 1ULL << 50) * 1000 / rate);
        consider(phase_since_ + limits.body_grace + earned, Why::kBody);
    } else if (head_begun()) {
        consider(phase_since_ + limits.header_read_max, Why::kHead);
    } else if (phase_ == Phase::kHead && pipeline_.empty() && out_.empty()) {
        consider(phase_since_ + (fresh_ ? std::min(limits.idle_max, limits.header_read_max) : limits.idle_max),
                 Why::kIdle);
    }
    return due;
}

void Connection::on_timer() {
    if (closed_) return;
    const Due due = next_due();
    if (context_.now < due.at) return host_.set_deadline(*this, due.at);
    switch (due.why) {
        case Why::kNever:
            return;
        case Why::kLinger:
        case Why::kIdle:
            return cut();
        case Why::kHandshake:
        case Why::kWriteStall:
        case Why::kTunnel:
            context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
            return cut();
        case Why::kBody:
        case Why::kHead:
            break;
    }
    corked_ = true;
    const bool body = due.why == Why::kBody;
    fail_input(408, body ? "the body came too slowly" : "the request head came too slowly");
    in_.clear();
    if (!closed_) end_turn();
    corked_ = false;
}

void Connection::on_drain() {
    if (closed_) return;
    if (lingering_) return settle();  // Under the shorter limit.
    // What a client has sent while it could believe that it is served is answered; end_turn() ends what is at rest.
    corked_ = true;
    if (at_rest()) read_some();
    if (!closed_) end_turn();
    corked_ = false;
}

/// Counts the client that left before its answer, once.
void Connection::note_client_gone() {
    if (std::exchange(gone_noted_, true)) return;
    context_.counters.clients_gone.fetch_add(1, std::memory_order_relaxed);
}

void Connection::cut() {
    if (closed_) return;
    closed_ = true;
    if (whole_at_close_ && (streaming_ || !out_.empty()) && transport_->descriptor() >= 0) {
        // Without a length and without chunks an end would look like the body's: only a reset can say that it is not.
        const linger hard{1, 0};
        ::setsockopt(transport_->descriptor(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    // A tunnel that ends is nothing to count.
    if (!tunnel_ && (!pipeline_.empty() || !out_.empty())) note_client_gone();
    // Whoever is in the middle of a step sees that there is nothing more to do.
    phase_ = Phase::kStopped;
    receiving_.reset();
    leave_receiver();
    if (tunnel_) close_tunnel(false);
    drop_rest_of_pipeline();
    for (SentMark& mark : std::exchange(sent_marks_, {})) {
        mark.report.complete = false;
        mark.exchange->report_sent(mark.report);
    }
    host_.retire(*this);
}

}  // namespace tidegate::http
