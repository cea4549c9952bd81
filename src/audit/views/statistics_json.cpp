#include "audit/views/statistics.h"

namespace tidegate::audit {
namespace {

void append_counts(JsonWriter& writer, std::string_view name, const std::vector<Count>& counts) {
    writer.key(name).begin_object();
    for (const Count& count : counts) writer.field(count.name, count.count);
    writer.end_object();
}

void append_window(JsonWriter& writer, const Statistics& statistics) {
    writer.key("window").begin_object().field("from", format_rfc3339(statistics.from));
    writer.field("to", format_rfc3339(statistics.to)).end_object();
}

// Without a single measured latency there is none: null, not zero.
std::optional<double> measured(const LatencySummary& latency, double ms) {
    return latency.count == 0 ? std::nullopt : std::optional(ms);
}

void append_timeline(JsonWriter& writer, const std::vector<DayCount>& timeline) {
    writer.key("timeline").begin_array();
    for (const DayCount& day : timeline) {
        writer.begin_object().field("day", format_rfc3339(day.day).substr(0, 10)).field("total", day.total);
        writer.field("errors", day.errors);
        append_counts(writer, "by_band", day.by_band);
        writer.field("confidence_mean", day.confidence_mean).end_object();
    }
    writer.end_array();
}

}  // namespace

void append_json(JsonWriter& writer, const Statistics& statistics) {
    writer.begin_object();
    append_window(writer, statistics);
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
    writer.field("mean", measured(latency, latency.mean_ms)).field("p50", measured(latency, latency.p50_ms));
    writer.field("p90", measured(latency, latency.p90_ms)).field("p95", measured(latency, latency.p95_ms));
    writer.field("p99", measured(latency, latency.p99_ms)).field("p999", measured(latency, latency.p999_ms));
    writer.field("max", measured(latency, latency.max_ms)).end_object();
    writer.field("total_tokens_used", statistics.tokens);
    writer.key("spend_points").raw(to_string(statistics.spend_points));
    append_timeline(writer, statistics.timeline);
    writer.end_object();
}

void append_compliance_json(JsonWriter& writer, const Statistics& statistics) {
    writer.begin_object();
    append_window(writer, statistics);
    writer.field("total_requests", statistics.total);
    append_counts(writer, "by_status", statistics.by_status);
    append_counts(writer, "by_source", statistics.by_service);
    append_counts(writer, "by_operation", statistics.by_operation);
    append_counts(writer, "by_model", statistics.by_model);
    append_counts(writer, "by_model_version", statistics.by_model_version);
    append_counts(writer, "by_band", statistics.by_band);
    append_counts(writer, "by_cache", statistics.by_cache);
    const LatencySummary& latency = statistics.latency;
    writer.field("avg_processing_time_ms", measured(latency, latency.mean_ms));
    writer.key("latency").begin_object().field("count", latency.count);
    writer.field("p50", measured(latency, latency.p50_ms)).field("p95", measured(latency, latency.p95_ms));
    writer.field("p99", measured(latency, latency.p99_ms)).field("p999", measured(latency, latency.p999_ms));
    writer.field("max", measured(latency, latency.max_ms)).end_object();
    writer.field("confidence_mean", statistics.confidence_mean);
    writer.field("total_tokens_used", statistics.tokens).field("input_bytes", statistics.input_bytes);
    writer.key("spend_points").raw(to_string(statistics.spend_points));
    writer.field("unassigned", statistics.unassigned).field("events", statistics.events);
    append_timeline(writer, statistics.timeline);
    writer.end_object();
}

}  // namespace tidegate::audit
