#include "services/compliance/drift/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/html.h"
#include "services/compliance/drift/alert_json.h"

namespace tidegate::compliance {
namespace {

using drift::Alert;
using drift::FeatureLook;
using drift::Stream;
using drift::TestResult;

struct Counts {
    std::size_t streams = 0;
    std::size_t watching = 0;
    std::size_t drifted = 0;
    std::array<std::size_t, 4> alerts{};  // By state.
};

std::vector<const Alert*> wanted_alerts(const ReportInput& input) {
    std::vector<const Alert*> alerts = input.alerts.list(input.monitor.options().streams_max * 1000, false);
    std::erase_if(alerts, [&](const Alert* alert) { return !input.wanted(alert->key.tenant, alert->key.service); });
    return alerts;
}

std::vector<const Stream*> wanted_streams(const ReportInput& input) {
    std::vector<const Stream*> streams = input.monitor.streams();
    std::erase_if(streams, [&](const Stream* one) { return !input.wanted(one->key().tenant, one->key().service); });
    return streams;
}

Counts count(const std::vector<const Stream*>& streams, const std::vector<const Alert*>& alerts) {
    Counts counts;
    counts.streams = streams.size();
    for (const Stream* const stream : streams) {
        if (stream->watching()) ++counts.watching;
        if (std::ranges::any_of(stream->last_look().features, &FeatureLook::drifted)) ++counts.drifted;
    }
    for (const Alert* const alert : alerts) ++counts.alerts[static_cast<std::size_t>(alert->state)];
    return counts;
}

void append_tests(std::string& out, const Stream& stream) {
    out +=
        "<table><thead><tr><th>feature</th><th>test</th><th>n</th><th>reference n</th><th>statistic</th>"
        "<th>threshold</th><th>effect</th><th>least effect</th><th>p</th><th>p, corrected</th><th>drifted</th>"
        "<th>share</th></tr></thead><tbody>";
    for (const FeatureLook& feature : stream.last_look().features) {
        for (std::size_t i = 0; i < feature.results.size(); ++i) {
            const TestResult& one = feature.results[i];
            out += fmt::format("<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td>", i > 0 ? " class=\"more\"" : "",
                               escape_html(feature.feature), to_string(one.kind), one.n, one.m);
            if (one.enough) {
                out += fmt::format("<td>{:.4g}</td><td>{:.4g}</td><td>{:.4g}</td><td>{:.4g}</td><td>{:.3g}</td>",
                                   one.statistic, one.threshold, one.effect, one.effect_min, one.p);
            } else {
                out += fmt::format("<td colspan=\"5\">{}</td>", one.note);
            }
            if (i == 0) {
                out += fmt::format("<td>{:.3g}</td><td>{}</td><td>{:.0f} %</td></tr>", feature.p_adjusted,
                                   feature.drifted ? "yes" : "no", 100 * feature.contribution);
            } else {
                out += "<td></td><td>shown, does not decide</td><td></td></tr>";
            }
        }
    }
    out += "</tbody></table>";
}

void append_stream(std::string& out, const Stream& stream, const drift::MonitorOptions& options) {
    out += fmt::format("<section><h2>{}</h2>", escape_html(to_string(stream.key())));
    out +=
        fmt::format("<p>{} decisions seen, the last at {}.</p>", stream.decisions(), format_rfc3339(stream.last_at()));
    if (!stream.baselines().empty()) {
        const drift::Baseline& baseline = stream.baselines().back();
        out += fmt::format("<p>Baseline {}: {} decisions from {} to {} ({}).</p>", baseline.number, baseline.n,
                           format_rfc3339(baseline.from), format_rfc3339(baseline.to), escape_html(baseline.reason));
    }
    if (!stream.watching()) {
        out += fmt::format("<p>A baseline is being collected: {} of {} decisions. Nothing can be judged yet.</p>",
                           stream.collected(), options.baseline);
    } else if (stream.last_look().number == 0) {
        out += fmt::format("<p>No look yet: {} of {} decisions in the window.</p>", stream.fresh(), options.window);
    } else {
        const drift::Look& look = stream.last_look();
        out += fmt::format("<p>Look {} at {}: {} decisions, level {:.3g}.</p>", look.number, format_rfc3339(look.at),
                           look.n, look.level);
        append_tests(out, stream);
    }
    out += "</section>";
}

void append_alerts(std::string& out, const std::vector<const Alert*>& alerts) {
    out += "<section><h2>Alerts</h2>";
    if (alerts.empty()) out += "<p>None.</p>";
    if (!alerts.empty()) {
        out +=
            "<table><thead><tr><th>id</th><th>state</th><th>stream</th><th>feature</th><th>opened</th>"
            "<th>last seen</th><th>looks</th><th>test</th><th>n</th><th>effect</th><th>p</th>"
            "</tr></thead><tbody>";
    }
    for (const Alert* const alert : alerts) {
        const drift::AlertKey& key = alert->key;
        out += fmt::format(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>", alert->id,
            to_string(alert->state),
            escape_html(to_string(drift::StreamKey{key.service, key.operation, key.model, key.tenant, key.segment})),
            escape_html(key.feature), format_rfc3339(alert->opened), format_rfc3339(alert->last_seen), alert->seen);
        out += fmt::format("<td>{}</td><td>{}</td><td>{:.4g}</td><td>{:.3g}</td></tr>", escape_html(alert->worst.test),
                           alert->worst.n, alert->worst.effect, alert->worst.p);
    }
    if (!alerts.empty()) out += "</tbody></table>";
    out += "</section>";
}

}  // namespace

std::string report_json(const ReportInput& input) {
    const auto streams = wanted_streams(input);
    const auto alerts = wanted_alerts(input);
    const Counts counts = count(streams, alerts);
    const drift::MonitorOptions& options = input.monitor.options();
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("generated_at", format_rfc3339(input.now));
    writer.key("summary").begin_object().field("streams", counts.streams).field("watching", counts.watching);
    writer.field("drifted", counts.drifted).field("alerts_open", counts.alerts[0]);
    writer.field("alerts_acknowledged", counts.alerts[1]).field("alerts_resolved", counts.alerts[2]);
    writer.field("alerts_suppressed", counts.alerts[3]).end_object();
    writer.key("budget").begin_object().field("false_alarms_a_month_and_stream", options.alarms_a_month);
    writer.field("baseline_decisions", options.baseline).field("window_decisions", options.window).end_object();
    writer.key("alerts").begin_array();
    for (const Alert* const alert : alerts) append_json(writer, *alert);
    writer.end_array().key("streams").begin_array();
    for (const Stream* const stream : streams) append_json(writer, *stream, options);
    writer.end_array().end_object();
    return out;
}

std::string report_html(const ReportInput& input) {
    const auto streams = wanted_streams(input);
    const auto alerts = wanted_alerts(input);
    const Counts counts = count(streams, alerts);
    std::string out =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Drift report</title><style>"
        "body{font:14px/1.4 sans-serif;margin:2em;color:#111}table{border-collapse:collapse;margin:.5em 0}"
        "th,td{border:1px solid #999;padding:.2em .5em;text-align:left}tr.more{color:#555}"
        "section{break-inside:avoid-page}h2{font-size:1.1em}</style></head><body><h1>Drift report</h1>";
    out += fmt::format(
        "<p>Made {}. {} streams, {} with a baseline, {} of them drifted at the last look. Alerts: {} open, {} "
        "acknowledged, {} suppressed, {} resolved.</p>",
        format_rfc3339(input.now), counts.streams, counts.watching, counts.drifted, counts.alerts[0], counts.alerts[1],
        counts.alerts[3], counts.alerts[2]);
    out += fmt::format(
        "<p>Each stream may raise {:.4g} false alarms in 30 days on average while nothing changes. A feature "
        "counts as drifted only when it is significant after all corrections and its effect is at least "
        "the one stated.</p>",
        input.monitor.options().alarms_a_month);
    append_alerts(out, alerts);
    for (const Stream* const stream : streams) append_stream(out, *stream, input.monitor.options());
    return out + "</body></html>\n";
}

}  // namespace tidegate::compliance
