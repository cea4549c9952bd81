// `tidegate perf analyze|optimize|monitor|report`: the performance layer of a running server, from the command line.
//
// Exit status 0: done. 1: the server cannot be asked, refuses, or (analyze) something is critical or became worse. 2: wrong use.
#include <fmt/core.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

#include "app/commands.h"
#include "app/failed.h"
#include "app/json_number.h"
#include "app/perf_client.h"
#include "app/perf_view.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "performance/report.h"
#include "performance/report_words.h"

namespace tidegate::app {
namespace {

constexpr std::string_view kPerfUsage =
    "perf takes one of:\n"
    "  analyze [--period 1h]\n"
    "  optimize [--type all|cache|memory|database|pools]\n"
    "  monitor [--duration 60s]\n"
    "  report [--period 24h] [--format json|html|md] [--output FILE]\n"
    "each with [--server URL] [--key KEY]; without a URL the server of the settings on this machine is asked";

using Rows = std::vector<std::vector<std::string>>;

int misused_perf(const std::string& message) {
    return wrong_use(message + "\n" + std::string(kPerfUsage));
}

std::string text_or_dash(json::Value of, std::string_view name) {
    const auto found = of.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : "-";
}

template <class Visit>
void each_in(json::Value of, std::string_view name, Visit&& visit) {
    const auto found = of.find(name);
    if (found && found->kind() == json::Kind::kArray) found->each(visit);
}

void print_section(std::string_view title, const std::vector<std::string>& head, const Rows& rows,
                   std::string_view nothing) {
    fmt::print("\n{}\n{}", title, rows.empty() ? std::string(nothing) + "\n" : text_table(head, rows));
}

/// Prints what the report says; true when something is critical or worse.
bool print_analysis(json::Value report, json::Value advice) {
    using performance::in_words;
    bool bad = false;
    const auto span = report.find("span");
    const auto requests = report.find("requests");
    fmt::print("{} to {}: {:.0f} requests, {:.0f} answered 5xx\n", text_or_dash(*span, "from"),
               text_or_dash(*span, "to"), json_number(*requests, "total"), json_number(*requests, "errors"));
    Rows health;
    each_in(*report.find("health"), "metrics", [&](json::Value one) {
        bad = bad || text_or_dash(one, "state") == "critical";
        health.push_back({text_or_dash(one, "name"), text_or_dash(one, "state"),
                          in_words(json_number(one, "value"), text_or_dash(one, "unit")), text_or_dash(one, "reason")});
    });
    print_section("state", {"measure", "state", "value", "why"}, health, "none");
    Rows slow;
    each_in(report, "slowest_routes", [&](json::Value one) {
        const auto times = one.find("response_times_ms");
        slow.push_back({text_or_dash(one, "method") + " " + text_or_dash(one, "route"),
                        in_words(json_number(one, "requests"), ""), in_words(json_number(*times, "p95"), ""),
                        in_words(json_number(*times, "p99"), ""), text_or_dash(one, "slow_stage"),
                        in_words(json_number(one, "slow_stage_percent"), "%"), text_or_dash(one, "basis")});
    });
    print_section("slowest routes", {"route", "requests", "p95 ms", "p99 ms", "slow stage", "share", "of"}, slow,
                  "no route has had 20 requests");
    Rows changed;
    each_in(*report.find("regressions"), "items", [&](json::Value one) {
        const std::string verdict = text_or_dash(one, "verdict");
        if (verdict != "worse" && verdict != "better") return;
        bad = bad || verdict == "worse";
        changed.push_back({text_or_dash(one, "name"), verdict,
                           in_words(json_number(one, "before"), text_or_dash(one, "unit")),
                           in_words(json_number(one, "now"), text_or_dash(one, "unit")),
                           in_words(json_number(one, "change_percent"), "%")});
    });
    const std::string why = text_or_dash(*report.find("regressions"), "reason");
    print_section("against the period before", {"what", "verdict", "before", "now", "change"}, changed,
                  why == "-" ? "nothing has changed" : why);
    Rows trends;
    bool tested = false;
    each_in(*report.find("trends"), "items", [&](json::Value one) {
        const std::string direction = text_or_dash(one, "direction");
        tested = tested || direction != "unknown";
        if (direction != "rising" && direction != "falling") return;
        trends.push_back({text_or_dash(one, "name"), direction, in_words(json_number(one, "change_percent"), "%")});
    });
    print_section("trends", {"measure", "direction", "over the period"}, trends,
                  tested ? "none is significant" : "too few blocks with samples to test for one");
    const auto capacity = report.find("capacity");
    const double rate = json_number(*capacity, "requests_per_second");
    fmt::print("\ncapacity\n{}\n", std::isnan(rate)
                                       ? text_or_dash(*capacity, "reason")
                                       : fmt::format("{:.0f} requests/s (95 % of the fit: {:.0f} to {:.0f})", rate,
                                                     json_number(*capacity, "low"), json_number(*capacity, "high")));
    Rows wanted;
    each_in(advice, "recommended",
            [&](json::Value one) { wanted.push_back({text_or_dash(one, "action"), text_or_dash(one, "reason")}); });
    print_section("recommended", {"action", "why"}, wanted, "nothing");
    return bad;
}

int analyze(ServerTalk& talk, const PerfWords& words) {
    const std::string period = words.one("--period").empty() ? "1h" : words.one("--period");
    if (const auto known = performance::parse_period(period); !known) return misused_perf(known.error().message);
    const auto report = talk.ask("GET", "/api/v1/performance/report?format=json&period=" + period);
    if (!report) return failed(report.error());
    const auto advice = talk.ask("GET", "/api/v1/performance/optimize");
    if (!advice) return failed(advice.error());
    const auto document = json::parse(*report);
    const auto more = json::parse(*advice);
    if (!document || !more) return failed({ErrorCode::kDataLoss, "the server's answer is no JSON"});
    for (const char* name : {"span", "requests", "health", "regressions", "trends", "capacity"}) {
        if (!document->root().find(name)) return failed({ErrorCode::kDataLoss, "the server's answer is no report"});
    }
    return print_analysis(document->root(), more->root()) ? 1 : 0;
}

int run_optimize(ServerTalk& talk, const PerfWords& words) {
    const std::string type = words.one("--type").empty() ? "all" : words.one("--type");
    const auto answer = talk.ask("POST", "/api/v1/performance/optimize?type=" + type);
    if (!answer) return failed(answer.error());
    const auto document = json::parse(*answer);
    if (!document) return failed(document.error());
    Rows rows;
    bool bad = false;
    each_in(document->root(), "actions", [&](json::Value one) {
        const std::string outcome = text_or_dash(one, "outcome");
        bad = bad || outcome == "failed";
        bool first = true;
        each_in(one, "changes", [&](json::Value change) {
            using performance::in_words;
            const std::string unit = text_or_dash(change, "unit");
            rows.push_back({first ? text_or_dash(one, "action") : "", first ? outcome : "",
                            text_or_dash(change, "name"), in_words(json_number(change, "before"), unit),
                            in_words(json_number(change, "after"), unit), first ? text_or_dash(one, "detail") : ""});
            first = false;
        });
    });
    fmt::print("{}", text_table({"action", "outcome", "measured", "before", "after", "detail"}, rows));
    return bad ? 1 : 0;
}

/// `90`, `90s`, `5m`, `1h`.
std::optional<Duration> duration_of(std::string_view words) {
    std::int64_t unit = 1;
    if (words.ends_with('m')) unit = 60;
    if (words.ends_with('h')) unit = 3600;
    if (words.ends_with('s') || unit != 1) words.remove_suffix(1);
    const auto count = parse_i64(words);
    if (!count || *count < 1 || *count * unit > 7 * 86'400) return std::nullopt;
    return std::chrono::seconds(*count * unit);
}

int monitor(ServerTalk& talk, const PerfWords& words) {
    const auto length = duration_of(words.one("--duration").empty() ? "60s" : words.one("--duration"));
    if (!length) return misused_perf("--duration is a time of up to a week: 90s, 5m, 1h");
    const SystemClock clock;
    const SteadyTime began = clock.now();
    const bool shows = ::isatty(STDERR_FILENO) == 1;
    LiveTotals totals;
    Result<void> readable;
    const auto listened = talk.listen(
        "/api/v1/performance/live",
        [&](std::string_view name, std::string_view data) {
            if (name == "sample") readable = totals.add(data);
            return readable.has_value();
        },
        [&] {
            const Duration past = clock.now() - began;
            const double done = std::chrono::duration<double>(past) / std::chrono::duration<double>(*length);
            if (shows) fmt::print(stderr, "\r{} {} samples ", progress_bar(done), totals.samples());
            return past < *length;
        });
    if (shows) fmt::print(stderr, "\n");
    if (!readable) return failed(readable.error());
    // What was seen until then is worth showing.
    fmt::print("{}", totals.table());
    return listened ? 0 : failed(listened.error());
}

int report(ServerTalk& talk, const PerfWords& words) {
    const std::string period = words.one("--period").empty() ? "24h" : words.one("--period");
    if (const auto known = performance::parse_period(period); !known) return misused_perf(known.error().message);
    const std::string output = words.one("--output");
    std::string format = words.one("--format");
    if (format.empty()) format = output.ends_with(".json") ? "json" : output.ends_with(".html") ? "html" : "md";
    if (format != "json" && format != "html" && format != "md") return misused_perf("--format is json, html or md");
    const auto answer = talk.ask("GET", "/api/v1/performance/report?format=" + format + "&period=" + period);
    if (!answer) return failed(answer.error());
    if (output.empty()) {
        fmt::print("{}", *answer);
        return 0;
    }
    SystemDisk disk;
    if (const auto written = disk.write_atomic(output, *answer); !written) return failed(written.error());
    fmt::print("{}: {} bytes\n", output, answer->size());
    return 0;
}

}  // namespace

int run_perf(const Invocation& invocation) {
    struct Verb {
        std::string_view name;
        std::vector<std::string_view> options;
        int (*run)(ServerTalk&, const PerfWords&);
    };
    const Verb verbs[] = {{"analyze", {"--server", "--key", "--period"}, analyze},
                          {"optimize", {"--server", "--key", "--type"}, run_optimize},
                          {"monitor", {"--server", "--key", "--duration"}, monitor},
                          {"report", {"--server", "--key", "--period", "--format", "--output"}, report}};
    const std::string asked = invocation.words.empty() ? std::string() : invocation.words.front();
    for (const Verb& verb : verbs) {
        if (verb.name != asked) continue;
        const auto words = PerfWords::read(invocation.words, 1, verb.options, {});
        if (!words) return misused_perf(words.error().message);
        const auto talk = ServerTalk::open(invocation, *words);
        if (!talk) return misused_perf(talk.error().message);
        return verb.run(**talk, *words);
    }
    return wrong_use(std::string(kPerfUsage));
}

}  // namespace tidegate::app
