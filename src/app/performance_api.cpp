#include "app/performance_api.h"

#include <cmath>

#include "app/cache_routes.h"
#include "app/server.h"
#include "base/as_double.h"
#include "base/json_writer.h"
#include "performance/measures.h"
#include "performance/report.h"
#include "pipeline/context.h"
#include "services/compliance/reading.h"
#include "store/query_times.h"
#include "store/sqlite.h"

namespace tidegate::app {
namespace {

using performance::Sample;
using pipeline::ContextPtr;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kDefaultPeriod = "24h";

double sum_of(const Sample& sample, std::string_view name) {
    const auto* const value = sample.find(name);
    return value == nullptr ? std::nan("") : value->sum;
}

double last_of(const Sample& sample, std::string_view name) {
    const auto* const value = sample.find(name);
    return value == nullptr ? std::nan("") : value->last;
}

void append_measure(JsonWriter& writer, const Sample& sample, std::string_view field, std::string_view measure) {
    writer.field(field, performance::find_measure(measure)->of(sample));
}

void append_requests(JsonWriter& writer, const Sample& all) {
    writer.key("request_metrics").begin_object().field("total", all.requests()).field("errors", all.errors());
    append_measure(writer, all, "error_percent", "error_percent");
    append_measure(writer, all, "per_second", "requests_per_second");
    writer.field("in_flight", last_of(all, "in_flight")).end_object();
    writer.key("response_times_ms");
    performance::append_times(writer, all.latency());
}

void append_cache(JsonWriter& writer, const Sample& all) {
    writer.key("cache_metrics").begin_object();
    writer.field("hits", sum_of(all, "cache_hits")).field("misses", sum_of(all, "cache_misses"));
    append_measure(writer, all, "hit_percent", "hit_percent");
    writer.field("entries", last_of(all, "cache_entries")).field("bytes", last_of(all, "cache_bytes"));
    writer.field("bytes_max", last_of(all, "cache_bytes_max")).end_object();
}

void append_database(JsonWriter& writer, const Sample& all) {
    const auto* const times = all.find_times("database");
    writer.key("store_metrics").begin_object();
    writer.field("statements", times == nullptr ? 0 : times->count());
    writer.field("slow", sum_of(all, "database_slow"));
    writer.field("connections", last_of(all, "database_connections"));
    append_measure(writer, all, "busy_percent", "database_percent");
    writer.key("times_ms");
    performance::append_times(writer, times == nullptr ? performance::Distribution() : *times);
    writer.end_object();
}

void append_process(JsonWriter& writer, const Sample& all) {
    writer.key("process").begin_object();
    append_measure(writer, all, "cpu_percent", "cpu_percent");
    writer.field("cores", last_of(all, "cores")).field("threads", last_of(all, "threads"));
    writer.field("resident_bytes", last_of(all, "resident_bytes"));
    append_measure(writer, all, "memory_percent", "memory_percent");
    writer.field("heap_used_bytes", last_of(all, "heap_used_bytes"));
    writer.field("heap_arena_bytes", last_of(all, "heap_arena_bytes"));
    writer.field("open_descriptors", last_of(all, "open_descriptors"));
    append_measure(writer, all, "loop_lag_ms", "loop_lag_ms");
    writer.key("thread_groups").begin_array();
    constexpr std::string_view kPrefix = "cpu_seconds.";
    for (const auto& [name, value] : all.values) {
        if (!name.starts_with(kPrefix)) continue;
        const std::string group = name.substr(kPrefix.size());
        writer.begin_object().field("name", group).field("threads", last_of(all, "threads." + group));
        writer.field("cpu_percent", 100 * value.sum / (all.seconds() * last_of(all, "cores"))).end_object();
    }
    writer.end_array().end_object();
}

void append_pools(JsonWriter& writer, const Sample& all) {
    writer.key("pools").begin_array();
    for (const std::string name : {"cpu", "blocking"}) {
        writer.begin_object().field("name", name).field("threads", last_of(all, "pool_threads." + name));
        writer.field("waiting", last_of(all, "pool_waiting." + name));
        writer.field("completed", sum_of(all, "pool_completed." + name));
        writer.field("refused", sum_of(all, "pool_refused." + name)).end_object();
    }
    writer.end_array().key("queues").begin_object();
    writer.field("audit_waiting", last_of(all, "audit_waiting")).field("in_flight", last_of(all, "in_flight"));
    writer.end_object();
}

void append_stored(JsonWriter& writer, const PerformanceParts& parts) {
    const auto size = parts.store.size();
    writer.key("stored").begin_object();
    writer.field("bytes", size ? as_double(size->bytes) : std::nan(""));
    writer.field("fine", size ? as_double(size->fine) : std::nan(""));
    writer.field("rolled", size ? as_double(size->rolled) : std::nan(""));
    writer.field("failed", parts.recorder.failed()).end_object();
}

void reply_performance_metrics(const ContextPtr& context, const PerformanceParts& parts) {
    Sample all;
    const std::vector<Sample> window = parts.recorder.window();
    for (const Sample& sample : window) all.merge(sample);
    const auto reading = parts.recorder.levels().read();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("time");
    reading ? writer.value(format_rfc3339(reading->time)) : writer.null();
    writer.field("window_s", all.seconds()).field("samples", window.size());
    append_requests(writer, all);
    append_cache(writer, all);
    append_database(writer, all);
    append_process(writer, all);
    append_pools(writer, all);
    writer.key("stages");
    performance::append_stages(writer, all);
    writer.key("routes");
    performance::append_routes(writer, all, 200);
    writer.key("values").begin_array();
    if (reading) {
        for (const auto& [name, value] : reading->values) {
            const performance::Measure* const measure = performance::find_measure(name);
            writer.begin_object().field("name", name);
            writer.field("unit", measure != nullptr ? std::string(measure->unit) : parts.recorder.unit_of(name));
            writer.field("value", value).end_object();
        }
    }
    writer.end_array();
    append_stored(writer, parts);
    writer.end_object();
    context->reply_json(std::move(body));
}

/// A read of the server's own database, timed.
std::optional<double> database_latency_ms(const PerformanceParts& parts) {
    const SteadyTime began = parts.clock.now();
    auto database = store::Database::open({.path = parts.database_path, .read_only = true, .vfs = {}});
    if (!database || !database->integer("SELECT count(*) FROM sqlite_schema")) return std::nullopt;
    return std::chrono::duration<double, std::milli>(parts.clock.now() - began).count();
}

void reply_performance_health(const ContextPtr& context, const PerformanceParts& parts) {
    const performance::HealthReport health = parts.recorder.health().read();
    const cache::StoreStats stats = parts.cache.store().stats();
    const auto latency = database_latency_ms(parts);
    const store::QueryTimes& times = store::database_times();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("status", performance::to_string(health.state));
    performance::append_health(writer, health);
    writer.key("cache").begin_object().field("total_entries", stats.entries);
    writer.field("active_entries", parts.cache.store().fresh_entries(parts.clock.unix_ms()));
    writer.field("hits", stats.hits).field("misses", stats.misses).field("hit_rate", hit_rate(stats));
    writer.field("memory_usage_bytes", stats.bytes).end_object();
    writer.key("database").begin_object().field("status", latency ? "ok" : "unavailable");
    writer.field("latency_ms", latency).key("pool").begin_object();
    writer.field("pool_size", times.connections()).field("checked_out", times.running()).key("overflow").null();
    writer.field("total_connections", times.connections()).end_object().end_object();
    writer.field("response_time_ms", context->elapsed_ms()).end_object();
    context->reply_json(std::move(body));
}

struct Asked {
    std::string text;
    Duration length{};
};

Result<Asked> asked_period(const ContextPtr& context) {
    Asked asked{.text = context->query("period").value_or(std::string(kDefaultPeriod))};
    TG_TRY(asked.length, performance::parse_period(asked.text));
    return asked;
}

void reply_performance_report(const ContextPtr& context, const PerformanceParts& parts) {
    const auto asked = asked_period(context);
    if (!asked) return context->fail(asked.error());
    const std::string format = context->query("format").value_or("json");
    if (format != "json" && format != "html" && format != "md") {
        return context->fail({ErrorCode::kInvalidArgument, "format is json, html or md"});
    }
    const auto report = performance::make_report({.store = parts.store,
                                                  .health = parts.recorder.health(),
                                                  .version = version(),
                                                  .cpu_percent_max = parts.settings.cpu_percent.warning},
                                                 asked->text, asked->length, parts.clock.unix_ms());
    if (!report) return context->fail(report.error());
    if (format == "json") return context->reply_json(performance::to_json(**report));
    http::Response response;
    response.headers.add("Content-Type",
                         format == "html" ? "text/html; charset=utf-8" : "text/markdown; charset=utf-8");
    // The page is one file: its style stands in it, and it runs and fetches nothing.
    response.headers.add("Content-Security-Policy",
                         "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
                         "form-action 'none'");
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.headers.add("Cache-Control", "no-store");
    response.body = format == "html" ? performance::to_html(**report) : performance::to_markdown(**report);
    context->reply(std::move(response));
}

void reply_trends(const ContextPtr& context, const PerformanceParts& parts) {
    const auto asked = asked_period(context);
    if (!asked) return context->fail(asked.error());
    const UnixMillis now = parts.clock.unix_ms();
    const std::int64_t length = std::chrono::duration_cast<std::chrono::milliseconds>(asked->length).count();
    const auto period = performance::read_period(parts.store, now - length, now);
    if (!period) return context->fail(period.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("period", asked->text).key("span");
    performance::append_span(writer, *period);
    performance::append_trends(writer, performance::trends_of(*period));
    writer.key("points");
    performance::append_points(writer, *period);
    writer.end_object();
    context->reply_json(std::move(body));
}

void append_result(JsonWriter& writer, const performance::ActionResult& result) {
    writer.begin_object().field("action", result.name).field("group", result.group);
    writer.field("outcome", result.outcome).field("detail", result.detail).key("changes").begin_array();
    for (const performance::Change& change : result.changes) {
        writer.begin_object().field("name", change.name).field("unit", change.unit);
        writer.field("before", change.before).field("after", change.after).end_object();
    }
    writer.end_array().field("took_ms", result.took_ms).field("time", format_rfc3339(result.time));
    writer.field("by", result.by).end_object();
}

void answer_optimize(const ContextPtr& context, const PerformanceParts& parts) {
    const std::string type = context->query("type").value_or("all");
    if (!parts.actions.has_group(type)) {
        return context->fail({ErrorCode::kInvalidArgument, "type is all, cache, memory, database or pools"});
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("type", type).key("actions").begin_array();
    for (const auto& result : parts.actions.run(type, "request")) append_result(writer, result);
    writer.end_array().field("auto_apply", parts.settings.auto_apply).end_object();
    context->reply_json(std::move(body));
}

/// What is changed stands in the record before it is done.
void answer_reset(const ContextPtr& context, const PerformanceParts& parts) {
    audit::Decision event = compliance::access_event(*context, "metrics/performance/reset", "{}");
    if (!compliance::record_access(*context, std::move(event))) {
        return context->fail({ErrorCode::kUnavailable, "The change could not be recorded, so it is not made."});
    }
    const auto began = parts.recorder.begin_anew();
    if (!began) return context->fail(began.error());
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("message", "The figures of metrics/performance begin anew; stored samples and counters stay.")
        .field("since", format_rfc3339(*began))
        .end_object();
    context->reply_json(std::move(body));
}

void reply_advice(const ContextPtr& context, const PerformanceParts& parts) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("auto_apply", parts.settings.auto_apply).key("recommended").begin_array();
    for (const auto& one : parts.actions.needed()) {
        writer.begin_object().field("action", one.action.name).field("group", one.action.group);
        writer.field("what", one.action.what).field("reason", one.why).end_object();
    }
    writer.end_array().key("done").begin_array();
    for (const auto& result : parts.actions.results()) append_result(writer, result);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

Schema advice_schema() {
    const Schema text = Schema::string();
    return Schema::object(
        {pipeline::required("auto_apply", Schema::boolean()),
         pipeline::required(
             "recommended",
             Schema::array(Schema::object({pipeline::required("action", text), pipeline::required("group", text),
                                           pipeline::required("what", text), pipeline::required("reason", text)}))),
         pipeline::required("done", Schema::array(Schema::object({}).open()).doc("The last 50 runs, latest first."))});
}

Route performance_route(std::string path, std::string operation, std::string summary, Schema response) {
    Route route;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "operations";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = {"metrics"};
    route.response = std::move(response);
    return route;
}

pipeline::Parameter period_parameter() {
    return {.name = "period",
            .schema = Schema::string().doc("`90m`, `24h`, `7d`, `4w`; 24h when absent."),
            .required = false};
}

}  // namespace

void register_performance(std::vector<Route>& routes, const PerformanceParts& parts) {
    const auto add = [&](Route route, void (*handler)(const ContextPtr&, const PerformanceParts&)) {
        route.handler = [parts, handler](const ContextPtr& context) { handler(context, parts); };
        routes.push_back(std::move(route));
    };
    add(performance_route("/api/v1/performance/metrics", "performance_metrics",
                          "What this server did in the last minute, from its stored samples.",
                          performance_metrics_schema()),
        reply_performance_metrics);
    add(performance_route("/api/v1/metrics/performance", "metrics_performance", "As /api/v1/performance/metrics.",
                          performance_metrics_schema()),
        reply_performance_metrics);
    Route reset =
        performance_route("/api/v1/metrics/performance/reset", "metrics_performance_reset",
                          "Begins the figures of metrics/performance anew; stored samples stay.",
                          Schema::object({pipeline::required("message", Schema::string()),
                                          pipeline::required("since", Schema::string().format("date-time"))}));
    reset.method = http::Method::kPost;
    reset.scopes = {"admin"};
    reset.access = pipeline::Access::kAdmin;
    add(std::move(reset), answer_reset);
    add(performance_route("/api/v1/performance/health", "performance_health",
                          "Which numbers are past their thresholds, and since when.", performance_health_schema()),
        reply_performance_health);
    add(performance_route("/health/performance", "health_performance", "As /api/v1/performance/health.",
                          performance_health_schema()),
        reply_performance_health);
    Route report =
        performance_route("/api/v1/performance/report", "performance_report",
                          "A period told: percentiles, trends, what became worse, the slowest routes, capacity.",
                          performance_report_schema());
    report.query = {period_parameter(),
                    {.name = "format", .schema = Schema::string().doc("json, html or md"), .required = false}};
    add(std::move(report), reply_performance_report);
    Route trends =
        performance_route("/api/v1/performance/trends", "performance_trends",
                          "What rises or falls over a period, tested, with the points.", performance_trends_schema());
    trends.query = {period_parameter()};
    add(std::move(trends), reply_trends);
    Route run =
        performance_route("/api/v1/performance/optimize", "performance_optimize",
                          "Does safe, named things about cache, memory, databases and pools; tells what each changed.",
                          performance_optimize_schema());
    run.method = http::Method::kPost;
    run.scopes = {"admin"};
    run.access = pipeline::Access::kAdmin;
    run.query = {
        {.name = "type", .schema = Schema::string().doc("all, cache, memory, database, pools"), .required = false}};
    add(std::move(run), answer_optimize);
    add(performance_route("/api/v1/performance/optimize", "performance_advice",
                          "What `optimize` would do now and why, and what it has done.", advice_schema()),
        reply_advice);
}

}  // namespace tidegate::app
