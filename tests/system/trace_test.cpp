// Traces: what a strict collector gets of a request, in and out of W3C context, and what becomes of them when it is away.
#include "support/otlp_check.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class Traces : public GateFixture {
  protected:
    void SetUp() override {
        collector_.on("/v1/traces", [this](UpstreamCall& call) {
            call.read_body();
            const OtlpCheck seen(call.request().body);
            {
                const Lock lock(mutex_);
                errors_.insert(errors_.end(), seen.errors.begin(), seen.errors.end());
                spans_.insert(spans_.end(), seen.spans.begin(), seen.spans.end());
            }
            call.answer(200, "{}", "Content-Type: application/json\r\n");
        });
        upstream_.on("/app", 200, "fine");
    }
    Process serve(const std::string& more) {
        return start(settings("  all: {path: /app, upstream: app}\n",
                              "tracing:\n  endpoint: " + collector_.url() + "\n  interval_ms: 10\n" + more));
    }
    /// The spans of a trace, once its server span (2) has come, and that of its call (3): each may come in a post of its own.
    std::vector<SeenSpan> spans_of(const std::string& trace) {
        return ask_until(
            [&] {
                const Lock lock(mutex_);
                std::vector<SeenSpan> found;
                for (const SeenSpan& span : spans_) {
                    if (span.trace_id == trace) found.push_back(span);
                }
                return found;
            },
            [](const auto& found) {
                const auto has = [&](std::int64_t kind) {
                    return std::ranges::find(found, kind, &SeenSpan::kind) != found.end();
                };
                return has(2) && has(3);
            });
    }
    Upstream collector_;
    Mutex mutex_;
    std::vector<SeenSpan> spans_ TG_GUARDED_BY(mutex_);
    std::vector<std::string> errors_ TG_GUARDED_BY(mutex_);
};

TEST_F(Traces, ARequestItsStagesAndTheCallOfTheUpstreamAreOneTrace) {
    const auto server = serve("");
    ASSERT_NE(server, nullptr);
    ASSERT_EQ(get(server->port(), "/app", {{"traceparent", kParent}, {"tracestate", "vendor=1"}}).status, 200);
    const auto spans = spans_of("4bf92f3577b34da6a3ce929d0e0e4736");
    ASSERT_GE(spans.size(), 2U);
    {
        const Lock lock(mutex_);
        EXPECT_TRUE(errors_.empty()) << errors_.front();
    }
    const auto served = std::ranges::find(spans, 2, &SeenSpan::kind);
    ASSERT_NE(served, spans.end());
    const SeenSpan& request = *served;
    EXPECT_EQ(request.parent, "00f067aa0ba902b7");
    EXPECT_EQ(request.state, "vendor=1");
    EXPECT_EQ(request.name, "GET /app");
    const auto call = std::ranges::find(spans, 3, &SeenSpan::kind);
    ASSERT_NE(call, spans.end());
    EXPECT_EQ(call->parent, request.span_id);
    const UpstreamRequest told = upstream_.last("/app");
    EXPECT_EQ(told.header("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-" + call->span_id + "-01");
    EXPECT_EQ(told.header("tracestate"), "vendor=1");
    // Counted when the collector's answer is there.
    const auto exported = [&] { return metric(server->port(), "tidegate_trace_spans_total", "exported"); };
    EXPECT_GE(ask_until(exported, [](double spans_told) { return spans_told >= 1; }), 1);
}

TEST_F(Traces, ACallerThatDoesNotSampleIsNotTraced) {
    const auto server = serve("");
    ASSERT_NE(server, nullptr);
    std::string unsampled(kParent);
    unsampled.back() = '0';
    unsampled[3] = '5';  // Another trace.
    ASSERT_EQ(get(server->port(), "/app", {{"traceparent", unsampled}}).status, 200);
    ASSERT_EQ(get(server->port(), "/app", {{"traceparent", kParent}}).status, 200);
    ASSERT_FALSE(spans_of("4bf92f3577b34da6a3ce929d0e0e4736").empty());
    const Lock lock(mutex_);
    for (const SeenSpan& span : spans_) EXPECT_NE(span.trace_id, unsampled.substr(3, 32));
}

TEST_F(Traces, RequestsDoNotWaitForACollectorThatIsAway) {
    collector_.on("/v1/traces", [](UpstreamCall& call) { call.wait_gone(); });
    const auto server = serve("  queue_max: 3\n  batch_max: 1\n");
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(get(server->port(), "/app").status, 200);
    EXPECT_GT(metric(server->port(), "tidegate_trace_spans_total", "dropped_full"), 0);
    EXPECT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
}

TEST_F(Traces, AnEndpointThatIsNoneStopsTheStart) {
    for (const std::string wrong : {"4318", "ftp://a", "http://169.254.169.254/", "http://a/x?y"}) {
        const RunResult run =
            run_binary({"serve", "--port=0", "--data-dir=" + folder_.path(), "--tracing.endpoint=" + wrong});
        EXPECT_EQ(run.status, 1) << wrong;
        EXPECT_NE(run.error.find("tracing.endpoint"), std::string::npos) << run.error;
    }
}

}  // namespace
}  // namespace tidegate::testing
