// The read side: which texts were analysed, and what came out in sum.
#include <fmt/core.h>

#include <array>
#include <atomic>
#include <optional>

#include "pipeline/export.h"
#include "services/provenance/provenance.h"

namespace tidegate::provenance {
namespace {

using pipeline::ContextPtr;
using pipeline::Schema;

constexpr std::int64_t kMsPerDay = 86'400'000;
/// An analysis with its verdict as JSON: 600 to 750 bytes.
constexpr std::size_t kAnalysisBytes = 768;

Schema analysis_schema() {
    return Schema::object({
        pipeline::required("analysis_id", Schema::string().format("uuid")),
        pipeline::required("time", Schema::string().format("date-time")),
        pipeline::required("request_id", Schema::string()),
        pipeline::required("content_type", Schema::string().doc("`text`")),
        pipeline::required("status", Schema::string()),
        pipeline::required("decision_band", Schema::string()),
        pipeline::required("confidence", Schema::number().nullable()),
        pipeline::required("model", Schema::string()),
        pipeline::required("model_version", Schema::string()),
        pipeline::required(
            "input_hash",
            Schema::string().doc("As in the record: of the text's SHA-256 a commitment under the tenant's key, or "
                                 "itself (privacy.input_hash), in hex.")),
        pipeline::required("input_size", Schema::integer().nullable().doc("Bytes.")),
        pipeline::required("latency_ms", Schema::number().nullable().doc("Until the answer was ready to be recorded.")),
        pipeline::required("output", Schema::any().doc("What provenance.keep_output keeps of the answer.")),
        pipeline::required("tags", Schema::object({}).open()),
    });
}

std::vector<pipeline::Parameter> filter_parameters() {
    return {
        {.name = "content_type", .schema = Schema::string().one_of({"text"})},
        {.name = "band", .schema = Schema::string().one_of({"human", "uncertain", "ai"})},
        {.name = "from", .schema = Schema::string().format("date-time").doc("Inclusive.")},
        {.name = "to", .schema = Schema::string().format("date-time").doc("Exclusive.")},
    };
}

/// Nothing when the request was refused: a window that ends before it begins is a mistake, not an empty list.
std::optional<audit::HistoryFilter> take_filter(pipeline::Context& context) {
    audit::HistoryFilter filter;
    filter.service = kService;
    filter.content_type = context.query("content_type");
    filter.band = context.query("band");
    // Validated by the schema already: a value that is there parses.
    if (const auto from = context.query("from")) filter.from = parse_rfc3339(*from).value();
    if (const auto to = context.query("to")) filter.to = parse_rfc3339(*to).value();
    if (filter.from && filter.to && *filter.to <= *filter.from) {
        context.fail({{"to", "must be after `from`", "too_small"}});
        return std::nullopt;
    }
    return filter;
}

/// What an analysis says of itself, out of a decision or straight out of its record.
struct Stated {
    std::optional<std::uint64_t> input_size;
    std::optional<double> latency_ms;
};
Stated stated_by(const audit::Decision& decision) {
    return {decision.stated_input_size(), decision.stated_latency_ms()};
}
Stated stated_by(const audit::segments::RecordView& record) {
    Stated stated;
    if (record.input_size_stated) stated.input_size = record.input_size;
    if (record.latency_stated) stated.latency_ms = static_cast<double>(record.latency_us) / 1000;
    return stated;
}

void write_tags(JsonWriter& writer, const audit::Decision& decision) {
    for (const audit::Tag& tag : decision.tags) writer.field(tag.name, tag.value);
}
void write_tags(JsonWriter& writer, const audit::segments::RecordView& record) {
    audit::segments::each_tag(record,
                              [&](std::string_view name, std::string_view value) { writer.field(name, value); });
}

template <class Record>
void write_analysis(JsonWriter& writer, const Record& decision) {
    const Stated stated = stated_by(decision);
    writer.begin_object();
    writer.field("analysis_id", to_string(decision.id));
    writer.field("time", format_rfc3339(unix_ms_of(decision.id)));
    writer.field("request_id", decision.request_id);
    writer.field("content_type", audit::content_type_of(decision.operation));
    writer.field("status", audit::to_string(decision.status));
    writer.field("decision_band", decision.band);
    writer.field("confidence", decision.confidence);
    writer.field("model", decision.model);
    writer.field("model_version", decision.model_version);
    writer.field("input_hash", to_hex(decision.input_hash));
    writer.field("input_size", stated.input_size);
    writer.field("latency_ms", stated.latency_ms);
    writer.key("output").raw(decision.output.empty() ? "null" : std::string_view(decision.output));
    writer.key("tags").begin_object();
    write_tags(writer, decision);
    writer.end_object().end_object();
}

void answer_history(const ContextPtr& context, const Parts& parts) {
    const auto filter = take_filter(*context);
    if (!filter) return;
    audit::HistoryQuery query;
    query.filter = *filter;
    query.limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    query.offset = static_cast<std::size_t>(context->query_int("offset").value_or(0));
    query.cursor = context->query("cursor").value_or("");
    std::string body;
    body.reserve((query.limit + 1) * kAnalysisBytes);
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    const auto page =
        parts.history->page(query, [&](const audit::segments::RecordView& record) { write_analysis(writer, record); });
    if (!page) return context->fail(page.error());
    writer.end_array();
    if (page->next_cursor.empty()) {
        writer.key("next_cursor").null();
    } else {
        writer.field("next_cursor", page->next_cursor);
    }
    if (page->total) writer.field("total", *page->total);
    writer.end_object();
    context->reply_json(std::move(body));
}

constexpr std::string_view kCsvHead =
    "analysis_id,time,request_id,content_type,status,decision_band,confidence,model,model_version,input_hash,"
    "input_size,latency_ms\r\n";

void append_csv_row(std::string& out, const audit::Decision& decision) {
    const std::array<std::string, 9> cells{to_string(decision.id),
                                           format_rfc3339(decision.time()),
                                           decision.request_id,
                                           std::string(audit::content_type_of(decision.operation)),
                                           std::string(audit::to_string(decision.status)),
                                           decision.band,
                                           pipeline::csv_number(decision.confidence),
                                           decision.model,
                                           decision.model_version};
    for (const std::string& cell : cells) {
        pipeline::append_csv_cell(out, cell);
        out.push_back(',');
    }
    out += fmt::format("{},{},{}\r\n", to_hex(decision.input_hash), pipeline::csv_number(decision.stated_input_size()),
                       pipeline::csv_number(decision.stated_latency_ms()));
}

struct ExportFormat {
    std::string_view content_type;
    std::string_view head, between, tail;
    void (*row)(std::string& out, const audit::Decision& decision);
};

void append_json_row(std::string& out, const audit::Decision& decision) {
    JsonWriter writer(out);
    write_analysis(writer, decision);
}

ExportFormat format_of(std::string_view name) {
    if (name == "csv") return {"text/csv; charset=utf-8", kCsvHead, "", "", append_csv_row};
    if (name == "ndjson") return {"application/x-ndjson", "", "\n", "\n", append_json_row};
    return {"application/json", "[", ",\n", "]\n", append_json_row};
}

void answer_export(const ContextPtr& context, const Parts& parts) {
    const auto filter = take_filter(*context);
    if (!filter) return;
    const std::string name = context->query("format").value_or("json");
    const ExportFormat format = format_of(name);
    http::Response head;
    head.headers.add("Content-Type", format.content_type);
    head.headers.add("Content-Disposition", "attachment; filename=\"analyses." + name + "\"");
    // The head of the stream alone: nothing to walk for.
    if (context->head().method == http::Method::kHead) return context->start_stream(std::move(head))->finish();
    pipeline::ExportBody body(context, std::move(head), format.head);
    bool first = true;
    bool reading = true;
    const auto walked = parts.history->for_each(*filter, [&](const audit::Decision& decision) {
        if (!std::exchange(first, false)) body.buffer() += format.between;
        format.row(body.buffer(), decision);
        reading = body.offer();
        return reading;
    });
    if (!walked && !body.started()) return context->fail(walked.error());
    // Dropped without finish(): the client sees a cut body, never a short list that looks whole.
    if (!walked) return context->fail_stream(walked.error());
    if (!reading) return;
    if (!first || format.tail != "\n") body.buffer() += format.tail;
    if (body.flush()) body.finish();
}

/// Runs at most `exports_max` at once: a slow reader holds its thread, and the others must stay for everybody else.
pipeline::Handler limited_export(const Parts& parts) {
    return [parts, running = std::make_shared<std::atomic<std::uint32_t>>(0)](const ContextPtr& context) {
        const bool room = running->fetch_add(1, std::memory_order_acq_rel) < parts.settings.exports_max;
        if (room) {
            answer_export(context, parts);
        } else {
            context->fail({ErrorCode::kUnavailable,
                           "As many exports as provenance.exports_max allows are running; ask again later."});
        }
        running->fetch_sub(1, std::memory_order_acq_rel);
    };
}

void answer_stats(const ContextPtr& context, const Parts& parts) {
    audit::StatisticsQuery query;
    query.service = kService;
    query.to = parts.clock.unix_ms() + 1;
    query.from = query.to - context->query_int("days").value_or(30) * kMsPerDay;
    const auto statistics = parts.statistics->read(query);
    if (!statistics) return context->fail(statistics.error());
    std::string body;
    JsonWriter writer(body);
    audit::append_json(writer, *statistics);
    context->reply_json(std::move(body));
}

Schema stats_schema() {
    const Schema counts = Schema::object({}).open().doc("Counts by name.");
    const Schema time = Schema::string().format("date-time");
    return Schema::object({
        pipeline::required("window", Schema::object({pipeline::required("from", time), pipeline::required("to", time)})
                                         .doc("What was counted: whole hours.")),
        pipeline::required("total_requests", Schema::integer()),
        pipeline::required("by_status", counts),
        pipeline::required("by_band", counts),
        pipeline::required("by_source", counts),
        pipeline::required("by_operation", counts),
        pipeline::required("by_type", counts),
        pipeline::required("by_model_version", counts),
        pipeline::required("by_cache", counts),
        pipeline::required("confidence_mean", Schema::number().nullable()),
        pipeline::required(
            "latency_ms",
            Schema::object({}).open().doc("count, mean, p50, p90, p95, p99, p999, max; null where none was stated.")),
        pipeline::required("total_tokens_used", Schema::integer().nullable()),
        pipeline::required("spend_points", Schema::number()),
        pipeline::required("timeline",
                           Schema::array(Schema::object({}).open()).doc("Every day of the window, oldest first.")),
    });
}

}  // namespace

void register_history_routes(std::vector<pipeline::Route>& routes, const Parts& parts) {
    std::vector<pipeline::Parameter> paging = filter_parameters();
    paging.push_back({.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")});
    paging.push_back(
        {.name = "cursor", .schema = Schema::string().size(1, 256).doc("`next_cursor` of the page before.")});
    paging.push_back({.name = "offset",
                      .schema = Schema::integer().range(0, 10'000).doc("Alias of a cursor for clients that count.")});
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/v1/analyze/history",
        .operation = "analyze_history",
        .family = "provenance",
        .summary = "Analyses made so far, newest first.",
        .work = pipeline::Work::kBlocking,
        .query = paging,
        .response = Schema::object({
            pipeline::required("items", Schema::array(analysis_schema())),
            pipeline::required("next_cursor", Schema::string().nullable()),
            pipeline::optional("total", Schema::integer().doc("Of the filter; absent where counting would be slow.")),
        }),
        .scopes = {"provenance:read"},
        .example = "limit=5",
        .handler = [parts](const ContextPtr& context) { answer_history(context, parts); },
    });
    std::vector<pipeline::Parameter> exporting = filter_parameters();
    exporting.push_back(
        {.name = "format", .schema = Schema::string().one_of({"json", "csv", "ndjson"}).doc("Default json.")});
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/v1/analyze/history/export",
        .operation = "analyze_history_export",
        .family = "provenance",
        .summary = "All analyses of the filter as one stream: JSON, CSV or NDJSON.",
        .work = pipeline::Work::kBlocking,
        .query = exporting,
        .response = Schema::array(analysis_schema()),
        .scopes = {"provenance:read"},
        .example = "format=json",
        .handler = limited_export(parts),
    });
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/v1/analyze/stats",
        .operation = "analyze_stats",
        .family = "provenance",
        .summary = "Counts, mean score and latency of the analyses in a window, computed from the record.",
        .work = pipeline::Work::kBlocking,
        .query = {{.name = "days",
                   .schema = Schema::integer().range(1, 90).doc("Length of the window up to now; default 30.")}},
        .response = stats_schema(),
        // Every analysis changes it, so it is kept only for as long as an operator says.
        .keep = pipeline::KeptAnswer{.tags = {"decisions"}},
        .scopes = {"provenance:read"},
        .example = "days=7",
        .handler = [parts](const ContextPtr& context) { answer_stats(context, parts); },
    });
}

}  // namespace tidegate::provenance
