#include "telemetry/settings.h"

namespace tidegate::telemetry {

void declare(settings::Table& table, TracingSettings& s) {
    using std::chrono::milliseconds;
    table.group("tracing", "Traces of requests, sent to an OpenTelemetry collector (OTLP over HTTP, JSON)");
    table.add("tracing.endpoint", s.endpoint, "")
        .env_aliases({"OTEL_EXPORTER_OTLP_ENDPOINT"})
        .doc("`http://host:4318`; `/v1/traces` is added unless it ends so. Empty: no traces are sent.");
    table.add("tracing.headers", s.headers)
        .env_aliases({"OTEL_EXPORTER_OTLP_HEADERS"})
        .doc("Fields of each export, such as a key: `name=value,name=value`.");
    table.add("tracing.ca_file", s.ca_file, "")
        .env_aliases({"OTEL_EXPORTER_OTLP_CERTIFICATE"})
        .doc("PEM file of who may sign the collector's certificate; empty: the system's.");
    table.add("tracing.service_name", s.service_name, "tidegate")
        .env_aliases({"OTEL_SERVICE_NAME"})
        .doc("`service.name` of the traces.");
    table.add("tracing.sample_ratio", s.sample_ratio, 1.0)
        .range(0, 1)
        .env_aliases({"OTEL_TRACES_SAMPLER_ARG"})
        .doc("Share of the traces that begin here which are kept, by the trace's id; 0: none.");
    table.add("tracing.parent_based", s.parent_based, true)
        .doc("Keep a caller's trace when its traceparent says `sampled` and only then; false: by the ratio as well.");
    table.add("tracing.queue_max", s.queue_max, 4096)
        .range(1, 1'000'000)
        .unit("requests")
        .doc("Requests that may wait to be sent, some 1 KB each; one more is dropped and counted.");
    table.add("tracing.batch_max", s.batch_max, 256)
        .range(1, 10'000)
        .unit("requests")
        .doc("Requests in one export, with some five spans each.");
    table.add("tracing.interval_ms", s.interval, milliseconds(1000))
        .range(milliseconds(10), milliseconds(60'000))
        .doc("Longest wait of a request for others to be sent with.");
    table.add("tracing.timeout_ms", s.timeout, milliseconds(10'000))
        .range(milliseconds(100), milliseconds(60'000))
        .doc("Longest time for one export to be answered; then it is tried again.");
}

}  // namespace tidegate::telemetry
