// What the answers of the performance routes look like.
#include "app/performance_api.h"

namespace tidegate::app {
namespace {

using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

Schema text_schema() {
    return Schema::string();
}
/// Null: not measured, or too little data.
Schema number_or_null() {
    return Schema::number().nullable();
}
Schema moment_schema() {
    return Schema::string().format("date-time");
}

Schema times_schema() {
    return Schema::object({required("avg", number_or_null()), required("p50", number_or_null()),
                           required("p90", number_or_null()), required("p95", number_or_null()),
                           required("p99", number_or_null()), required("p999", number_or_null()),
                           required("max", number_or_null())})
        .nullable()
        .doc("Milliseconds, from added-up counts, within 1.6 %; null without requests.");
}

Schema stages_schema() {
    return Schema::array(
        Schema::object({required("stage", text_schema()), required("requests", Schema::integer()),
                        required("share_percent", number_or_null().doc("Of the time of all requests.")),
                        required("times_ms", times_schema())}));
}

Schema routes_schema() {
    const Schema stage =
        Schema::object({required("stage", text_schema()), required("requests", Schema::integer()),
                        required("share_percent", number_or_null()), required("mean_ms", number_or_null())});
    return Schema::array(Schema::object(
        {required("method", text_schema()), required("route", text_schema()), required("requests", Schema::integer()),
         required("errors", Schema::integer().doc("Answered 5xx.")), required("response_times_ms", times_schema()),
         required("stages", Schema::array(stage))}));
}

Schema requests_schema() {
    return Schema::object({required("total", Schema::integer()), required("errors", Schema::integer()),
                           required("error_percent", number_or_null()), required("per_second", number_or_null()),
                           optional("in_flight", number_or_null())});
}

Schema span_schema() {
    return Schema::object({required("from", moment_schema()), required("to", moment_schema()),
                           required("covered_s", Schema::number().doc("Of it, the time that samples are of.")),
                           required("samples", Schema::integer()), required("blocks", Schema::integer()),
                           required("block_s", Schema::number())});
}

std::vector<Schema::Member> health_members() {
    const Schema thresholds =
        Schema::object({required("elevated", Schema::number()), required("warning", Schema::number()),
                        required("critical", Schema::number())});
    const Schema state = Schema::string().one_of({"unknown", "off", "healthy", "elevated", "warning", "critical"});
    const Schema metric = Schema::object(
        {required("name", text_schema()), required("unit", text_schema()), required("state", state),
         required("value", number_or_null().doc("Over the last minute.")),
         required("since", moment_schema().nullable()), required("bad_when", Schema::string().one_of({"high", "low"})),
         required("thresholds", thresholds),
         required("reason", text_schema().nullable().doc("Why it is unknown or off."))});
    return {required("state", state.doc("The worst of those that are known.")),
            required("judged_at", moment_schema().nullable()), required("metrics", Schema::array(metric))};
}

Schema trends_items() {
    return Schema::array(
        Schema::object({required("name", text_schema()), required("unit", text_schema()),
                        required("direction", Schema::string().one_of({"rising", "falling", "none", "unknown"})),
                        required("blocks", Schema::integer().doc("With data.")), required("tau", number_or_null()),
                        required("p", number_or_null()), required("p_adjusted", number_or_null()),
                        required("slope_per_hour", number_or_null()),
                        required("change_percent", number_or_null().doc("Over the period."))}));
}

std::vector<Schema::Member> trends_members() {
    return {required("test", text_schema()), required("level", Schema::number()),
            required("least_change_percent", Schema::number()), required("items", trends_items())};
}

Schema points_schema() {
    return Schema::array(
        Schema::object({required("time", moment_schema()), required("covered_s", Schema::number()),
                        required("requests", Schema::integer()), required("errors", Schema::integer())})
            .open()
            .doc("One a block, with each measure by its name; null: not measured."));
}

Schema regressions_schema() {
    const Schema item =
        Schema::object({required("name", text_schema()), required("unit", text_schema()),
                        required("verdict", Schema::string().one_of({"worse", "better", "other", "same", "unknown"})),
                        required("before", number_or_null()), required("now", number_or_null()),
                        required("change_percent", number_or_null()), required("p", number_or_null()),
                        required("p_adjusted", number_or_null())});
    return Schema::object({required("previous", span_schema().nullable()),
                           required("reason", text_schema().nullable().doc("Why nothing, or little, is compared.")),
                           required("test", text_schema()), required("level", Schema::number()),
                           required("least_change_percent", Schema::number()), required("worse", Schema::integer()),
                           required("items", Schema::array(item))});
}

Schema capacity_schema() {
    return Schema::object({required("method", text_schema()),
                           required("reason", text_schema().nullable().doc("Why there is none.")),
                           required("requests_per_second", number_or_null()), required("low", number_or_null()),
                           required("high", number_or_null()), required("cpu_ms_per_request", number_or_null()),
                           required("idle_cores", number_or_null()), required("cores", Schema::number()),
                           required("cpu_percent_max", Schema::number()), required("r_squared", number_or_null()),
                           required("observed_peak", number_or_null()), required("blocks", Schema::integer())});
}

Schema action_results() {
    const Schema change = Schema::object({required("name", text_schema()), required("unit", text_schema()),
                                          required("before", number_or_null()), required("after", number_or_null())});
    return Schema::array(
        Schema::object({required("action", text_schema()), required("group", text_schema()),
                        required("outcome", Schema::string().one_of({"done", "nothing_to_do", "failed"})),
                        required("detail", text_schema()), required("changes", Schema::array(change)),
                        required("took_ms", Schema::number()), required("time", moment_schema()),
                        required("by", Schema::string().one_of({"request", "auto_apply"}))}));
}

}  // namespace

pipeline::Schema performance_metrics_schema() {
    const Schema group = Schema::object({required("name", text_schema()), required("threads", number_or_null()),
                                         required("cpu_percent", number_or_null())});
    const Schema pool = Schema::object({required("name", text_schema()), required("threads", number_or_null()),
                                        required("waiting", number_or_null()), required("completed", number_or_null()),
                                        required("refused", number_or_null())});
    const Schema value = Schema::object(
        {required("name", text_schema()), required("unit", text_schema()), required("value", number_or_null())});
    return Schema::object({
        required("time", moment_schema().nullable().doc("End of the last sample; null before the first.")),
        required("window_s", Schema::number().doc("What these numbers cover: about the last minute.")),
        required("samples", Schema::integer()),
        required("request_metrics", requests_schema()),
        required("response_times_ms", times_schema()),
        required("cache_metrics",
                 Schema::object({required("hits", number_or_null()), required("misses", number_or_null()),
                                 required("hit_percent", number_or_null()), required("entries", number_or_null()),
                                 required("bytes", number_or_null()), required("bytes_max", number_or_null())})),
        required("store_metrics",
                 Schema::object({required("statements", Schema::integer()), required("slow", number_or_null()),
                                 required("connections", number_or_null()), required("busy_percent", number_or_null()),
                                 required("times_ms", times_schema())})),
        required("process",
                 Schema::object(
                     {required("cpu_percent", number_or_null()), required("cores", number_or_null()),
                      required("threads", number_or_null()), required("resident_bytes", number_or_null()),
                      required("memory_percent", number_or_null()), required("heap_used_bytes", number_or_null()),
                      required("heap_arena_bytes", number_or_null()), required("open_descriptors", number_or_null()),
                      required("loop_lag_ms", number_or_null().doc("The worst.")),
                      required("thread_groups", Schema::array(group))})),
        required("pools", Schema::array(pool)),
        required("queues", Schema::object(
                               {required("audit_waiting", number_or_null()), required("in_flight", number_or_null())})),
        required("stages", stages_schema()),
        required("routes", routes_schema()),
        required("values", Schema::array(value).doc("Every number of the last sample, by name.")),
        required("stored",
                 Schema::object({required("bytes", number_or_null()), required("fine", number_or_null()),
                                 required("rolled", number_or_null()), required("failed", Schema::integer())})),
    });
}

pipeline::Schema performance_health_schema() {
    std::vector<Schema::Member> members = health_members();
    members.insert(members.begin(),
                   required("status", text_schema().doc("As `state`: the name that other systems have for it.")));
    members.push_back(required("response_time_ms", Schema::number().doc("Of this answer.")));
    members.push_back(required(
        "cache",
        Schema::object({required("total_entries", Schema::integer()), required("active_entries", Schema::integer()),
                        required("hits", Schema::integer()), required("misses", Schema::integer()),
                        required("hit_rate", number_or_null()), required("memory_usage_bytes", Schema::integer())})));
    members.push_back(required(
        "database",
        Schema::object(
            {required("status", Schema::string().one_of({"ok", "unavailable"})),
             required("latency_ms", number_or_null().doc("Of a read just made.")),
             required("pool", Schema::object(
                                  {required("pool_size", Schema::integer().doc("Open connections to SQLite.")),
                                   required("checked_out", Schema::integer().doc("Statements at work now.")),
                                   required("overflow", number_or_null().doc("Null: SQLite has no pool that could.")),
                                   required("total_connections", Schema::integer())}))})));
    return Schema::object(std::move(members));
}

pipeline::Schema performance_report_schema() {
    const Schema slow_route = Schema::object(
        {required("method", text_schema()), required("route", text_schema()), required("requests", Schema::integer()),
         required("errors", Schema::integer()), required("response_times_ms", times_schema()),
         required("slow_stage", text_schema().nullable()), required("slow_stage_percent", number_or_null()),
         required("slow_stage_mean_ms", number_or_null()),
         required("basis", text_schema().nullable().doc("Of which requests: `slow requests`, `all requests`."))});
    const Schema statement = Schema::object(
        {required("time", moment_schema()), required("ms", Schema::number()), required("text", text_schema())});
    const Schema value = Schema::object({required("name", text_schema()), required("samples", Schema::integer()),
                                         required("sum", number_or_null()), required("mean", number_or_null()),
                                         required("min", number_or_null()), required("max", number_or_null()),
                                         required("last", number_or_null())});
    return Schema::object({
        required("made", moment_schema()),
        required("version", text_schema()),
        required("period", text_schema()),
        required("span", span_schema()),
        required("requests", requests_schema()),
        required("response_times_ms", times_schema()),
        required("stages", stages_schema()),
        required("slowest_routes", Schema::array(slow_route)),
        required("routes", routes_schema()),
        required("trends", Schema::object(trends_members())),
        required("regressions", regressions_schema()),
        required("capacity", capacity_schema()),
        required("database", Schema::object({required("times_ms", times_schema()),
                                             required("slow_statements", Schema::array(statement))})),
        required("health", Schema::object(health_members())),
        required("values", Schema::array(value)),
        required("points", points_schema()),
    });
}

pipeline::Schema performance_trends_schema() {
    std::vector<Schema::Member> members = trends_members();
    members.insert(members.begin(), required("span", span_schema()));
    members.insert(members.begin(), required("period", text_schema()));
    members.push_back(required("points", points_schema()));
    return Schema::object(std::move(members));
}

pipeline::Schema performance_optimize_schema() {
    return Schema::object({required("type", text_schema()), required("actions", action_results()),
                           required("auto_apply", Schema::boolean().doc("performance.auto_apply"))});
}

}  // namespace tidegate::app
