#include "services/proxy/fetch.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::proxy {
namespace {

using upstream::Outcome;

FetchFailure failure_of(const http::CallFailure& failure) {
    using Kind = http::CallFailure::Kind;
    switch (failure.kind) {
        case Kind::kTimeout:
            return {.status = 504, .error = "upstream_timeout", .detail = "The upstream took too long to answer."};
        case Kind::kPoolFull:
            return {.status = 503,
                    .error = "upstream_busy",
                    .detail = "All connections to the upstream are in use; ask again later.",
                    .retry_after = std::chrono::seconds(1),
                    .upstream_failed = false};
        case Kind::kResolve:
            return {.status = 502, .error = "upstream_unknown", .detail = "The upstream's name could not be resolved."};
        case Kind::kRefused:
            return {.status = 502, .error = "upstream_refused", .detail = "The upstream cannot be reached."};
        case Kind::kForbidden:
            return {.status = 502,
                    .error = "upstream_forbidden",
                    .detail = "The upstream's name leads where it may not: to a link-local address."};
        case Kind::kTls:
            return {.status = 502, .error = "upstream_tls", .detail = "The upstream's TLS could not be trusted."};
        case Kind::kProtocol:
            return {.status = 502, .error = "upstream_protocol", .detail = "The upstream's answer was not valid HTTP."};
        case Kind::kInvalidRequest:
            return {.status = 400,
                    .error = "invalid_argument",
                    .detail = "The request cannot be passed on: a field or the target is not valid HTTP.",
                    .retry_after = {},
                    .upstream_failed = false};
        case Kind::kReset:
        case Kind::kCancelled:
            break;
    }
    return {.status = 502, .error = "upstream_broke_off", .detail = "The upstream ended the connection too early."};
}

FetchFailure failure_of(const upstream::Shed& shed) {
    const bool late = shed.why == upstream::Shed::Why::kDeadline || shed.why == upstream::Shed::Why::kExpired;
    return {.status = 503,
            .error = "overloaded",
            .detail = late ? "The request could not be answered in time; ask again later."
                           : "Too many requests wait for this upstream; ask again later.",
            .retry_after = shed.retry_after,
            .upstream_failed = false};
}

}  // namespace

Fetch::Fetch(const FetchLoop& loop, Upstream& upstream, FetchRequest request, FetchSink& sink)
    : loop_(loop), upstream_(upstream), request_(std::move(request)), sink_(&sink) {}

Fetch::~Fetch() {
    loop_.loop.timers().cancel(*this);
    if (request_.pipe) request_.pipe->detach();
}

void Fetch::start() {
    place_ = upstream_.budget.begin_request();
    upstream::Admission::Ask ask;
    ask.priority = request_.priority;
    ask.deadline = request_.deadline;
    ask.mailbox = loop_.loop.mailbox();
    ask.told = [self = shared_from_this()](upstream::Admitted answer, SteadyTime) {
        self->waiting_.reset();
        if (!self->ended_) self->admitted(std::move(answer));
    };
    auto answer = upstream_.admission.ask(std::move(ask), loop_.loop.now());
    if (const auto* id = std::get_if<upstream::Admission::WaiterId>(&answer)) {
        waiting_ = *id;
    } else if (auto* permit = std::get_if<upstream::Permit>(&answer)) {
        admitted(std::move(*permit));
    } else {
        admitted(std::get<upstream::Shed>(answer));
    }
}

void Fetch::admitted(upstream::Admitted answer) {
    if (const auto* shed = std::get_if<upstream::Shed>(&answer)) return fail(failure_of(*shed));
    permit_ = std::move(std::get<upstream::Permit>(answer));
    attempt();
}

void Fetch::attempt() {
    const SteadyTime now = loop_.loop.now();
    auto lease = upstream_.pool.pick(tried_, now);
    if (!lease && lease.error().all_tried && attempts_ > 0) {
        // Nobody new is left; who has failed before may still be the only one.
        tried_ = 0;
        lease = upstream_.pool.pick(tried_, now);
    }
    if (!lease) {
        return fail({.status = 503,
                     .error = "upstream_unavailable",
                     .detail = "No target of the upstream can take requests now.",
                     .retry_after = lease.error().retry_after,
                     .upstream_failed = true});
    }
    lease_ = *std::move(lease);
    tried_ |= lease_.bit();
    target_ = lease_.name();
    ++attempts_;
    first_byte_.reset();
    call_started_ = now;
    http::CallTimes times = upstream_.options.times;
    if (request_.deadline != SteadyTime::max()) {
        times.total_max = std::min(times.total_max, std::max(request_.deadline - now, Duration(1)));
    }
    const bool last = request_.call.streamed || upstream_.options.retry.attempts_max <= attempts_;
    call_ = loop_.client_of(upstream_).start(lease_.origin(), last ? std::move(request_.call) : request_.call, times,
                                             shared_from_this());
    if (!request_.pipe) return;
    const auto exchange = request_.exchange.lock();
    if (exchange) request_.pipe->attach(exchange, upload_);
}

