#include "pipeline/dispatcher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/ids.h"
#include "base/strings.h"
#include "pipeline/access_log.h"
#include "pipeline/problem.h"

namespace tidegate::pipeline {
namespace {

struct Stage {
    const char* name;
    Step (*run)(Dispatcher&, Context&);
};

/// The way of every request with a route, in order. Naming, matching (404, 405) and metrics come before it, so that every
/// refusal has an id and is counted; record, settlement, cache fill, compression and send follow the handler's answer
/// (Context::reply*).
constexpr std::array<Stage, 11> kStages{{
    {"overload", &Stages::overload},  // First: what will be shed must cost nothing more.
    {"identity", &Stages::identity},  // Before limits and spend, which count by caller.
    {"limit", &Stages::limit},        // Before spend: a flood must not touch the ledger.
    {"spend", &Stages::spend},        // Reserved before the work, settled with the answer.
    {"admit", &Stages::admit_body},   // Before the body comes: nobody uploads what will be refused.
    {"receive", &Stages::receive},    // Waits for the body, unless the handler streams it.
    {"look", &Stages::look},          // A small question whose answer is kept needs no other thread.
    {"queue", &Stages::hand_over},    // To the pool that the route names; what follows runs there.
    {"validate", &Stages::validate},  // Before the cache: only valid requests have a canonical form.
    {"cache", &Stages::cache},        // Before the work: what is known or being made is not made again.
    {"handle", &Stages::handle},      // The service, or the proxy with its breaker, admission and balancing.
}};

constexpr std::uint8_t index_of(Step (*run)(Dispatcher&, Context&)) {
    std::uint8_t index = 0;
    while (kStages[index].run != run) ++index;
    return index;
}
constexpr std::uint8_t kReceive = index_of(&Stages::receive);
constexpr std::uint8_t kQueue = index_of(&Stages::hand_over);

Context& context_of(const http::Exchange& exchange) {
    return *static_cast<Context*>(exchange.attachment.get());
}

/// A stream of events, until its listener leaves, or a profile: how long it takes says nothing of the server.
bool lasts_as_wanted(const Route& route) {
    return (route.method == http::Method::kGet && route.response_type == "text/event-stream") ||
           route.path == "/debug/pprof/profile" || route.path == "/debug/pprof/flame";
}

}  // namespace

Dispatcher::Dispatcher(Parts parts, const PipelineSettings& settings, std::vector<Route> routes, Gate gate)
    : parts_(parts),
      settings_(settings),
      gate_(std::move(gate)),
      http_metrics_(parts.metrics),
      unmatched_(http_metrics_, "other", "unmatched") {
    for (Route& route : routes) {
        // A key with the family's name opens all of its routes.
        if (route.scopes.empty()) route.scopes.push_back(route.family);
        TG_ASSERT(route.handler != nullptr && !route.operation.empty());
        TG_ASSERT(route.raw_body || route.request.has_value() == (route.body_bytes_max > 0));
        const auto id = static_cast<http::Router::RouteId>(routes_.size());
        TG_ASSERT((route.any_method ? router_.add_any(route.path, id) : router_.add(route.method, route.path, id))
                      .has_value());
        routes_.push_back(std::make_unique<RouteState>(std::move(route), http_metrics_));
        RouteState& state = *routes_.back();
        state.recall =
            plan_recall(state.route, settings_.answers, gate_.store, gate_.flights, parts_.clock, gate_.build);
        if (gate_.limiter == nullptr) continue;
        auto rules = gate_.limiter->rules().of_route(routes_.back()->route.family, routes_.back()->route.operation);
        TG_ASSERT(rules.has_value());  // app/ has asked before.
        routes_.back()->limits = *std::move(rules);
    }
    declare_recall();
}

void Dispatcher::declare_recall() {
    if (std::ranges::none_of(routes_, [](const auto& state) { return state->recall != nullptr; })) return;
    parts_.metrics.callback(
        {.name = "tidegate_kept_answers_total",
         .help =
             "Questions to our own routes whose answers are kept: answered from the cache (hit), by the answer that "
             "another one was waiting for (coalesced), by the service (miss), or past the cache (bypass).",
         .labels = {"operation", "outcome"},
         .when_it_rises = "`miss` alone: questions that never repeat, or cache.answers is too short."},
        observe::MetricType::kCounter, [this](observe::Samples& out) {
            for (const auto& state : routes_) {
                if (state->recall == nullptr) continue;
                const RecallPlan& plan = *state->recall;
                out.add({plan.operation, "hit"}, static_cast<double>(plan.hits.value()));
                out.add({plan.operation, "coalesced"}, static_cast<double>(plan.coalesced.value()));
                out.add({plan.operation, "miss"}, static_cast<double>(plan.misses.value()));
                out.add({plan.operation, "bypass"}, static_cast<double>(plan.bypassed.value()));
            }
        });
}

void Dispatcher::on_loop_start(runtime::EventLoop& loop, unsigned index) {
    TG_ASSERT(index < loops_.size());
    if (!gate_.make_loop) return;
    loops_[index] = gate_.make_loop(loop, index);
    for (LoopListener* listener : gate_.listeners) listener->on_loop_start(*loops_[index]);
}

void Dispatcher::on_loop_stop(unsigned index) {
    if (loops_[index] == nullptr) return;
    for (LoopListener* listener : gate_.listeners) listener->on_loop_stop(*loops_[index]);
    loops_[index]->stop();
}

http::BodyPlan Dispatcher::on_head(const http::ExchangePtr& exchange) {
    auto context = std::make_shared<Context>(*this, *exchange);
    exchange->attachment = context;
    context->held_exchange_ = exchange;
    if (const unsigned index = exchange->loop_index(); index < loops_.size()) context->loop_ = loops_[index].get();
    name_request(*context);
    const bool matched = match(*context);
    (context->route_ != nullptr ? context->route_->metrics : unmatched_).started();
    exchange->on_sent([this, raw = context.get()](const http::Exchange::Sent& outcome) { sent(*raw, outcome); });
    if (!matched) return {};
    advance(*context);
    if (context->answered_) return {};
    const Route& route = context->route_->route;
    if (route.streams_body && exchange->head().has_body() && route.streams_body(exchange->head())) {
        context->body_pipe_ = std::make_shared<BodyPipe>();
        return {.body_bytes_max = route.body_bytes_max, .receiver = context->body_pipe_, .paused = true};
    }
    return {.body_bytes_max = route.body_bytes_max};
}

void Dispatcher::on_request(const http::ExchangePtr& exchange) {
    Context& context = context_of(*exchange);
    // The guard keeps the exchange alive, and answers for a handler that let go of its request.
    ContextPtr guard(&context, [this, exchange](Context* last) {
        if (!last->answered_ && !exchange->unreachable()) answer_for_dropped(*last);
        // The weak pointer holds this deleter, and with it the exchange that holds the context: a ring until cut here.
        last->self_.reset();
    });
    context.self_ = guard;
    context.received_ = true;
    context.end_stage("receive");
    if (kStages[context.next_stage_].run == &Stages::receive) return static_cast<void>(advance(context));
    // A stage before waits for an answer of its own; the guard waits with it, in a ring that resume() or sent() cuts.
    context.waiting_guard_ = std::move(guard);
}

/// Runs stages until one answers or waits; its number. (Another thread may have the request by then.)
std::uint8_t Dispatcher::advance(Context& context) {
    while (true) {
        const std::uint8_t at = context.next_stage_;
        const Stage& stage = kStages[at];
        if (stage.run(*this, context) != Step::kNext) return at;
        ++context.next_stage_;
        if (context.show_stages_) context.end_stage(stage.name);
    }
}

void Dispatcher::enter_queue(Context& context) {
    context.next_stage_ = kQueue;
    advance(context);
}

void Dispatcher::resume(const http::ExchangePtr& exchange, Step step) {
    Context& context = context_of(*exchange);
    const ContextPtr guard = std::exchange(context.waiting_guard_, nullptr);
    if (step != Step::kNext || context.answered_ || exchange->unreachable()) return;
    if (context.show_stages_) context.end_stage(kStages[context.next_stage_].name);
    ++context.next_stage_;
    const std::uint8_t at = advance(context);
    // Two stages may wait one after the other (limits, spend): the guard goes on to wait with the second.
    if (guard && at < kReceive && !context.answered_) context.waiting_guard_ = guard;
}

Step Dispatcher::pass(Guard guard) noexcept {
    if (gate_.counts != nullptr) (*gate_.counts)[static_cast<std::size_t>(guard)].passed.add();
    return Step::kNext;
}

Step Dispatcher::refuse(Context& context, Guard guard, const Error& error) {
    const auto index = static_cast<std::size_t>(guard);
    const bool shadow = gate_.shadow[index];
    if (gate_.counts != nullptr) (shadow ? (*gate_.counts)[index].shadowed : (*gate_.counts)[index].refused).add();
    if (shadow) return Step::kNext;
    context.fail(error);
    return Step::kAnswered;
}

bool Dispatcher::answer_preflight(Context& context, std::string_view methods) {
    if (gate_.cors == nullptr) return false;
    const http::RequestHead& head = context.head();
    const auto preflight = gate_.cors->preflight(head.method, head.headers, methods);
    if (!preflight) return false;
    if (!preflight->allowed) {
        context.fail({ErrorCode::kPermissionDenied, "This origin may not ask; cors.allowed_origins says which may."});
        return true;
    }
    http::Response response;
    response.status = 204;
    response.headers = preflight->headers;
    context.finish(std::move(response));
    return true;
}

void Dispatcher::answer_for_dropped(Context& context) {
    parts_.log.line(observe::Level::kError, "request_dropped")
        .field("request_id", context.request_id())
        .field("operation", context.route_->route.operation);
    context.fail({ErrorCode::kInternal, "The request was not answered; this is a fault of the server."});
}

void Dispatcher::name_request(Context& context) {
    const http::Headers& headers = context.head().headers;
    const auto given = headers.get("X-Request-Id");
    context.request_id_ =
        given && is_valid_request_id(*given) ? std::string(*given) : to_string(make_uuid7(parts_.clock, parts_.random));
    context.show_stages_ = iequals(headers.get("X-Trace").value_or(""), "true");
}

bool Dispatcher::match(Context& context) {
    const http::RequestHead& head = context.head();
    const http::Router::Match found = router_.find(head.method, head.path);
    if (found.outcome == http::Router::Outcome::kFound) {
        context.route_ = routes_[found.route].get();
        for (const auto& [name, value] : found.parameters) context.path_values_.emplace_back(name, value);
        return true;
    }
    if (found.outcome == http::Router::Outcome::kNotFound) {
        context.fail({ErrorCode::kNotFound, "There is no such path; /docs lists them."});
        return false;
    }
    if (answer_preflight(context, found.allow)) return false;
    http::Response response;
    if (head.method == http::Method::kOptions) {
        response.status = 204;
    } else {
        response = error_response(shape_of_path(head.path),
                                  {.status = 405,
                                   .error = "method_not_allowed",
                                   .detail = "This path does not take that method; `Allow` lists those it takes.",
                                   .request_id = context.request_id_,
                                   .path = head.path,
                                   .errors = nullptr});
    }
    response.headers.add("Allow", std::string(found.allow) + ", OPTIONS");
    context.finish(std::move(response));
    return false;
}

http::Response Dispatcher::on_protocol_error(const http::Exchange* exchange, int status, std::string_view detail) {
    const ErrorCode code = code_of_status(status);
    // No context: the bytes never became a request. The answer still has an id to ask about.
    const std::string request_id =
        exchange != nullptr ? context_of(*exchange).request_id() : to_string(make_uuid7(parts_.clock, parts_.random));
    if (exchange == nullptr) {
        unmatched_.started();
        unmatched_.finished(status, Duration{}, 0);
        parts_.log.line(observe::Level::kInfo, "request_refused")
            .field("request_id", request_id)
            .field("status", status)
            .field("detail", detail);
    }
    const ErrorShape shape = exchange != nullptr ? context_of(*exchange).error_shape() : ErrorShape::kProblem;
    http::Response response =
        error_response(shape, {.status = status,
                               .error = to_string(code),
                               .detail = detail,
                               .request_id = request_id,
                               .path = exchange != nullptr ? std::string_view(exchange->head().path) : "",
                               .errors = nullptr});
    response.headers.set("X-Request-Id", request_id);
    return response;
}

void Dispatcher::sent(Context& context, const http::Exchange::Sent& outcome) {
    context.waiting_guard_.reset();
    if (context.recall_) {
        // Who waited may be the last to hold the exchange.
        const http::ExchangePtr held = context.exchange();
        context.recall_->leave();
        return report(context, outcome);
    }
    report(context, outcome);
}

void Dispatcher::write_access_line(const Context& context, int status, std::uint64_t bytes) {
    const http::RequestHead& head = context.head();
    observe::Logger& log = parts_.access != nullptr ? *parts_.access : parts_.log;
    log.write(access_line({.client = head.client(),
                           .who = context.caller() ? std::string_view(context.caller()->actor) : std::string_view(),
                           .ended_at = parts_.clock.unix_ms(),
                           .method = head.method_text,
                           .target = head.target,
                           .http_1_1 = head.http_1_1,
                           .status = status,
                           .bytes = bytes,
                           .referer = head.headers.get("Referer").value_or(""),
                           .agent = head.headers.get("User-Agent").value_or("")},
                          settings_.access_log_format == "combined"));
}

void Dispatcher::report(Context& context, const http::Exchange::Sent& outcome) {
    // 499 is for the log and the metrics: a client that has left gets nothing. A stream that we cut is not the client's
    // doing.
    const int cut = context.stream_failure_.load(std::memory_order_relaxed);
    const int status = outcome.complete ? outcome.status : cut != 0 ? cut : 499;
    const Duration took = parts_.clock.now() - context.exchange_.received_at();
    (context.route_ != nullptr ? context.route_->metrics : unmatched_).finished(status, took, outcome.body_bytes);
    const observe::StageTimes times = context.stages();
    if (context.route_ != nullptr && !lasts_as_wanted(context.route_->route)) {
        context.route_->metrics.stages().add(times, took);
    }
    context.tell_trace(status, took, outcome.body_bytes);
    observe::Logger& log = parts_.access != nullptr ? *parts_.access : parts_.log;
    if (!settings_.access_log || !log.enabled(observe::Level::kInfo)) return;
    if (settings_.access_log_format == "combined" || settings_.access_log_format == "common") {
        return write_access_line(context, status, outcome.body_bytes);
    }
    auto line = log.line(observe::Level::kInfo, "request");
    line.field("request_id", context.request_id_);
    line.field("trace_id", observe::trace_id_hex(context.trace().trace_id));
    line.field("method", http::to_string(context.head().method));
    line.field("route", context.route_ != nullptr ? std::string_view(context.route_->route.path) : "unmatched");
    line.field("status", status);
    line.field("bytes", outcome.body_bytes);
    line.field("client", context.head().client());
    if (context.head().peer_trusted) line.field("proxy", context.head().peer_address);
    line.field("ms", std::chrono::duration<double, std::milli>(took).count());
    thread_local std::string stages;
    stages.clear();
    JsonWriter writer(stages);
    writer.begin_object();
    for (const auto& stage : times.stages()) writer.field(stage.name, static_cast<double>(stage.ns) / 1e6);
    writer.end_object();
    line.json("stages_ms", stages);
}

}  // namespace tidegate::pipeline
