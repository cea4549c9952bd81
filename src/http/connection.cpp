// The input of Connection up to the end of a head, and its clock; the rest: connection_body.cpp, connection_output.cpp,
// connection_tunnel.cpp.
#include "http/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "http/trusted_proxies.h"

namespace tidegate::http {
namespace {

// Keeps one busy client from starving the others: 256 KiB a turn.
constexpr int kReadsPerTurn = 4;
// A buffer that once held much is given back when it is empty.
constexpr std::size_t kInputKeptMax = 1024;

}  // namespace

LoopContext::LoopContext(Application& app, const Limits& all_limits, ServerCounters& all_counters, const Clock& clock,
                         std::shared_ptr<LoopLink> loop_link, const SteadyTime& loop_now)
    : application(app),
      limits(all_limits),
      counters(all_counters),
      link(std::move(loop_link)),
      writer(clock, loop_now),
      read_buffer(Connection::kReadBytes),
      now(loop_now) {}

void LoopContext::publish() noexcept {
    const auto add = [](std::atomic<std::uint64_t>& total, std::uint64_t& part) {
        if (part == 0) return;
        total.fetch_add(part, std::memory_order_relaxed);
        part = 0;
    };
    add(counters.requests, requests);
    add(counters.bytes_in, bytes_in);
    add(counters.bytes_out, bytes_out);
}

Connection::Connection(ConnectionHost& host, LoopContext& context, std::unique_ptr<Transport> transport,
                       std::string peer_address)
    : host_(host),
      context_(context),
      transport_(std::move(transport)),
      peer_address_(std::move(peer_address)),
      peer_trusted_(context.proxies != nullptr && context.proxies->trusts(peer_address_)),
      parser_(context.limits),
      out_(context.spares),
      opened_at_(context.now),
      phase_since_(context.now),
      written_at_(context.now) {}

Connection::~Connection() {
    TG_ASSERT(closed_);
}

void Connection::open() {
    settle();
}

void Connection::on_event(std::uint32_t events) {
    if (closed_) return;
    // Both sides have ended: the end of a tunnel like any other, of everything else a client that has left.
    const bool over = (events & EPOLLHUP) != 0;
    const bool last_bytes = over && phase_ == Phase::kTunnel && !tunnel_->paused();
    if ((events & EPOLLERR) != 0 || (over && !last_bytes)) return cut();
    corked_ = true;
    if ((events & EPOLLOUT) != 0) write_blocked_ = false;
    const bool handshake = transport_->handshaking() && (events & EPOLLOUT) != 0;
    if ((events & EPOLLIN) != 0 || handshake || last_bytes) {
        read_some();
    } else if ((events & EPOLLRDHUP) != 0 && phase_ == Phase::kTunnel) {
        hang_up_seen_ = true;
    } else if ((events & EPOLLRDHUP) != 0) {
        // Reading is paused, so what lies before the end is not known: the answers still go out, but whoever
        // works for this client may stop.
        hang_up_seen_ = true;
        if (streaming_ && phase_ != Phase::kBody && pipeline_.front()->ends_with_client()) {
            corked_ = false;
            return cut();
        }
        if (!pipeline_.empty()) note_client_gone();
        for (const auto& exchange : pipeline_) exchange->set_client_gone();
    }
    if (!closed_) end_turn();
    corked_ = false;
}

void Connection::read_some() {
    for (int i = 0; i < kReadsPerTurn || transport_->read_pending(); ++i) {
        if (!wants_input()) return;
        const IoResult got = transport_->read(context_.read_buffer);
        if (got.status == IoStatus::kWouldBlock) return;
        if (got.status == IoStatus::kEnd) return on_input_end();
        if (got.status == IoStatus::kFailed) return cut();
        context_.bytes_in += got.bytes;
        consume(std::string_view(context_.read_buffer.data(), got.bytes));
        if (closed_) return;
        // A read that did not fill the buffer has emptied the socket; epoll tells when there is more.
        if (got.bytes < context_.read_buffer.size() && !transport_->read_pending()) return;
    }
}

void Connection::on_input_end() {
    input_ended_ = true;
    if (phase_ == Phase::kTunnel) return tunnel_->give_end();
    // A body that will never be whole, a stream that nobody reads, a client that has read its error and left.
    const bool unread = streaming_ && pipeline_.front()->ends_with_client();
    if (phase_ == Phase::kBody || unread || lingering_) return cut();
    phase_ = Phase::kStopped;
    receiving_.reset();
    in_.clear();
    if (pipeline_.empty()) return;
    // It may have shut down only its sending side: the answers still go out. Whoever works for it may stop.
    note_client_gone();
    for (const auto& exchange : pipeline_) {
        exchange->set_client_gone();
        // Before the answer is ready its stream is the other thread's to touch; on_answer_ready() looks then.
        if (exchange->answered() && exchange->ends_with_client()) exchange->stream()->set_gone();
    }
}

bool Connection::may_parse() const noexcept {
    // What follows a request for an upgrade may be of another protocol: its answer tells.
    if (!pipeline_.empty() && pipeline_.back()->head().wants_upgrade) return false;
    return pipeline_.size() < context_.limits.pipeline_depth_max && out_.bytes() + held_bytes_ < kOutputHighWater &&
           !close_after_flush_;
}

bool Connection::wants_input() const noexcept {
    if (input_ended_) return false;
    switch (phase_) {
        case Phase::kHead:
            return may_parse();
        case Phase::kBody:
            return !body_paused_;
        case Phase::kDrain:
            return true;
        case Phase::kTunnel:
            return !tunnel_->paused();
        case Phase::kStopped:
            return lingering_;
    }
    return false;
}

/// Input is in hand that could not be used when it came, and can now.
bool Connection::input_waits() const noexcept {
    if (in_.empty()) return false;
    switch (phase_) {
        case Phase::kHead:
            return may_parse() && !parts_;
        case Phase::kBody:
        case Phase::kDrain:
            return !body_paused_;
        case Phase::kTunnel:
            return !tunnel_->paused();
        case Phase::kStopped:
            return false;
    }
    return false;
}

void Connection::consume(std::string_view fresh) {
    const bool joined = !in_.empty();
    if (joined) in_.append(fresh);
    const std::string_view input = joined ? std::string_view(in_) : fresh;
    std::size_t used = 0;
    while (used < input.size() && !closed_) {
        const std::size_t step_bytes = step(input.substr(used));
        if (step_bytes == 0) break;
        used += step_bytes;
    }
    if (closed_ || phase_ == Phase::kStopped) used = input.size();
    if (!joined) {
        if (used < input.size()) {
            in_.assign(input.substr(used));
        }
        return;
    }
    in_.erase(0, used);
    if (in_.empty() && in_.capacity() > kInputKeptMax) in_ = std::string();
}

/// Uses some of `input`; 0 when it needs more bytes, or may not go on now.
std::size_t Connection::step(std::string_view input) {
    switch (phase_) {
        case Phase::kHead:
            return step_head(input);
        case Phase::kBody:
        case Phase::kDrain:
            return step_body(input);
        case Phase::kTunnel:
            return step_tunnel(input);
        case Phase::kStopped:
            linger_ = true;
            return input.size();
    }
    return input.size();
}

std::size_t Connection::step_head(std::string_view input) {
    if (!may_parse()) return 0;
    if (!parts_) {
        parts_ = context_.link->take_parts();
        parser_.reset();
        phase_since_ = context_.now;
    }
    switch (parser_.parse(input, parts_->head)) {
        case RequestParser::Status::kNeedMore:
            return 0;
        case RequestParser::Status::kError:
            fail_input(parser_.error().status, parser_.error().detail);
            return input.size();
        case RequestParser::Status::kDone:
            break;
    }
    const std::size_t used = parser_.consumed();
    begin_request();
    return used;
}

void Connection::begin_request() {
    ++context_.requests;
    fresh_ = false;
    RequestHead& read = parts_->head;
    read.peer_address = peer_address_;
    read.peer_trusted = peer_trusted_;
    read.client_address.clear();
    if (peer_trusted_) read.client_address = context_.proxies->client_of(peer_address_, read.headers);
    read.tls = transport_->tls();
    auto exchange = std::make_shared<ServerExchange>(this, context_.link, std::move(parts_), phase_since_,
                                                     context_.limits.stream_buffer_bytes_max);
    exchange->http_1_1 = parser_.http_1_1();
    exchange->keep_alive = parser_.keep_alive();
    pipeline_.push_back(exchange);
    const RequestHead& head = exchange->head();

    deciding_ = true;
    BodyPlan plan = context_.application.on_head(exchange);
    deciding_ = false;
    if (!exchange->keep_alive && !head.has_body()) phase_ = Phase::kStopped;
    if (!head.has_body()) {
        if (!exchange->claimed()) {
            exchange->delivered = true;
            context_.application.on_request(exchange);
        }
        phase_since_ = context_.now;
        return pump();
    }
    exchange->continue_pending = parser_.expects_continue();
    begin_body(exchange, std::move(plan));
    // 100 Continue has to wait for the end of the turn: the body may be in hand already.
    if (exchange->answered()) pump();
}

/// The bytes can no longer be understood, or a limit of size or time is broken: one last answer, then close.
void Connection::fail_input(int status, std::string_view detail) {
    auto& counter = status == 408 ? context_.counters.timeouts : context_.counters.parse_errors;
    counter.fetch_add(1, std::memory_order_relaxed);
    linger_ = true;
    const bool draining_body = phase_ == Phase::kDrain;
    phase_ = Phase::kStopped;
    if (draining_body) {
        // Its answer is given; nothing more can follow on this connection.
        receiving_->keep_alive = false;
        receiving_.reset();
        if (pipeline_.empty()) close_after_flush_ = true;
        return;
    }
    auto exchange = std::exchange(receiving_, nullptr);
    if (exchange) {
        exchange->keep_alive = false;
        exchange->continue_pending = false;
        if (fail_receiver(*exchange, status, detail)) return pump();
    }
    Response response = context_.application.on_protocol_error(exchange.get(), status, detail);
    if (!exchange) {
        if (!parts_) parts_ = context_.link->take_parts();
        parts_->head = RequestHead{};
        exchange = std::make_shared<ServerExchange>(this, context_.link, std::move(parts_), phase_since_, 0);
        pipeline_.push_back(exchange);
    }
    exchange->keep_alive = false;
    exchange->answer_for_application(std::move(response));
    pump();
}

}  // namespace tidegate::http
