// GET /api/compliance/statistics, /statistics/stream: counts, means and latency of the decisions on record.
#include <algorithm>

#include "audit/views/live_statistics.h"
#include "http/sse.h"
#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Schema;

// The last whole minute that RFC 3339 can say: everything, whatever clocks decisions were made by.
constexpr UnixMillis kFarAway = 253'402'300'740'000;

std::vector<pipeline::Parameter> parameters() {
    const Schema time = Schema::string().format("date-time");
    return {
        {.name = "from", .schema = time.doc("Inclusive, rounded to the minute; absent: from the first decision on.")},
        {.name = "to", .schema = time.doc("Exclusive, rounded up to the minute; absent: to the last.")},
        {.name = "tenant",
         .schema = Schema::string().size(0, 200).doc("One's own; whoever sees all may name any, or none: `\"\"`.")},
        {.name = "service", .schema = name_schema()},
        {.name = "operation", .schema = name_schema()},
        {.name = "model", .schema = name_schema()},
    };
}

/// Nothing when the request was refused.
std::optional<audit::StatisticsQuery> take_query(const ContextPtr& context, const QueryParts& parts) {
    const auto filter =
        take_filter(*context, reach_of(context->caller().get(), parts.loopback_without_keys), From::kQuery);
    if (!filter) return std::nullopt;
    audit::StatisticsQuery query;
    query.from = filter->from.value_or(0);
    query.to = std::min(filter->to.value_or(kFarAway), kFarAway);
    query.tenant = filter->tenant;
    query.service = filter->service;
    query.operation = filter->operation;
    query.model = filter->model;
    query.timeline = filter->from.has_value();
    return query;
}

Result<std::string> read_json(const audit::LiveStatistics& statistics, const audit::StatisticsQuery& query) {
    TG_TRY(const audit::Statistics read, statistics.read(query));
    std::string body;
    JsonWriter writer(body);
    audit::append_compliance_json(writer, read);
    return body;
}

void answer_statistics(const ContextPtr& context, const QueryParts& parts) {
    const auto query = take_query(context, parts);
    if (!query) return;
    auto body = read_json(parts.statistics, *query);
    if (!body) return context->fail(body.error());
    context->reply_json(*std::move(body));
}

/// The statistics at the start, and once a second where they have changed.
class StatisticsSource final : public EventSource {
  public:
    StatisticsSource(const QueryParts& parts, audit::StatisticsQuery query)
        : statistics_(parts.statistics), history_(parts.history), query_(std::move(query)) {}

    Result<bool> write(std::string& out, SteadyTime now) override {
        const std::uint64_t end = history_.end_leaf();
        if (read_at_ && (now - *read_at_ < StreamPump::kTick || end == end_)) return false;
        read_at_ = now;
        end_ = end;
        TG_TRY(std::string text, read_json(statistics_, query_));
        if (text == last_) return false;
        http::append_event(out, {.name = "statistics", .data = text});
        last_ = std::move(text);
        return false;
    }

  private:
    const audit::LiveStatistics& statistics_;
    const audit::LogHistory& history_;
    const audit::StatisticsQuery query_;
    std::optional<SteadyTime> read_at_;
    std::uint64_t end_ = 0;
    std::string last_;
};

std::string query_json(const audit::StatisticsQuery& query) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("tenant", query.tenant).field("service", query.service);
    writer.field("operation", query.operation).field("model", query.model).end_object();
    return out;
}

void answer_statistics_stream(const ContextPtr& context, const QueryParts& parts) {
    const auto query = take_query(context, parts);
    if (!query) return;
    auto place = parts.pump.take_place(reach_of(context->caller().get(), parts.loopback_without_keys));
    if (!place) return context->fail(place.error());
    if (const auto noted =
            record_access(*context, access_event(*context, "access/statistics_stream", query_json(*query)));
        !noted) {
        return context->fail({ErrorCode::kUnavailable, "The stream could not be recorded, so it is not given."});
    }
    parts.pump.add(*std::move(place), context, std::make_unique<StatisticsSource>(parts, *query));
}

Schema statistics_schema() {
    const Schema counts = Schema::object({}).open().doc("Counts by name.");
    const Schema time = Schema::string().format("date-time");
    return Schema::object({
        required(
            "window",
            Schema::object({required("from", time), required("to", time)}).doc("What was counted: whole minutes.")),
        required("total_requests", Schema::integer()),
        required("by_status", counts),
        required("by_source", counts),
        required("by_operation", counts),
        required("by_model", counts),
        required("by_model_version", counts),
        required("by_band", counts),
        required("by_cache", counts),
        required("avg_processing_time_ms", Schema::number().nullable()),
        required("latency", Schema::object({}).open().doc(
                                "p50, p95, p99, p999, max in ms, of the `count` decisions that state one; else null.")),
        required("confidence_mean", Schema::number().nullable()),
        required("total_tokens_used",
                 Schema::integer().nullable().doc("Of the decisions that state theirs; null where none of them does.")),
        required("input_bytes", Schema::integer().nullable().doc("The same of their input sizes.")),
        required("spend_points", Schema::number()),
        required("unassigned",
                 Schema::integer().doc("Decisions that the filter may mean and that are counted under `(other)`, "
                                       "beyond the names that are kept of a tenant; in no other figure.")),
        required("events", Schema::integer().doc("Records that are no decisions; in no other figure.")),
        required("timeline", Schema::array(Schema::object({}).open())
                                 .doc("Every day of a window that `from` begins; without `from` empty.")),
    });
}

}  // namespace

void register_statistics_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts) {
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/statistics",
        .operation = "compliance_statistics",
        .family = "compliance",
        .summary = "Counts, means and latency of the decisions on record, exact as of now.",
        .work = pipeline::Work::kBlocking,
        .query = parameters(),
        .response = statistics_schema(),
        .scopes = kReadScopes,
        .example = "service=provenance",
        .handler = [parts](const ContextPtr& context) { answer_statistics(context, parts); },
    });
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/statistics/stream",
        .operation = "compliance_statistics_stream",
        .family = "compliance",
        .summary = "The statistics as server-sent events `statistics`: at once, and each second in which they change.",
        .work = pipeline::Work::kBlocking,
        .query = parameters(),
        .response = Schema::string().doc("Events; the data of `statistics` is what the route without /stream answers."),
        .response_type = "text/event-stream",
        .scopes = kReadScopes,
        .handler = [parts](const ContextPtr& context) { answer_statistics_stream(context, parts); },
    });
}

void register_query_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts) {
    register_record_routes(routes, parts);
    register_export_route(routes, parts);
    register_stream_routes(routes, parts);
    register_statistics_routes(routes, parts);
}

}  // namespace tidegate::compliance