void Fetch::on_interim(int status, const http::Headers& headers) {
    if (sink_ != nullptr) sink_->on_interim(status, headers);
}

void Fetch::on_head(http::ResponseHead head) {
    const SteadyTime now = loop_.loop.now();
    first_byte_ = now - call_started_;
    const Outcome outcome = upstream::outcome_of_status(head.status);
    lease_.report(outcome, first_byte_, now);
    if (upstream::is_gateway_failure(outcome) && retry(outcome, false)) return;
    answered_ = true;
    if (sink_ != nullptr) sink_->on_answer(std::move(head));
}

bool Fetch::on_body(std::string_view bytes) {
    return sink_ == nullptr || sink_->on_bytes(bytes);
}

void Fetch::on_end() {
    end_lease(Outcome::kSuccess);
    end_permit(false);
    FetchSink* sink = sink_;
    close();
    if (sink != nullptr) sink->on_done();
}

void Fetch::on_failure(const http::CallFailure& failure) {
    const Outcome outcome = upstream::outcome_of(failure);
    end_lease(outcome);
    if (retry(outcome, failure.safe_to_retry)) return;
    end_permit(failure.kind == http::CallFailure::Kind::kTimeout);
    fail(failure_of(failure));
}

/// True: another attempt has begun or will; the call that failed is over.
bool Fetch::retry(Outcome outcome, bool safe) {
    const upstream::Attempt attempt{.number = attempts_,
                                    .outcome = outcome,
                                    .safe_to_retry = safe,
                                    .idempotent = request_.idempotent,
                                    .answer_started = answered_,
                                    .body_replayable = !upload_begun_ && !request_.call.streamed,
                                    .deadline = request_.deadline};
    retry_place_.drop();
    auto decision =
        upstream::decide_retry(upstream_.options.retry, upstream_.budget, attempt, loop_.random, loop_.loop.now());
    if (!decision) return false;
    if (call_) std::exchange(call_, nullptr)->cancel();
    end_lease(outcome);
    retry_place_ = std::move(decision.place);
    loop_.loop.timers().schedule(*this, loop_.loop.now() + decision.delay);
    // The timer must not be the only one to know of it: the pause holds the fetch.
    pause_ = shared_from_this();
    return true;
}

void Fetch::on_timer() {
    const auto self = std::exchange(pause_, nullptr);
    if (!ended_) attempt();
}

void Fetch::end_lease(Outcome outcome) {
    if (lease_) std::exchange(lease_, {}).end(outcome, first_byte_, loop_.loop.now());
}

void Fetch::end_permit(bool overloaded) {
    if (permit_) std::exchange(permit_, {}).end(first_byte_, overloaded, loop_.loop.now());
}

void Fetch::fail(FetchFailure failure) {
    FetchSink* sink = sink_;
    close();
    if (sink != nullptr) sink->on_failed(failure);
}

void Fetch::close() {
    ended_ = true;
    sink_ = nullptr;
    call_.reset();
    retry_place_.drop();
    place_.drop();
    permit_ = {};
    if (request_.pipe) request_.pipe->detach();
}

void Fetch::cancel() {
    if (ended_) return;
    const auto self = shared_from_this();
    loop_.loop.timers().cancel(*this);
    pause_.reset();
    if (waiting_) upstream_.admission.cancel(*waiting_);
    if (call_) call_->cancel();
    end_lease(Outcome::kClientGone);
    close();
}

void Fetch::resume() {
    if (call_) call_->resume();
}

bool Fetch::write(std::string_view bytes) {
    return call_ == nullptr || call_->write_body(bytes);
}

void Fetch::finish_writing() {
    if (call_) call_->finish_body();
}

void Fetch::on_writable() {
    if (request_.pipe && !tunnel_) return request_.pipe->resume();
    if (sink_ != nullptr) sink_->on_tunnel_room();
}

void Fetch::on_tunnel(http::ResponseHead head) {
    const SteadyTime now = loop_.loop.now();
    first_byte_ = now - call_started_;
    lease_.report(Outcome::kSuccess, first_byte_, now);
    answered_ = true;
    tunnel_ = true;
    if (sink_ != nullptr) sink_->on_tunnel(std::move(head));
}

bool Fetch::Upload::on_body(std::string_view bytes) {
    fetch_.upload_begun_ = true;
    return fetch_.call_ == nullptr || fetch_.call_->write_body(bytes);
}

void Fetch::Upload::on_body_end() {
    if (fetch_.call_) fetch_.call_->finish_body();
}

void Fetch::Upload::on_body_failed(int status, std::string_view detail) {
    if (fetch_.ended_) return;
    const auto self = fetch_.shared_from_this();
    if (fetch_.call_) fetch_.call_->cancel();
    fetch_.end_lease(Outcome::kClientGone);
    fetch_.fail({.status = status,
                 .error = "body_failed",
                 .detail = std::string(detail),
                 .retry_after = {},
                 .upstream_failed = false});
}

}  // namespace tidegate::proxy
