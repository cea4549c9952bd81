// Dispatcher: takes every request through the stages, from its head to the line in the log.
//
// Order       One list, kStages in dispatcher.cpp, a line for each stage with its reason.
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
#include "pipeline/gate.h"
#include "pipeline/recall.h"
#include "pipeline/route.h"
#include "pipeline/route_metrics.h"
#include "pipeline/settings.h"
#include "pipeline/stage.h"
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
    AnswerAfter answer_after = AnswerAfter::kDurable;
    observe::Logger* access = nullptr;  // Of requests; null: `log`.
};

/// A route with what was prepared for it at start.
struct RouteState {
    RouteState(Route declared, HttpMetrics& families)
        : route(std::move(declared)),
          metrics(families, route.any_method ? "ANY" : http::to_string(route.method), route.path) {}
    Route route;
    RouteMetrics metrics;
    limits::RouteRules limits;
    std::unique_ptr<RecallPlan> recall;  // Null: answers are not kept.
};

class Dispatcher final : public http::Application {
  public:
    /// A route declared twice, or without a handler, is a broken invariant.
    Dispatcher(Parts parts, const PipelineSettings& settings, std::vector<Route> routes, Gate gate = {});
    /// How many loops will start; before the first does.
    void prepare_loops(unsigned loops) { loops_.resize(loops); }
    /// What each route has counted.
    HttpMetrics& http_metrics() noexcept { return http_metrics_; }

    void on_loop_start(runtime::EventLoop& loop, unsigned index) override;
    void on_loop_stop(unsigned index) override;
    http::BodyPlan on_head(const http::ExchangePtr& exchange) override;
    void on_request(const http::ExchangePtr& exchange) override;
    http::Response on_protocol_error(const http::Exchange* exchange, int status, std::string_view detail) override;

    std::span<const std::unique_ptr<RouteState>> routes() const noexcept { return routes_; }

    /// Goes on with a request whose stage answered kWait: with kNext to the next stage, else the stage has answered. On the
    /// loop of the exchange.
    void resume(const http::ExchangePtr& exchange, Step step);

  private:
    friend class Context;
    friend struct Stages;
    void name_request(Context& context);
    bool match(Context& context);
    std::uint8_t advance(Context& context);
    /// From a wait on the loop, wherever that began, to the thread that the route names.
    void enter_queue(Context& context);
    void declare_recall();
    Step pass(Guard guard) noexcept;
    /// Answers with `error`, or lets pass what a guard in shadow would have refused.
    Step refuse(Context& context, Guard guard, const Error& error);
    bool answer_preflight(Context& context, std::string_view methods);
    void answer_for_dropped(Context& context);
    void sent(Context& context, const http::Exchange::Sent& outcome);
    void report(Context& context, const http::Exchange::Sent& outcome);
    void write_access_line(const Context& context, int status, std::uint64_t bytes);

    Parts parts_;
    const PipelineSettings settings_;
    const Gate gate_;
    std::vector<std::unique_ptr<LoopParts>> loops_;  // By index; each slot is its loop's.
    HttpMetrics http_metrics_;
    std::vector<std::unique_ptr<RouteState>> routes_;
    RouteMetrics unmatched_;  // One label for every path we do not know: a scanner must not make series.
    http::Router router_;
};

}  // namespace tidegate::pipeline
