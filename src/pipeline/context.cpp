#include "pipeline/context.h"

#include <algorithm>

#include "audit/privacy/policy.h"
#include "base/assert.h"
#include "base/strings.h"
#include "pipeline/dispatcher.h"
#include "pipeline/problem.h"
#include "pipeline/recall.h"
#include "pipeline/stream_watch.h"

namespace tidegate::pipeline {
namespace {

std::string_view find_value(const std::vector<std::pair<std::string, std::string>>& values, std::string_view name) {
    const auto found = std::ranges::find(values, name, [](const auto& pair) { return std::string_view(pair.first); });
    return found == values.end() ? std::string_view{} : std::string_view(found->second);
}

bool is_compressible(std::string_view content_type) {
    return content_type.starts_with("text/") || content_type.starts_with("application/json") ||
           content_type.starts_with("application/problem+json") ||
           content_type.starts_with("application/openmetrics-text");
}

/// RFC 9110, 13.1.2: weak comparison, `*` matches anything.
bool etag_matches(std::string_view if_none_match, std::string_view etag) {
    for (std::string_view candidate : split(if_none_match, ',')) {
        candidate = trim(candidate);
        if (candidate == "*") return true;
        if (candidate.starts_with("W/")) candidate.remove_prefix(2);
        if (candidate == etag) return true;
    }
    return false;
}

}  // namespace

const Clock& Context::clock() const noexcept {
    return dispatcher_.parts_.clock;
}

double Context::elapsed_ms() const noexcept {
    return std::chrono::duration<double, std::milli>(clock().now() - exchange_.received_at()).count();
}

void Context::end_stage(const char* name, SteadyTime ended) noexcept {
    const Lock lock(told_mutex_);
    const Duration elapsed = std::max(ended - exchange_.received_at(), lap_);
    stages_.add(name, elapsed - lap_);
    lap_ = elapsed;
}

observe::StageTimes Context::stages() const {
    const Lock lock(told_mutex_);
    return stages_;
}

observe::TraceContext Context::trace() const {
    const Lock lock(told_mutex_);
    if (!trace_) {
        const auto parent = head().headers.get("traceparent");
        const auto parsed = parent ? observe::parse_traceparent(*parent) : std::nullopt;
        Random& random = dispatcher_.parts_.random;
        trace_ = parsed ? observe::child_of(*parsed, random) : observe::start_trace(random);
        if (parsed) parent_span_ = parsed->span_id;
        if (const observe::SpanSink* sink = dispatcher_.gate_.spans) {
            trace_->flags = sink->sampler().takes(parsed, trace_->trace_id) ? 1 : 0;
        }
    }
    return *trace_;
}

json::Value Context::body() const {
    TG_ASSERT(document_.has_value());
    return document_->root();
}

std::string_view Context::path_parameter(std::string_view name) const {
    return find_value(path_values_, name);
}

std::optional<std::string> Context::query(std::string_view name) const {
    const std::string_view value = find_value(query_values_, name);
    if (value.data() == nullptr) return std::nullopt;
    return std::string(value);
}

std::optional<std::int64_t> Context::query_int(std::string_view name) const {
    const auto text = query(name);
    return text ? parse_i64(*text) : std::nullopt;
}

ContextPtr Context::self() const {
    ContextPtr shared = self_.lock();
    TG_ASSERT(shared != nullptr);
    return shared;
}

void Context::reply(http::Response response) {
    if (recall_ && response.status == 200) return recall_->reply(*this, {}, std::move(response));
    const http::Coding coding = choose_coding(response);
    if (route_ != nullptr && response.status == 200 && route_->route.cache == CachePolicy::kRevalidate) {
        if (answer_not_modified(response, coding)) return finish(std::move(response));
    } else if (!response.headers.get("Cache-Control")) {
        response.headers.add("Cache-Control", "no-store");
    }
    compress(response, coding);
    finish(std::move(response));
}

/// Sets the tag; true when the client has these bytes already and `response` has become a 304.
bool Context::answer_not_modified(http::Response& response, http::Coding coding) {
    response.headers.set("Cache-Control", "no-cache");
    const std::string_view body = response.shared_body ? std::string_view(*response.shared_body) : response.body;
    std::string etag = "\"" + to_hex(sha256(body)).substr(0, 32);
    // Two codings of one document are two representations: a strong tag must tell them apart (RFC 9110, 8.8.3.3).
    if (coding != http::Coding::kIdentity) etag += "-" + std::string(http::to_string(coding));
    etag += '"';
    response.headers.set("ETag", etag);
    const auto asked = head().headers.get("If-None-Match");
    if (!asked || !etag_matches(*asked, etag)) return false;
    response.status = 304;
    response.body.clear();
    response.shared_body.reset();
    return true;
}

/// How the body will be sent; notes in `Vary` that this depends on what the client accepts.
http::Coding Context::choose_coding(http::Response& response) const {
    const auto type = response.headers.get("Content-Type");
    if (!type || !is_compressible(*type)) return http::Coding::kIdentity;
    const std::size_t bytes = response.shared_body ? response.shared_body->size() : response.body.size();
    if (bytes < dispatcher_.settings_.compress_bytes_min) return http::Coding::kIdentity;
    response.headers.add("Vary", "Accept-Encoding");
    const auto accepted = head().headers.get("Accept-Encoding");
    return accepted ? http::choose_coding(*accepted) : http::Coding::kIdentity;
}

bool Context::packs(std::size_t bytes) const {
    if (bytes < dispatcher_.settings_.compress_bytes_min) return false;
    const auto accepted = head().headers.get("Accept-Encoding");
    return accepted && http::choose_coding(*accepted) != http::Coding::kIdentity;
}

void Context::compress(http::Response& response, http::Coding coding) {
    if (coding == http::Coding::kIdentity) return;
    const std::string_view body = response.shared_body ? std::string_view(*response.shared_body) : response.body;
    auto packed = http::compress(body, coding);
    if (!packed) {
        // The plain form is a right answer too, but it is not the one that the tag names.
        response.headers.remove("ETag");
        return;
    }
    response.headers.add("Content-Encoding", http::to_string(coding));
    response.shared_body.reset();
    response.body = *std::move(packed);
}

void Context::reply_json(std::string body, int status) {
    http::Response response;
    response.status = status;
    response.headers.add("Content-Type", "application/json");
    response.body = std::move(body);
    reply(std::move(response));
}

ErrorShape Context::error_shape() const noexcept {
    return route_ != nullptr ? route_->route.errors : shape_of_path(head().path);
}

http::Response Context::error_response(const Error& error) const {
    return pipeline::error_response(error_shape(),
                                    {.status = status_of(error.code),
                                     .error = to_string(error.code),
                                     .detail = error.message,
                                     .request_id = request_id_,
                                     .path = head().path,
                                     .errors = nullptr},
                                    retry_after_s_);
}

void Context::fail(const Error& error) {
    if (recall_) recall_->fail(error);
    finish(error_response(error));
}

void Context::fail(std::vector<FieldError> errors) {
    finish(pipeline::error_response(error_shape(),
                                    {.status = status_of(ErrorCode::kFailedValidation),
                                     .error = to_string(ErrorCode::kFailedValidation),
                                     .detail = "The request is well-formed but not valid; `errors` names each field.",
                                     .request_id = request_id_,
                                     .path = head().path,
                                     .errors = &errors}));
}

void Context::add_timing(std::string entry) {
    if (!timings_.empty()) timings_ += ", ";
    timings_ += entry;
}

void Context::decorate(http::Response& response) const {
    response.headers.add("X-Request-Id", request_id_);
    if (says_when_) response.headers.remove("Retry-After");
    if (extra_.size() > 0) response.headers.append(extra_);
    if (reservation_.cost() > Points{}) {
        const Points charged{charged_milli_.load(std::memory_order_relaxed)};
        spend::add_spend_headers(response.headers, charged, reservation_.remaining_after(charged));
    }
    if (const Cors* cors = dispatcher_.gate_.cors; cors != nullptr && cors->is_open()) {
        cors->decorate(head().headers, response.headers);
    }
    if (!show_stages_) return;
    std::string timing = stages().server_timing();
    if (!timings_.empty()) timing.append(timing.empty() ? "" : ", ").append(timings_);
    response.headers.set("Server-Timing", timing);
}

void Context::finish(http::Response response) {
    TG_ASSERT(!std::exchange(answered_, true));
    if (recall_) recall_->let_go();
    decorate(response);
    exchange_.respond(std::move(response));
}

std::shared_ptr<http::Stream> Context::start_stream(http::Response response) {
    response.headers.set("Cache-Control", "no-store");
    return send_stream(std::move(response));
}

std::shared_ptr<http::Tunnel> Context::start_tunnel(http::Response response, std::shared_ptr<http::TunnelEnd> end) {
    TG_ASSERT(!std::exchange(answered_, true));
    decorate(response);
    watch_stream();
    return exchange_.start_tunnel(std::move(response), std::move(end));
}

std::shared_ptr<http::Stream> Context::send_stream(http::Response response) {
    TG_ASSERT(!std::exchange(answered_, true));
    if (recall_) recall_->let_go(true);
    decorate(response);
    watch_stream();
    return exchange_.start_stream(std::move(response));
}

void Context::watch_stream() {
    if (StreamWatch* watch = dispatcher_.gate_.streams) watch->add(self(), exchange_.loop_index());
}

void Context::fail_stream(const Error& error) {
    stream_failure_.store(status_of(error.code), std::memory_order_relaxed);
    dispatcher_.parts_.log.line(observe::Level::kError, "stream_failed")
        .field("request_id", request_id_)
        .field("reason", error.message);
}

audit::Decision Context::make_decision(std::string_view service, std::string_view operation, std::string_view input) {
    audit::Decision decision = blank_decision();
    decision.service = service;
    decision.operation = operation;
    decision.input_hash = sha256(input);
    decision.input_size = input.size();
    decision.spend_points = spend_points();
    const auto* privacy = dispatcher_.gate_.privacy;
    if (privacy != nullptr && privacy->keeps_input(service)) held_inputs_.push_back({decision.id, std::string(input)});
    return decision;
}

Result<void> Context::make_private(std::vector<audit::Decision>& decisions) {
    auto* privacy = dispatcher_.gate_.privacy;
    if (privacy == nullptr) return {};
    for (audit::Decision& decision : decisions) {
        const auto held = std::ranges::find(held_inputs_, decision.id, &HeldInput::record);
        const bool found = held != held_inputs_.end();
        TG_CHECK(privacy->apply(decision, found ? std::optional<std::string_view>(held->bytes) : std::nullopt));
    }
    return {};
}

/// Who asks, when, and under what id.
audit::Decision Context::blank_decision() const {
    audit::Decision decision;
    decision.id = make_uuid7(clock(), dispatcher_.parts_.random);
    decision.request_id = request_id_;
    if (caller_) {
        decision.actor = caller_->actor;
        decision.tenant = caller_->tenant;
    }
    decision.trace_id = trace().trace_id;
    return decision;
}

std::string Context::make_id() const {
    return to_string(make_uuid7(clock(), dispatcher_.parts_.random));
}

Points Context::price(audit::Status status, audit::CacheState cache) const noexcept {
    const spend::SpendPolicy* policy = dispatcher_.gate_.spend;
    return policy == nullptr ? spend_points() : policy->charge(spend_points(), status, cache);
}

void Context::charge(Points points) noexcept {
    charged_milli_.store(points.milli, std::memory_order_relaxed);
    reservation_.settle(points);
}

Points Context::spend_points() const noexcept {
    return route_ == nullptr ? Points{} : route_->route.spend_points;
}

void Context::record(std::vector<audit::Decision> decisions, std::move_only_function<void(Result<void>)> done) {
    const std::int64_t latency_us =
        std::chrono::duration_cast<std::chrono::microseconds>(clock().now() - exchange_.received_at()).count();
    const std::vector<audit::StageLatency> stages = audit::stage_latencies(this->stages());
    for (audit::Decision& decision : decisions) {
        decision.latency_us = latency_us;
        decision.latency_stated = true;
        decision.stages = stages;
    }
    note_use(decisions);
    Points spent;
    for (const audit::Decision& decision : decisions) spent += decision.spend_points;
    // What is recorded is what is charged: the decisions are the ledger's durable form.
    auto settled = [context = self(), spent, done = std::move(done)](Result<void> durable) mutable {
        context->charge(durable ? spent : Points{});
        done(std::move(durable));
    };
    if (auto safe = make_private(decisions); !safe) return settled(std::move(safe));
    auto& log = dispatcher_.parts_.decisions;
    const AnswerAfter preset = dispatcher_.parts_.answer_after;
    if ((route_ == nullptr ? preset : route_->route.answer_after.value_or(preset)) == AnswerAfter::kAccepted) {
        return log.submit(std::move(decisions), std::move(settled));
    }
    if (decisions.size() == 1) return log.append(std::move(decisions.front()), std::move(settled));
    log.append_batch(std::move(decisions), std::move(settled));
}

void Context::reply_recorded(std::vector<audit::Decision> decisions, std::string body) {
    http::Response response;
    response.headers.add("Content-Type", "application/json");
    response.body = std::move(body);
    reply_recorded(std::move(decisions), std::move(response));
}

void Context::reply_recorded(std::vector<audit::Decision> decisions, http::Response response) {
    if (recall_) return recall_->reply(*this, std::move(decisions), std::move(response));
    response.headers.add("Cache-Control", "no-store");
    // Compressed here, on the worker: the writer thread that calls back has every other caller waiting.
    compress(response, choose_coding(response));
    end_stage("render");
    send_recorded(std::move(decisions), std::move(response));
}

void Context::send_recorded(std::vector<audit::Decision> decisions, http::Response response) {
    record(std::move(decisions), [context = self(), response = std::move(response)](Result<void> durable) mutable {
        context->end_stage("record");
        if (durable) {
            if (context->recall_) context->recall_->keep();
            return context->finish(std::move(response));
        }
        context->dispatcher_.parts_.log.line(observe::Level::kError, "decision_not_recorded")
            .field("request_id", context->request_id_)
            .field("reason", durable.error().message);
        context->fail({ErrorCode::kUnavailable, "The answer could not be recorded, so it is not given; ask again."});
    });
}

}  // namespace tidegate::pipeline
