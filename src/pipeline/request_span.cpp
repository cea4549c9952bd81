// What a request hands to its trace: its span, the span of the call of an upstream, and the use of a model.
#include "observe/span.h"

#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {

observe::TraceContext Context::upstream_trace() const {
    observe::TraceContext own = trace();
    if (dispatcher_.gate_.spans == nullptr || !own.sampled()) return own;
    const observe::TraceContext call = observe::child_of(own, dispatcher_.parts_.random);
    const Lock lock(told_mutex_);
    // A second call (a retry, a fetch after a miss) is the same span: it begins with the first and ends with the last.
    if (upstream_span_ == observe::SpanId{}) upstream_span_ = call.span_id;
    own.span_id = upstream_span_;
    return own;
}

void Context::note_use(const std::vector<audit::Decision>& decisions) {
    if (dispatcher_.gate_.spans == nullptr || decisions.empty()) return;
    const audit::Decision& first = decisions.front();
    observe::ModelUse use{.service = first.service,
                          .operation = first.operation,
                          .model = first.model,
                          .version = first.model_version,
                          .tokens = {},
                          .answers = decisions.size()};
    for (const audit::Decision& decision : decisions) {
        if (const auto tokens = decision.stated_tokens()) use.tokens = use.tokens.value_or(0) + *tokens;
    }
    const Lock lock(told_mutex_);
    use_ = std::move(use);
}

void Context::tell_trace(int status, Duration took, std::uint64_t body_bytes) const {
    observe::SpanSink* const sink = dispatcher_.gate_.spans;
    if (sink == nullptr) return;
    observe::RequestSpan span;
    span.context = trace();
    if (!span.context.sampled()) return;
    span.trace_state = observe::pass_tracestate(head().headers.get("tracestate").value_or(""));
    span.ended_at = clock().unix_ms();
    span.took = took;
    // Of our own words: what a client made up as a method is no name for a span.
    span.method = http::to_string(head().method);
    if (route_ != nullptr) span.route = route_->route.path;
    span.request_id = request_id_;
    span.tls = head().tls;
    span.status = status;
    span.body_bytes = body_bytes;
    {
        const Lock lock(told_mutex_);
        span.parent = parent_span_;
        span.upstream = upstream_span_;
        span.stages = stages_;
        span.use = use_;
    }
    sink->submit(std::move(span));
}

}  // namespace tidegate::pipeline
