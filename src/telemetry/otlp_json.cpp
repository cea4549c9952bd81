#include "telemetry/otlp_json.h"

#include <algorithm>

#include "base/hash.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/strings.h"

namespace tidegate::telemetry {
namespace {

using observe::RequestSpan;
using observe::SpanId;

/// trace.proto: Span.SpanKind, Status.StatusCode.
enum Kind : int { kInternal = 1, kServer = 2, kClient = 3 };
constexpr int kStatusError = 2;
/// trace.proto: SpanFlags, beside the eight bits of W3C: it is known whether the parent is remote, and it is.
constexpr std::uint32_t kParentKnown = 0x100;
constexpr std::uint32_t kParentRemote = 0x200;
/// The stage that is the call of an upstream (services/proxy/flow.cpp).
constexpr std::string_view kUpstreamStage = "upstream";

bool is_zero(const SpanId& id) noexcept {
    return std::ranges::all_of(id, [](std::uint8_t byte) { return byte == 0; });
}

SpanId fresh_id(Random& random) {
    SpanId id{};
    while (is_zero(id)) random.fill(std::as_writable_bytes(std::span(id)));
    return id;
}

std::string hex(const SpanId& id) {
    return to_hex(id.data(), id.size());
}

class Attributes {
  public:
    explicit Attributes(JsonWriter& writer) : writer_(writer) { writer_.key("attributes").begin_array(); }
    ~Attributes() { writer_.end_array(); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;

    void text(std::string_view name, std::string_view value) {
        begin(name).field("stringValue", value);
        end();
    }
    void number(std::string_view name, std::int64_t value) {
        begin(name).field("intValue", std::to_string(value));
        end();
    }

  private:
    JsonWriter& begin(std::string_view name) {
        return writer_.begin_object().field("key", name).key("value").begin_object();
    }
    void end() { writer_.end_object().end_object(); }
    JsonWriter& writer_;
};

void write_resource(JsonWriter& writer, const Resource& resource) {
    writer.key("resource").begin_object();
    {
        Attributes attributes(writer);
        attributes.text("service.name", resource.service_name);
        attributes.text("service.version", resource.service_version);
        attributes.text("service.instance.id", resource.instance_id);
        attributes.text("telemetry.sdk.name", "tidegate");
        attributes.text("telemetry.sdk.language", "cpp");
        attributes.text("telemetry.sdk.version", resource.service_version);
    }
    writer.end_object();
}

void begin_span(JsonWriter& writer, const RequestSpan& request, const SpanId& id, const SpanId& parent,
                std::string_view name, Kind kind, std::int64_t begin_ns, std::int64_t end_ns) {
    writer.begin_object().field("traceId", observe::trace_id_hex(request.context.trace_id)).field("spanId", hex(id));
    if (!request.trace_state.empty()) writer.field("traceState", request.trace_state);
    if (!is_zero(parent)) writer.field("parentSpanId", hex(parent));
    const bool remote = kind == kServer && !is_zero(parent);
    writer.field("flags", request.context.flags | kParentKnown | (remote ? kParentRemote : 0U));
    writer.field("name", name).field("kind", static_cast<int>(kind));
    writer.field("startTimeUnixNano", std::to_string(begin_ns)).field("endTimeUnixNano", std::to_string(end_ns));
}

void end_span(JsonWriter& writer, bool failed) {
    writer.key("status").begin_object();
    if (failed) writer.field("code", kStatusError);
    writer.end_object().end_object();
}

/// Semantic conventions for generative AI.
void write_use(Attributes& attributes, const observe::ModelUse& use) {
    attributes.text("gen_ai.provider.name", "tidegate");
    attributes.text("gen_ai.operation.name", use.operation);
    if (!use.model.empty()) attributes.text("gen_ai.response.model", use.model);
    // We count what goes in; an answer of ours has no tokens of its own.
    if (use.tokens && *use.tokens > 0) attributes.number("gen_ai.usage.input_tokens", *use.tokens);
    attributes.text("tidegate.service", use.service);
    if (!use.version.empty()) attributes.text("tidegate.model.version", use.version);
    attributes.number("tidegate.decisions", static_cast<std::int64_t>(use.answers));
}

void write_request(JsonWriter& writer, const RequestSpan& request, std::int64_t begin_ns, std::int64_t end_ns) {
    const std::string name = std::string(request.method) + (request.route.empty() ? "" : " " + request.route);
    const bool failed = request.status >= 500;
    begin_span(writer, request, request.context.span_id, request.parent, name, kServer, begin_ns, end_ns);
    {
        Attributes attributes(writer);
        attributes.text("http.request.method", request.method);
        attributes.text("url.scheme", request.tls ? "https" : "http");
        if (!request.route.empty()) attributes.text("http.route", request.route);
        attributes.number("http.response.status_code", request.status);
        attributes.number("http.response.body.size", static_cast<std::int64_t>(request.body_bytes));
        if (failed) attributes.text("error.type", std::to_string(request.status));
        attributes.text("tidegate.request_id", request.request_id);
        if (request.use) write_use(attributes, *request.use);
    }
    end_span(writer, failed);
}

}  // namespace

std::size_t span_count(const RequestSpan& request) noexcept {
    return 1 + request.stages.stages().size();
}

std::string to_otlp_json(const Resource& resource, std::span<const RequestSpan> requests, Random& random) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("resourceSpans").begin_array().begin_object();
    write_resource(writer, resource);
    writer.key("scopeSpans").begin_array().begin_object();
    writer.key("scope").begin_object().field("name", "tidegate").field("version", resource.service_version);
    writer.end_object().key("spans").begin_array();
    for (const RequestSpan& request : requests) {
        const std::int64_t end_ns = request.ended_at * 1'000'000;
        const std::int64_t begin_ns = end_ns - request.took.count();
        write_request(writer, request, begin_ns, end_ns);
        std::int64_t at = begin_ns;
        bool upstream_told = is_zero(request.upstream);
        for (const auto& stage : request.stages.stages()) {
            // The id that the upstream was told is that of the call, so that its spans hang below it.
            const bool is_call = !upstream_told && stage.name == kUpstreamStage;
            upstream_told = upstream_told || is_call;
            begin_span(writer, request, is_call ? request.upstream : fresh_id(random), request.context.span_id,
                       stage.name, is_call ? kClient : kInternal, at, at + stage.ns);
            end_span(writer, false);
            at += stage.ns;
        }
    }
    writer.end_array().end_object().end_array().end_object().end_array().end_object();
    return out;
}

std::uint64_t rejected_spans(std::string_view answer) {
    const auto document = json::parse(answer);
    if (!document || document->root().kind() != json::Kind::kObject) return 0;
    const auto partial = document->root().find("partialSuccess");
    if (!partial || partial->kind() != json::Kind::kObject) return 0;
    const auto count = partial->find("rejectedSpans");
    if (!count) return 0;
    // A 64-bit number of protobuf's JSON is a string; some write it bare.
    if (count->kind() == json::Kind::kString) return parse_u64(count->as_string()).value_or(0);
    return count->is_integer() && count->as_double() >= 0 ? count->as_unsigned() : 0;
}

}  // namespace tidegate::telemetry
