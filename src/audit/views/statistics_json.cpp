#include "audit/views/statistics.h"

namespace tidegate::audit {
namespace {

void append_counts(JsonWriter& writer, std::string_view name, const std::vector<Count>& counts) {
    writer.key(name).begin_object();
    for (const Count& count : counts) writer.field(count.name, count.count);
    writer.end_object();
}

}  // namespace

void append_json(JsonWriter& writer, const Statistics& statistics) {
    writer.begin_object();
    writer.key("window").begin_object().field("from", format_rfc3339(statistics.from));
    writer.field("to", format_rfc3339(statistics.to)).end_object();
    writer.field("total_requests", statistics.total);
    append_counts(writer, "by_status", statistics.by_status);
    append_counts(writer, "by_band", statistics.by_band);
    append_counts(writer, "by_source", statistics.by_service);
    append_counts(writer, "by_operation", statistics.by_operation);
    append_counts(writer, "by_type", statistics.by_content_type);
    append_counts(writer, "by_model_version", statistics.by_model_version);
    append_counts(writer, "by_cache", statistics.by_cache);
    writer.field("confidence_mean", statistics.confidence_mean);
    const LatencySummary& latency = statistics.latency;
    writer.key("latency_ms").begin_object().field("count", latency.count);
    // Without a single decision there is no latency: null, not zero.
    const auto time = [&](std::string_view name, double value) {
        writer.field(name, latency.count == 0 ? std::optional<double>() : std::optional<double>(value));
    };
    time("mean", latency.mean_ms);
    time("p50", latency.p50_ms);
    time("p90", latency.p90_ms);
    time("p95", latency.p95_ms);
    time("p99", latency.p99_ms);
    time("p999", latency.p999_ms);
    time("max", latency.max_ms);
    writer.end_object().field("total_tokens_used", statistics.tokens);
    writer.key("spend_points").raw(to_string(statistics.spend_points));
    writer.key("timeline").begin_array();
    for (const DayCount& day : statistics.timeline) {
        writer.begin_object().field("day", format_rfc3339(day.day).substr(0, 10)).field("total", day.total);
        writer.field("errors", day.errors);
        append_counts(writer, "by_band", day.by_band);
        writer.field("confidence_mean", day.confidence_mean).end_object();
    }
    writer.end_array().end_object();
}

}  // namespace tidegate::audit
