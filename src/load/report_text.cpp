#include <fmt/format.h>

#include <iterator>

#include "load/milliseconds.h"
#include "load/report.h"

namespace tidegate::load {
namespace {

void row(std::string& out, const Figures& of, double per_s) {
    auto to = std::back_inserter(out);
    fmt::format_to(to, "{:<24} {:>10} {:>10.1f}", of.name, of.sent, per_s);
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) {
        fmt::format_to(to, " {:>9}", latency_text(of.ok, of.ok.quantile(q)));
    }
    fmt::format_to(to, " {:>9} {:>8}\n", latency_text(of.ok, static_cast<double>(of.ok.max())), of.errors);
}

void server(std::string& out, const RunResult& r) {
    auto to = std::back_inserter(out);
    if (!r.server_view) {
        fmt::format_to(to, "\nthe server's own numbers: none, {}\n", r.server_view_absent);
        return;
    }
    const ServerView& view = *r.server_view;
    fmt::format_to(to, "\n{:<24} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}\n", "by the server's /metrics", "requests",
                   "mean ms", "p50", "p95", "p99", "client p50");
    for (const Figures& one : r.operations) {
        const ServerView::Route* route = view.find(one.method, one.handler);
        if (route == nullptr) continue;
        fmt::format_to(to, "{:<24} {:>10} {:>10.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>9}\n", one.name, route->count,
                       route->mean_ms, route->p50_ms, route->p95_ms, route->p99_ms,
                       latency_text(one.ok, one.ok.quantile(0.5)));
    }
    fmt::format_to(to, "server: {:.1f} us of CPU a request, memory {:.1f} to {:.1f} MiB, open files {:.0f} to {:.0f}\n",
                   view.cpu_us_per_request, view.resident_before_mb, view.resident_after_mb, view.open_files_before,
                   view.open_files_after);
}

}  // namespace

std::string render_text(const RunResult& r) {
    std::string out;
    auto to = std::back_inserter(out);
    const bool open = r.plan.loop == Loop::kOpen;
    fmt::format_to(to, "{:<24} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n", "operation", "requests",
                   "good/s", "p50 ms", "p90", "p95", "p99", "p99.9", "max", "errors");
    for (const Figures& one : r.operations) {
        row(out, one, r.window_s > 0 ? static_cast<double>(one.good) / r.window_s : 0);
    }
    row(out, r.all, r.answers_per_s);
    for (const auto& [name, count] : r.all.errors_by) fmt::format_to(to, "error {}: {}\n", name, count);
    fmt::format_to(to, "{} loop; latency from {}; {:.1f} s measured; {:.1f} % of the questions were repeats\n",
                   open ? "open" : "closed", open ? "the moment a request was due" : "the moment a request was sent",
                   r.window_s, r.repeat_share() * 100);
    const std::uint64_t all = r.all.sent + r.warm_up;
    if (all > 0) {
        fmt::format_to(to, "this tool: {:.1f} us of CPU a request", r.generator_cpu_s * 1e6 / static_cast<double>(all));
        if (r.late.count() > 0) fmt::format_to(to, ", sent late by {:.3f} ms at p99", ms(r.late.quantile(0.99)));
        out.push_back('\n');
    }
    if (r.interrupted) fmt::format_to(to, "interrupted; {} requests were under way\n", r.cut_off);
    for (const LeftOut& one : r.left_out) fmt::format_to(to, "left out: {}: {}\n", one.name, one.reason);
    server(out, r);
    for (const SloOutcome& slo : r.slo) {
        fmt::format_to(to, "{} {} ({})\n", slo.met ? "met   " : "MISSED", slo.text, slo.shown);
    }
    return out;
}

}  // namespace tidegate::load
