#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/html.h"
#include "load/milliseconds.h"
#include "load/plot.h"
#include "load/report.h"

namespace tidegate::load {
namespace {

constexpr std::string_view kStyle = R"(<style>
:root{color-scheme:light dark;--line:#d0d4da;--text:#1d2530;--dim:#5a6675;--paper:#fff;--bad:#b3261e;--good:#1b6e3c;--c1:#1f6feb;--c2:#b45309;--c3:#a21caf;--c4:#64748b}
@media(prefers-color-scheme:dark){:root{--line:#3a424d;--text:#e6e9ee;--dim:#a3adba;--paper:#14181e;--bad:#ff8a80;--good:#7bd8a0;--c1:#7ab0ff;--c2:#f0b060;--c3:#e39bf0;--c4:#a3adba}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--paper);max-width:980px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.dim{color:var(--dim)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
figure{margin:1rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{fill:var(--dim);font-size:11px}
svg .grid{stroke:var(--line)}polyline{fill:none;stroke-width:1.6}
.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}
.legend span{margin-right:1rem;stroke:none}.legend span::before{content:"";display:inline-block;width:1.2em;height:3px;margin-right:.4em;vertical-align:middle}
.legend .c1::before{background:var(--c1)}.legend .c2::before{background:var(--c2)}.legend .c3::before{background:var(--c3)}.legend .c4::before{background:var(--c4)}
</style>
)";

void operations_table(std::string& out, const RunResult& r) {
    auto to = std::back_inserter(out);
    out +=
        "<div "
        "class=\"wide\"><table><tr><th>operation</th><th>requests</th><th>good/s</th><th>mean</th><th>p50</th><th>p90</"
        "th><th>p95</th>"
        "<th>p99</th><th>p99.9</th><th>p99.99</th><th>max ms</th><th>errors</th></tr>\n";
    const auto row = [&](const Figures& of, double per_s) {
        fmt::format_to(to, "<tr><td>{}</td><td>{}</td><td>{:.1f}</td><td>{}</td>", escape_html(of.name), of.sent, per_s,
                       latency_text(of.ok, of.ok.mean()));
        for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999, 0.9999})
            fmt::format_to(to, "<td>{}</td>", latency_text(of.ok, of.ok.quantile(q)));
        fmt::format_to(to, "<td>{}</td><td{}>{}</td></tr>\n", latency_text(of.ok, static_cast<double>(of.ok.max())),
                       of.errors > 0 ? " class=\"bad\"" : "", of.errors);
    };
    for (const Figures& one : r.operations) row(one, r.window_s > 0 ? static_cast<double>(one.good) / r.window_s : 0);
    row(r.all, r.answers_per_s);
    out += "</table></div>\n";
    for (const auto& [name, count] : r.all.errors_by)
        fmt::format_to(to, "<p class=\"bad\">{}: {}</p>\n", escape_html(name), count);
    for (const LeftOut& one : r.left_out) {
        fmt::format_to(to, "<p class=\"dim\">Left out: {}: {}</p>\n", escape_html(one.name), escape_html(one.reason));
    }
}

Line over_time(const RunResult& r, std::string name, std::string style, double Interval::* member) {
    Line line{.name = std::move(name), .style = std::move(style), .points = {}};
    for (std::size_t i = 0; i < r.series.size(); ++i) {
        if (r.series[i].good > 0)
            line.points.emplace_back(static_cast<double>(i) * r.interval_s, ms(r.series[i].*member));
    }
    return line;
}

Line rate(const RunResult& r, std::string name, std::string style, std::uint64_t Interval::* member) {
    Line line{.name = std::move(name), .style = std::move(style), .points = {}};
    // The last interval is cut short.
    for (std::size_t i = 0; i + 1 < r.series.size(); ++i) {
        line.points.emplace_back(static_cast<double>(i) * r.interval_s,
                                 static_cast<double>(r.series[i].*member) / r.interval_s);
    }
    return line;
}

/// Gil Tene's curve: latency over the number of nines.
Plot percentile_plot(const RunResult& r) {
    Plot plot{.title = "Latency by percentile", .x_label = "percentile", .y_label = "ms", .log_y = true};
    Line line{.name = "all operations", .style = "c1", .points = {}};
    const double most = r.all.ok.count() > 0 ? std::log10(static_cast<double>(r.all.ok.count())) : 0;
    for (double nines = 0; nines <= most; nines += 0.02) {
        line.points.emplace_back(nines, ms(r.all.ok.quantile(1 - std::pow(10, -nines))));
    }
    plot.lines.push_back(std::move(line));
    plot.x_ticks = {{0, "0"},    {0.30103, "50"}, {1, "90"},     {2, "99"},
                    {3, "99.9"}, {4, "99.99"},    {5, "99.999"}, {6, "99.9999"}};
    return plot;
}

void charts(std::string& out, const RunResult& r) {
    out += "<h2>Over time</h2>\n";
    out += draw({.title = "Answers a second",
                 .x_label = "seconds of the measured window",
                 .y_label = "per second",
                 .lines = {rate(r, "good", "c1", &Interval::good), rate(r, "errors", "c3", &Interval::errors)}});
    out += draw({.title = "Latency",
                 .x_label = "seconds of the measured window",
                 .y_label = "ms",
                 .lines = {over_time(r, "p50", "c1", &Interval::p50), over_time(r, "p95", "c2", &Interval::p95),
                           over_time(r, "p99", "c3", &Interval::p99), over_time(r, "max", "c4", &Interval::max)},
                 .log_y = true});
    out += draw(percentile_plot(r));
}

void server_table(std::string& out, const RunResult& r) {
    auto to = std::back_inserter(out);
    out += "<h2>Beside the server's own numbers</h2>\n";
    if (!r.server_view) {
        fmt::format_to(to, "<p>None: {}.</p>\n", escape_html(r.server_view_absent));
        return;
    }
    const ServerView& view = *r.server_view;
    out +=
        "<div class=\"wide\"><table><tr><th>route</th><th>requests, client</th><th>requests, server</th><th>mean, "
        "client</th><th>mean, server</th>"
        "<th>p50, client</th><th>p50, server</th><th>p99, client</th><th>p99, server</th></tr>\n";
    for (const Figures& one : r.operations) {
        const ServerView::Route* route = view.find(one.method, one.handler);
        if (route == nullptr) continue;
        fmt::format_to(to,
                       "<tr><td>{} "
                       "{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.3f}</td><td>{}</td><td>{:.3f}</td><td>{}</td>"
                       "<td>{:.3f}</td></tr>\n",
                       escape_html(one.method), escape_html(one.handler), one.sent, route->count,
                       latency_text(one.ok, one.ok.mean()), route->mean_ms, latency_text(one.ok, one.ok.quantile(0.5)),
                       route->p50_ms, latency_text(one.ok, one.ok.quantile(0.99)), route->p99_ms);
    }
    fmt::format_to(to,
                   "</table></div><p class=\"dim\">Milliseconds. The server's quantiles are as fine as the buckets of "
                   "its /metrics; two operations of one route share its line.</p>\n");
    fmt::format_to(
        to,
        "<p>{:.1f} us of the server's CPU a request; memory {:.1f} to {:.1f} MiB; open files {:.0f} to {:.0f}.</p>\n",
        view.cpu_us_per_request, view.resident_before_mb, view.resident_after_mb, view.open_files_before,
        view.open_files_after);
}

void settings_table(std::string& out, const RunResult& r) {
    auto to = std::back_inserter(out);
    out += "<h2>How it was made</h2>\n<div class=\"wide\"><table>\n";
    const auto row = [&](std::string_view name, const std::string& value) {
        fmt::format_to(to, "<tr><td>{}</td><td style=\"text-align:left\">{}</td></tr>\n", name, escape_html(value));
    };
    const bool open = r.plan.loop == Loop::kOpen;
    std::string stages;
    for (const Stage& stage : r.plan.stages)
        fmt::format_to(std::back_inserter(stages), "{:g} s from {:g} to {:g}; ", stage.seconds, stage.from, stage.to);
    row("machine", fmt::format("{}, {} cores, {:.0f} GiB, Linux {}, load {:.2f} before", r.machine.cpu, r.machine.cores,
                               r.machine.memory_gib, r.machine.kernel, r.machine.load_before));
    row("commit", r.machine.commit.empty() ? "not known" : r.machine.commit);
    row("tool", r.tool);
    row("server", r.server.empty() ? "its /health was not read" : r.server);
    row("loop", open ? "open: latency from the moment a request was due"
                     : "closed: latency from the moment a request was sent; a slow server is asked less often");
    row(open ? "requests a second" : "users", stages);
    row("ramp, warm-up",
        fmt::format("{:g} s, {:g} s; not measured, {} requests", r.plan.ramp_s, r.plan.warm_up_s, r.warm_up));
    row("time-out", fmt::format("{:g} s", r.plan.timeout_s));
    row("questions", fmt::format("seed {}, {:g} % repeats wanted, {:.2f} % measured, {} hot keys an operation",
                                 r.plan.seed, r.plan.repeats * 100, r.repeat_share() * 100, r.plan.hot_keys));
    row("connections",
        fmt::format("{} made, {} failed, {} closed by the server", r.connects, r.connect_failures, r.reconnects));
    if (r.late.count() > 0)
        row("sent late",
            fmt::format("p50 {:.3f} ms, p99 {:.3f} ms", ms(r.late.quantile(0.5)), ms(r.late.quantile(0.99))));
    out += "</table></div>\n";
}

}  // namespace

std::string render_html(const RunResult& r) {
    const std::string title = fmt::format("Load: {}, {}", r.plan.profile, r.target);
    std::string out = fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>{}</title>\n{}</head><body>\n",
        escape_html(title), kStyle);
    auto to = std::back_inserter(out);
    fmt::format_to(to, "<h1>{}</h1>\n<p class=\"dim\">{} to {}{}</p>\n", escape_html(title), r.began, r.ended,
                   r.interrupted ? ", interrupted" : "");
    fmt::format_to(to,
                   "<p><b>{:.1f}</b> good answers a second for {:.1f} s; p50 {}, p95 {}, p99 {} ms; <span "
                   "class=\"{}\">{} errors</span> of {} requests.</p>\n",
                   r.answers_per_s, r.window_s, latency_text(r.all.ok, r.all.ok.quantile(0.5)),
                   latency_text(r.all.ok, r.all.ok.quantile(0.95)), latency_text(r.all.ok, r.all.ok.quantile(0.99)),
                   r.all.errors > 0 || r.all.sent == 0 ? "bad" : "good", r.all.errors, r.all.sent);
    for (const SloOutcome& slo : r.slo) {
        fmt::format_to(to, "<p class=\"{}\">{} {} ({})</p>\n", slo.met ? "good" : "bad",
                       slo.met ? "Met:" : "Missed:", escape_html(slo.text), escape_html(slo.shown));
    }
    operations_table(out, r);
    charts(out, r);
    server_table(out, r);
    settings_table(out, r);
    out += "</body></html>\n";
    return out;
}

}  // namespace tidegate::load
