// The report, and pieces of it, as JSON. Numbers that are not known are null.
#include <algorithm>
#include <cmath>

#include "base/as_double.h"
#include "performance/report.h"

namespace tidegate::performance {
namespace {

constexpr double kMsPerNs = 1e-6;

double percent(double part, double whole) {
    return whole > 0 ? 100 * part / whole : std::nan("");
}

void append_comparison(JsonWriter& writer, const Comparison& one) {
    writer.begin_object().field("name", one.name).field("unit", one.unit).field("verdict", one.verdict);
    writer.field("before", one.before).field("now", one.now).field("change_percent", one.change_percent);
    writer.key("p");
    one.test.enough ? writer.value(one.test.p) : writer.null();
    writer.key("p_adjusted");
    one.test.enough ? writer.value(one.p_adjusted) : writer.null();
    writer.end_object();
}

void append_comparisons(JsonWriter& writer, const Report& report) {
    writer.key("regressions").begin_object();
    writer.key("previous");
    if (report.before) {
        append_span(writer, *report.before);
    } else {
        writer.null();
    }
    writer.key("reason");
    report.no_comparison.empty() ? writer.null() : writer.value(report.no_comparison);
    writer.field("test", "rank sum of blocks (Mann and Whitney 1947), adjusted (Benjamini and Hochberg 1995)");
    writer.field("level", kAlpha).field("least_change_percent", kEffectMin);
    std::uint64_t worse = 0;
    for (const Comparison& one : report.comparisons) worse += one.verdict == "worse" ? 1 : 0;
    writer.field("worse", worse).key("items").begin_array();
    for (const Comparison& one : report.comparisons) append_comparison(writer, one);
    writer.end_array().end_object();
}

void append_capacity(JsonWriter& writer, const Capacity& capacity) {
    writer.key("capacity").begin_object();
    writer.field(
        "method",
        "utilisation law (Denning and Buzen 1978): busy cores = idle + demand x requests/s, fitted over blocks");
    const bool known = capacity.reason.empty();
    writer.key("reason");
    known ? writer.null() : writer.value(capacity.reason);
    const auto number = [&](std::string_view name, double value) {
        writer.key(name);
        known ? writer.value(value) : writer.null();
    };
    number("requests_per_second", capacity.requests_per_second);
    number("low", capacity.low);
    number("high", capacity.high);
    number("cpu_ms_per_request", capacity.cpu_ms_per_request);
    number("idle_cores", capacity.idle_cores);
    writer.field("cores", capacity.cores).field("cpu_percent_max", capacity.cpu_percent);
    number("r_squared", capacity.r_squared);
    writer.field("observed_peak", capacity.blocks > 0 ? capacity.observed_peak : std::nan(""));
    writer.field("blocks", capacity.blocks).end_object();
}

void append_values(JsonWriter& writer, const Sample& sample) {
    writer.key("values").begin_array();
    for (const auto& [name, value] : sample.values) {
        writer.begin_object().field("name", name).field("samples", value.samples).field("sum", value.sum);
        writer.field("mean", value.mean()).field("min", value.least).field("max", value.most);
        writer.field("last", value.last).end_object();
    }
    writer.end_array();
}

void append_requests(JsonWriter& writer, const Sample& sample) {
    writer.key("requests").begin_object();
    writer.field("total", sample.requests()).field("errors", sample.errors());
    writer.field("error_percent", percent(as_double(sample.errors()), as_double(sample.requests())));
    writer.field("per_second", sample.seconds() > 0 ? as_double(sample.requests()) / sample.seconds() : std::nan(""));
    writer.end_object();
}

}  // namespace

void append_times(JsonWriter& writer, const Distribution& times) {
    if (times.count() == 0) return static_cast<void>(writer.null());
    writer.begin_object().field("avg", times.mean() * kMsPerNs);
    writer.field("p50", times.quantile(0.5) * kMsPerNs).field("p90", times.quantile(0.9) * kMsPerNs);
    writer.field("p95", times.quantile(0.95) * kMsPerNs).field("p99", times.quantile(0.99) * kMsPerNs);
    writer.field("p999", times.quantile(0.999) * kMsPerNs).field("max", times.max() * kMsPerNs).end_object();
}

void append_stages(JsonWriter& writer, const Sample& sample) {
    constexpr std::string_view kPrefix = "stage.";
    double whole = 0;
    for (const auto& [name, times] : sample.times) {
        if (name.starts_with(kPrefix)) whole += times.sum();
    }
    writer.begin_array();
    for (const auto& [name, times] : sample.times) {
        if (!name.starts_with(kPrefix)) continue;
        writer.begin_object().field("stage", std::string_view(name).substr(kPrefix.size()));
        writer.field("requests", times.count()).field("share_percent", percent(times.sum(), whole)).key("times_ms");
        append_times(writer, times);
        writer.end_object();
    }
    writer.end_array();
}

void append_routes(JsonWriter& writer, const Sample& sample, std::size_t limit) {
    std::vector<const RouteSample*> routes;
    for (const RouteSample& route : sample.routes) routes.push_back(&route);
    std::ranges::sort(routes, std::ranges::greater{}, &RouteSample::requests);
    if (routes.size() > limit) routes.resize(limit);
    writer.begin_array();
    for (const RouteSample* route : routes) {
        writer.begin_object().field("method", route->method).field("route", route->route);
        writer.field("requests", route->requests).field("errors", route->errors).key("response_times_ms");
        append_times(writer, route->latency);
        writer.key("stages").begin_array();
        std::uint64_t whole = 0;
        for (const StageShare& stage : route->stages) whole += stage.ns;
        for (const StageShare& stage : route->stages) {
            writer.begin_object().field("stage", stage.stage).field("requests", stage.requests);
            writer.field("share_percent", percent(as_double(stage.ns), as_double(whole)));
            writer.field("mean_ms", as_double(stage.ns) / as_double(stage.requests) * kMsPerNs).end_object();
        }
        writer.end_array().end_object();
    }
    writer.end_array();
}

void append_trends(JsonWriter& writer, const std::vector<Trend>& trends) {
    writer.key("test").value(
        "Mann-Kendall, variance corrected for autocorrelation (Hamed and Rao 1998), adjusted (Benjamini and Hochberg "
        "1995); slope of Sen (1968)");
    writer.field("level", kAlpha).field("least_change_percent", kEffectMin).key("items").begin_array();
    for (const Trend& trend : trends) {
        writer.begin_object().field("name", trend.measure->name).field("unit", trend.measure->unit);
        writer.field("direction", trend.direction).field("blocks", trend.blocks);
        const auto number = [&](std::string_view name, double value) {
            writer.key(name);
            trend.test.enough ? writer.value(value) : writer.null();
        };
        number("tau", trend.test.tau);
        number("p", trend.test.p);
        number("p_adjusted", trend.p_adjusted);
        number("slope_per_hour", trend.slope_per_hour);
        number("change_percent", trend.change_percent);
        writer.end_object();
    }
    writer.end_array();
}

void append_points(JsonWriter& writer, const Period& period) {
    writer.begin_array();
    for (const Sample& block : period.blocks) {
        writer.begin_object().field("time", format_rfc3339(block.to)).field("covered_s", block.seconds());
        writer.field("requests", block.requests()).field("errors", block.errors());
        for (const Measure& measure : measures()) writer.field(measure.name, measure.of(block));
        writer.end_object();
    }
    writer.end_array();
}

void append_health(JsonWriter& writer, const HealthReport& health) {
    writer.field("state", to_string(health.state)).key("judged_at");
    health.time == 0 ? writer.null() : writer.value(format_rfc3339(health.time));
    writer.key("metrics").begin_array();
    for (const Judged& one : health.metrics) {
        writer.begin_object().field("name", one.name).field("unit", one.unit).field("state", to_string(one.state));
        writer.field("value", one.value).key("since");
        one.since == 0 ? writer.null() : writer.value(format_rfc3339(one.since));
        writer.field("bad_when", one.high_is_bad ? "high" : "low").key("thresholds").begin_object();
        writer.field("elevated", one.thresholds.elevated).field("warning", one.thresholds.warning);
        writer.field("critical", one.thresholds.critical).end_object().key("reason");
        one.why.empty() ? writer.null() : writer.value(one.why);
        writer.end_object();
    }
    writer.end_array();
}

void append_span(JsonWriter& writer, const Period& period) {
    writer.begin_object().field("from", format_rfc3339(period.from)).field("to", format_rfc3339(period.to));
    writer.field("covered_s", period.all.seconds()).field("samples", period.samples);
    writer.field("blocks", period.blocks.size());
    writer.field("block_s", static_cast<double>(period.block_ms) / 1000).end_object();
}

std::string to_json(const Report& report) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("made", format_rfc3339(report.made)).field("version", report.version);
    writer.field("period", report.asked).key("span");
    append_span(writer, report.now);
    append_requests(writer, report.now.all);
    writer.key("response_times_ms");
    append_times(writer, report.now.all.latency());
    writer.key("stages");
    append_stages(writer, report.now.all);
    writer.key("slowest_routes").begin_array();
    for (const SlowRoute& line : report.slowest) {
        writer.begin_object().field("method", line.route->method).field("route", line.route->route);
        writer.field("requests", line.route->requests).field("errors", line.route->errors).key("response_times_ms");
        append_times(writer, line.route->latency);
        writer.key("slow_stage");
        line.stage.empty() ? writer.null() : writer.value(line.stage);
        writer.key("slow_stage_percent");
        line.stage.empty() ? writer.null() : writer.value(line.stage_percent);
        writer.key("slow_stage_mean_ms");
        line.stage.empty() ? writer.null() : writer.value(line.stage_mean_ms);
        writer.key("basis");
        line.basis.empty() ? writer.null() : writer.value(line.basis);
        writer.end_object();
    }
    writer.end_array().key("routes");
    append_routes(writer, report.now.all, 50);
    writer.key("trends").begin_object();
    append_trends(writer, report.trends);
    writer.end_object();
    append_comparisons(writer, report);
    append_capacity(writer, report.capacity);
    writer.key("database").begin_object().key("times_ms");
    const Distribution* const database = report.now.all.find_times("database");
    append_times(writer, database == nullptr ? Distribution() : *database);
    writer.key("slow_statements").begin_array();
    for (const SlowStatement& one : report.slow_statements) {
        writer.begin_object().field("time", format_rfc3339(one.time)).field("ms", one.ms);
        writer.field("text", one.text).end_object();
    }
    writer.end_array().end_object().key("health").begin_object();
    append_health(writer, report.health);
    writer.end_object();
    append_values(writer, report.now.all);
    writer.key("points");
    append_points(writer, report.now);
    writer.end_object();
    return out;
}

}  // namespace tidegate::performance
