// Span: what one request was, for a trace; which requests are traced; and who takes them.
//
// Position    The pipeline fills a RequestSpan when an answer is out and hands it to the SpanSink, which telemetry/ is.
// Threads     Values. A SpanSink: any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "observe/trace.h"

namespace tidegate::observe {

/// Of an answer that a model gave.
struct ModelUse {
    std::string service;    // `inference`
    std::string operation;  // `embeddings`
    std::string model;
    std::string version;
    std::optional<std::int64_t> tokens;
    std::size_t answers = 1;  // Decisions of this request.
};

struct RequestSpan {
    TraceContext context;     // The request's own span.
    SpanId parent{};          // The caller's; all zero: the trace began here.
    SpanId upstream{};        // What was passed on to an upstream; all zero: none was asked.
    std::string trace_state;  // As it came.
    UnixMillis ended_at = 0;
    Duration took{};
    std::string_view method;  // A literal.
    std::string route;        // `/api/v1/jobs/{id}`; empty: none matched.
    std::string request_id;
    bool tls = false;
    int status = 0;
    std::uint64_t body_bytes = 0;  // Of the answer.
    StageTimes stages;             // One after the other from the request's begin.
    std::optional<ModelUse> use;
};

/// Which traces are kept.
struct TraceSampler {
    double ratio = 1;          // Of traces that begin here, 0 to 1.
    bool parent_based = true;  // A caller's word on its own trace counts before the ratio.

    /// By the trace's id, as OpenTelemetry's TraceIdRatioBased does it: all who use one ratio keep the same traces.
    bool takes(const std::optional<TraceContext>& parent, const TraceId& id) const noexcept {
        if (parent && parent_based) return parent->sampled();
        if (ratio >= 1) return true;
        std::uint64_t low = 0;
        for (std::size_t i = 8; i < id.size(); ++i) low = low << 8U | id[i];
        return static_cast<double>(low >> 1U) < std::max(ratio, 0.0) * 9223372036854775808.0;  // 2^63
    }
};

class SpanSink {
  public:
    virtual ~SpanSink() = default;
    virtual const TraceSampler& sampler() const noexcept = 0;
    /// Takes it or drops it, and counts; never waits for anybody.
    virtual void submit(RequestSpan span) noexcept = 0;
};

}  // namespace tidegate::observe
