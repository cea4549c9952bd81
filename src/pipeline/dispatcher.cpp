#include "pipeline/dispatcher.h"

#include <algorithm>
#include <exception>

#include "base/assert.h"
#include "base/ids.h"
#include "base/strings.h"
#include "pipeline/problem.h"

namespace tidegate::pipeline {
namespace {

/// `application/json`, with or without parameters; any charset named must be UTF-8 (RFC 8259, 8.1).
bool is_json(std::string_view content_type) {
    const auto parts = split(content_type, ';');
    const std::string type = to_lower(trim(parts.front()));
    if (type != "application/json" && !(type.starts_with("application/") && type.ends_with("+json"))) return false;
    return std::all_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
        const std::string parameter = to_lower(trim(part));
        return !parameter.starts_with("charset=") || parameter == "charset=utf-8" || parameter == "charset=\"utf-8\"";
    });
}

Context& context_of(const http::Exchange& exchange) {
    return *static_cast<Context*>(exchange.attachment.get());
}

}  // namespace

Dispatcher::Dispatcher(Parts parts, const PipelineSettings& settings, std::vector<Route> routes)
    : parts_(parts),
      settings_(settings),
      http_metrics_(parts.metrics),
      unmatched_(http_metrics_, "other", "unmatched") {
    for (Route& route : routes) {
        TG_ASSERT(route.handler != nullptr && !route.operation.empty());
        TG_ASSERT(route.request.has_value() == (route.body_bytes_max > 0));
        TG_ASSERT(
            router_.add(route.method, route.path, static_cast<http::Router::RouteId>(routes_.size())).has_value());
        routes_.push_back(std::make_unique<RouteState>(std::move(route), http_metrics_));
    }
}

http::BodyPlan Dispatcher::on_head(const http::ExchangePtr& exchange) {
    auto context = std::make_shared<Context>(*this, *exchange);
    exchange->attachment = context;
    identify(*context);
    const bool matched = match(*context);
    (context->route_ != nullptr ? context->route_->metrics : unmatched_).started();
    exchange->on_sent([this, raw = context.get()](const http::Exchange::Sent& outcome) { sent(*raw, outcome); });
    if (!matched || !admit_body(*context)) return {};
    return {.body_bytes_max = context->route_->route.body_bytes_max};
}

