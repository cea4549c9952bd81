// Dispatcher: takes every request through the stages, from its head to the line in the log.
//
// Order       On the head: identify (request id) -> match (404, 405) -> admit the body (413, 415).
//             On the request: hand over to the route's pool (503 when its queue is full) -> validate (400, 422) -> handler.
//             On the answer: record the Decision -> conditional and compressed form -> send -> count and log.
//             Identity comes first so that every refusal carries the caller's request id; the match comes before the body
//             so that nobody uploads to a route that is not there; the Decision comes before the answer so that no answer
//             exists without its record.
// Threads     on_head and on_request on event loops; handlers where their route says.
// Ownership   What Parts refers to outlives the Dispatcher.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "audit/decision_log.h"
#include "base/clock.h"
#include "base/random.h"
#include "http/exchange.h"
#include "http/router.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/context.h"
#include "pipeline/route.h"
#include "pipeline/route_metrics.h"
#include "pipeline/settings.h"
#include "runtime/worker_pool.h"

namespace tidegate::pipeline {

struct Parts {
    const Clock& clock;
    Random& random;
    observe::Registry& metrics;
    observe::Logger& log;
    audit::DecisionLog& decisions;
    runtime::WorkerPool& cpu;
    runtime::WorkerPool& blocking;
};

/// A route with what was prepared for it at start.
struct RouteState {
    RouteState(Route declared, HttpMetrics& families)
        : route(std::move(declared)), metrics(families, http::to_string(route.method), route.path) {}
    Route route;
    RouteMetrics metrics;
};

class Dispatcher final : public http::Application {
  public:
    /// A route declared twice, or without a handler, is a broken invariant.
    Dispatcher(Parts parts, const PipelineSettings& settings, std::vector<Route> routes);

    http::BodyPlan on_head(const http::ExchangePtr& exchange) override;
    void on_request(const http::ExchangePtr& exchange) override;
    http::Response on_protocol_error(const http::Exchange* exchange, int status, std::string_view detail) override;

    std::span<const std::unique_ptr<RouteState>> routes() const noexcept { return routes_; }

  private:
    friend class Context;
    void identify(Context& context);
    bool match(Context& context);
    bool admit_body(Context& context);
    void answer_for_dropped(Context& context);
    void hand_over(const ContextPtr& context);
    void run(const ContextPtr& context) noexcept;
    bool validate(Context& context);
    bool parse_body(Context& context);
    bool parse_parameters(Context& context);
    void sent(Context& context, const http::Exchange::Sent& outcome);

    Parts parts_;
    const PipelineSettings settings_;
    HttpMetrics http_metrics_;
    std::vector<std::unique_ptr<RouteState>> routes_;
    RouteMetrics unmatched_;  // One label for every path we do not know: a scanner must not make series.
    http::Router router_;
};

}  // namespace tidegate::pipeline
