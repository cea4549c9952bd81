#include "performance/report_words.h"

#include <fmt/format.h>

#include <cmath>

namespace tidegate::performance {
namespace {

using Row = std::vector<std::string>;

std::string bytes_in_words(double bytes) {
    constexpr double kKiB = 1024;
    if (std::abs(bytes) < kKiB) return fmt::format("{:.0f} B", bytes);
    if (std::abs(bytes) < kKiB * kKiB) return fmt::format("{:.1f} KiB", bytes / kKiB);
    if (std::abs(bytes) < kKiB * kKiB * kKiB) return fmt::format("{:.1f} MiB", bytes / kKiB / kKiB);
    return fmt::format("{:.2f} GiB", bytes / kKiB / kKiB / kKiB);
}

std::string number(double value) {
    if (std::isnan(value)) return "-";
    const double size = std::abs(value);
    if (value == std::floor(value) && size < 1e15) return fmt::format("{:.0f}", value);
    return size >= 100 ? fmt::format("{:.0f}", value)
           : size >= 1 ? fmt::format("{:.2f}", value)
                       : fmt::format("{:.4f}", value);
}

std::string p_in_words(double p, bool enough) {
    return !enough ? "-" : p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", p);
}

Row times_row(const Distribution& times) {
    Row out;
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) out.push_back(number(times.quantile(q) / 1e6));
    return out;
}

template <class... Cells>
Row joined(Row first, const Row& more, Cells... cells) {
    first.insert(first.end(), more.begin(), more.end());
    (first.push_back(std::move(cells)), ...);
    return first;
}

WordTable latency_table(const Report& report) {
    WordTable out{.title = "Latency",
                  .note = "Milliseconds, from the added-up counts of all requests, within 1.6 %.",
                  .head = {"what", "requests", "p50", "p90", "p95", "p99", "p99.9", "max"},
                  .rows = {}};
    const Sample& all = report.now.all;
    out.rows.push_back(joined({"all requests", fmt::format("{}", all.requests())}, times_row(all.latency())));
    for (const auto& [name, times] : all.times) {
        out.rows.push_back(joined({name.starts_with("stage.") ? "stage " + name.substr(6) : name + " statements",
                                   fmt::format("{}", times.count())},
                                  times_row(times)));
    }
    return out;
}

WordTable routes_table(const Report& report) {
    WordTable out{
        .title = "Slowest routes",
        .note = fmt::format("By their 95th percentile, with at least {} requests; the stage in which their slow "
                            "requests (those over it) spent most of their time. Milliseconds.",
                            kRouteRequestsMin),
        .head = {"route", "requests", "5xx", "p50", "p90", "p95", "p99", "p99.9", "max", "slow stage"},
        .rows = {}};
    for (const SlowRoute& line : report.slowest) {
        const RouteSample& route = *line.route;
        const std::string stage = line.stage.empty() ? "-"
                                                     : fmt::format("{} ({:.0f} % of {}, {:.3f} ms each)", line.stage,
                                                                   line.stage_percent, line.basis, line.stage_mean_ms);
        out.rows.push_back(joined(
            {route.method + " " + route.route, fmt::format("{}", route.requests), fmt::format("{}", route.errors)},
            times_row(route.latency), stage));
    }
    return out;
}

WordTable trends_table(const Report& report) {
    WordTable out{.title = "Trends",
                  .note =
                      "Mann-Kendall over blocks, autocorrelation allowed for (Hamed and Rao 1998), adjusted for their "
                      "number (Benjamini and Hochberg 1995); a trend is named at p <= 0.01 and 10 % over the period.",
                  .head = {"measure", "trend", "change", "an hour", "blocks", "tau", "p"},
                  .rows = {}};
    for (const Trend& trend : report.trends) {
        const bool enough = trend.test.enough;
        out.rows.push_back(
            {std::string(trend.measure->name), trend.direction,
             enough && !std::isnan(trend.change_percent) ? fmt::format("{:+.1f} %", trend.change_percent) : "-",
             enough ? in_words(trend.slope_per_hour, trend.measure->unit) : "-", fmt::format("{}", trend.blocks),
             enough ? fmt::format("{:+.2f}", trend.test.tau) : "-", p_in_words(trend.p_adjusted, enough)});
    }
    return out;
}

WordTable comparisons_table(const Report& report) {
    WordTable out{
        .title = "Against the period before",
        .note =
            "Rank sum of blocks (Mann and Whitney 1947), autocorrelation allowed for, adjusted; a difference is "
            "named at p <= 0.01 and 10 %.",
        .head = {"what", "verdict", "before", "now", "change", "p"},
        .rows = {}};
    if (!report.no_comparison.empty()) out.note += " Here: " + report.no_comparison + ".";
    for (const Comparison& one : report.comparisons) {
        out.rows.push_back({one.name, one.verdict, in_words(one.before, one.unit), in_words(one.now, one.unit),
                            std::isnan(one.change_percent) ? "-" : fmt::format("{:+.1f} %", one.change_percent),
                            p_in_words(one.p_adjusted, one.test.enough)});
    }
    return out;
}

WordTable capacity_table(const Report& report) {
    const Capacity& capacity = report.capacity;
    WordTable out{.title = "Capacity",
                  .note =
                      "Utilisation law (Denning and Buzen 1978): busy cores = idle + demand x requests/s, fitted over "
                      "blocks; for this mix of requests, as far as the CPU is what ends first.",
                  .head = {"number", "value"},
                  .rows = {}};
    if (!capacity.reason.empty()) {
        out.note += " There is none: " + capacity.reason + ".";
        return out;
    }
    out.rows = {
        {fmt::format("requests/s at {:.0f} % CPU", capacity.cpu_percent), number(capacity.requests_per_second)},
        {"95 % interval of the fit", number(capacity.low) + " to " + number(capacity.high)},
        {"CPU a request", number(capacity.cpu_ms_per_request) + " ms"},
        {"busy cores without requests", number(capacity.idle_cores) + " of " + number(capacity.cores)},
        {"busiest block", number(capacity.observed_peak) + " requests/s"},
        {"share of the variation explained", number(capacity.r_squared)},
    };
    return out;
}

WordTable process_table(const Report& report) {
    WordTable out{.title = "Process",
                  .note = "Levels at the ends of the samples; totals as what they grew by in one.",
                  .head = {"what", "mean", "least", "most", "last", "samples"},
                  .rows = {}};
    for (const auto& [name, value] : report.now.all.values) {
        const std::string_view unit = name.ends_with("bytes") || name.ends_with("bytes_max") ? "bytes" : "";
        out.rows.push_back({name, in_words(value.mean(), unit), in_words(value.least, unit), in_words(value.most, unit),
                            in_words(value.last, unit), fmt::format("{}", value.samples)});
    }
    return out;
}

WordTable slow_table(const Report& report) {
    WordTable out{
        .title = "Slow database statements",
        .note = report.slow_statements.empty() ? "None took performance.slow_query_ms." : "The longest first.",
        .head = {"time", "ms", "statement"},
        .rows = {}};
    for (const SlowStatement& one : report.slow_statements) {
        out.rows.push_back({format_rfc3339(one.time), number(one.ms), one.text});
    }
    return out;
}

WordTable health_table(const Report& report) {
    WordTable out{
        .title = "State now", .note = "", .head = {"measure", "state", "value", "thresholds", "why"}, .rows = {}};
    for (const Judged& one : report.health.metrics) {
        out.rows.push_back({std::string(one.name), std::string(to_string(one.state)), in_words(one.value, one.unit),
                            fmt::format("{} / {} / {}", number(one.thresholds.elevated), number(one.thresholds.warning),
                                        number(one.thresholds.critical)),
                            std::string(one.why)});
    }
    return out;
}

}  // namespace

std::string in_words(double value, std::string_view unit) {
    if (std::isnan(value)) return "-";
    if (unit == "bytes") return bytes_in_words(value);
    return unit.empty() ? number(value) : fmt::format("{} {}", number(value), unit);
}

std::string summary_line(const Report& report) {
    const Sample& all = report.now.all;
    const double p95 = all.latency().quantile(0.95) / 1e6;
    std::size_t worse = 0;
    for (const Comparison& one : report.comparisons) worse += one.verdict == "worse" ? 1 : 0;
    return fmt::format("{} requests in {} ({:.0f} s of samples), {} answered 5xx, p95 {}; {}.", all.requests(),
                       report.asked, all.seconds(), all.errors(), in_words(p95, "ms"),
                       !report.no_comparison.empty() ? "not compared with the period before: " + report.no_comparison
                       : worse == 0                  ? std::string("nothing became worse than in the period before")
                                    : fmt::format("{} numbers are worse than in the period before", worse));
}

std::vector<WordTable> tables_of(const Report& report) {
    return {health_table(report),      latency_table(report),  routes_table(report),  trends_table(report),
            comparisons_table(report), capacity_table(report), process_table(report), slow_table(report)};
}

}  // namespace tidegate::performance