void Dispatcher::identify(Context& context) {
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
    http::Response response;
    if (head.method == http::Method::kOptions) {
        response.status = 204;
    } else {
        response = problem_response({.status = 405,
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

bool Dispatcher::admit_body(Context& context) {
    const http::RequestHead& head = context.head();
    const Route& route = context.route_->route;
    if (!route.request) {
        if (!head.has_body()) return true;
        context.fail({ErrorCode::kTooLarge, "This route takes no body."});
        return false;
    }
    // Clients without the header are common and harmless (some send none for JSON); a wrong one is refused.
    const auto type = head.headers.get("Content-Type");
    if (type && !is_json(*type)) {
        context.fail({ErrorCode::kUnsupportedMedia, "The body must be application/json in UTF-8."});
        return false;
    }
    if (head.headers.get("Content-Encoding")) {
        context.fail({ErrorCode::kUnsupportedMedia, "Compressed request bodies are not accepted."});
        return false;
    }
    return true;
}

void Dispatcher::on_request(const http::ExchangePtr& exchange) {
    Context& context = context_of(*exchange);
    // The guard keeps the exchange alive, and answers for a handler that let go of its request.
    ContextPtr guard(&context, [this, exchange](Context* last) {
        if (!last->answered_) answer_for_dropped(*last);
        // The weak pointer holds this deleter, and with it the exchange that holds the context: a ring until cut here.
        last->self_.reset();
    });
    context.self_ = guard;
    context.end_stage("receive");
    hand_over(guard);
}

void Dispatcher::answer_for_dropped(Context& context) {
    parts_.log.line(observe::Level::kError, "request_dropped")
        .field("request_id", context.request_id())
        .field("operation", context.route_->route.operation);
    context.fail({ErrorCode::kInternal, "The request was not answered; this is a fault of the server."});
}

void Dispatcher::hand_over(const ContextPtr& context) {
    const Work work = context->route_->route.work;
    if (work == Work::kInline) return run(context);
    runtime::WorkerPool& pool = work == Work::kCpu ? parts_.cpu : parts_.blocking;
    if (pool.submit([this, context] { run(context); })) return;
    context->fail({ErrorCode::kUnavailable, "Too many requests are waiting; ask again in a second."});
}

void Dispatcher::run(const ContextPtr& context) noexcept {
    if (context->route_->route.work != Work::kInline) {
        context->end_stage("queue");
        if (context->exchange_.unreachable()) return context->fail({ErrorCode::kCancelled, "The client has left."});
        // Closing one's side may mean "no more questions" or "given up". Whoever does it after a long wait has most likely
        // given up, and working for the departed is how an overloaded server stays overloaded.
        constexpr Duration kPatience = std::chrono::seconds(1);
        if (context->client_gone() && Duration(context->stages().stages().back().ns) > kPatience) {
            return context->fail({ErrorCode::kUnavailable, "The request waited too long; ask again in a second."});
        }
    }
    if (!validate(*context)) return;
    context->route_->route.handler(context);
}

bool Dispatcher::validate(Context& context) {
    if (!parse_parameters(context) || !parse_body(context)) return false;
    if (context.route_->route.request) context.end_stage("validate");
    if (context.findings_.errors.empty()) return true;
    context.fail(std::move(context.findings_.errors));
    return false;
}

bool Dispatcher::parse_body(Context& context) {
    const auto& schema = context.route_->route.request;
    if (!schema) return true;
    auto document = json::parse(context.exchange_.body(), {.depth_max = settings_.json_depth_max});
    if (!document) {
        context.fail(document.error());
        return false;
    }
    context.document_ = *std::move(document);
    schema->validate(context.document_->root(), "", context.findings_);
    return true;
}

bool Dispatcher::parse_parameters(Context& context) {
    const Route& route = context.route_->route;
    for (const Parameter& parameter : route.path_parameters) {
        parameter.schema.validate_text(context.path_parameter(parameter.name), parameter.name, context.findings_);
    }
    if (context.head().query.empty() && route.query.empty()) return true;
    auto pairs = http::parse_query(context.head().query);
    if (!pairs) {
        context.fail({ErrorCode::kInvalidArgument, "The query string holds a broken % escape."});
        return false;
    }
    for (const auto& [name, value] : *pairs) {
        const auto declared = std::ranges::find(route.query, name, &Parameter::name);
        if (declared != route.query.end()) {
            declared->schema.validate_text(value, name, context.findings_);
        } else if (context.findings_.warnings.size() < Findings::kWarningsMax) {
            context.findings_.warnings.push_back("unknown query parameter ignored: " + name.substr(0, 64));
        }
    }
    context.query_values_ = *std::move(pairs);
    for (const Parameter& parameter : route.query) {
        if (parameter.required && !context.query(parameter.name)) {
            context.findings_.errors.push_back({parameter.name, "is required", "missing"});
        }
    }
    return true;
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
    http::Response response =
        problem_response({.status = status,
                          .error = to_string(code),
                          .detail = detail,
                          .request_id = request_id,
                          .path = exchange != nullptr ? std::string_view(exchange->head().path) : "",
                          .errors = nullptr});
    response.headers.set("X-Request-Id", request_id);
    return response;
}

void Dispatcher::sent(Context& context, const http::Exchange::Sent& outcome) {
    // 499 is for the log and the metrics: a client that has left gets nothing. A stream that we cut is not the client's
    // doing.
    const int cut = context.stream_failure_.load(std::memory_order_relaxed);
    const int status = outcome.complete ? outcome.status : cut != 0 ? cut : 499;
    const Duration took = parts_.clock.now() - context.exchange_.received_at();
    (context.route_ != nullptr ? context.route_->metrics : unmatched_).finished(status, took, outcome.body_bytes);
    if (!settings_.access_log || !parts_.log.enabled(observe::Level::kInfo)) return;
    auto line = parts_.log.line(observe::Level::kInfo, "request");
    line.field("request_id", context.request_id_);
    line.field("trace_id", observe::trace_id_hex(context.trace().trace_id));
    line.field("method", http::to_string(context.head().method));
    line.field("route", context.route_ != nullptr ? std::string_view(context.route_->route.path) : "unmatched");
    line.field("status", status);
    line.field("bytes", outcome.body_bytes);
    line.field("peer", context.head().peer_address);
    line.field("ms", std::chrono::duration<double, std::milli>(took).count());
    thread_local std::string stages;
    stages.clear();
    JsonWriter writer(stages);
    writer.begin_object();
    const observe::StageTimes times = context.stages();
    for (const auto& stage : times.stages()) writer.field(stage.name, static_cast<double>(stage.ns) / 1e6);
    writer.end_object();
    line.json("stages_ms", stages);
}

}  // namespace tidegate::pipeline
