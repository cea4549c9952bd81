#include <fmt/format.h>

#include <string_view>

#include "base/html.h"
#include "services/compliance/reports/report.h"

namespace tidegate::compliance {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#bbb;--soft:#f3f3f3;--holds:#0b5d1e;--fails:#9b1c1c;--open:#6b4e00}
@media (prefers-color-scheme:dark){:root{--ink:#eee;--paper:#141414;--line:#555;--soft:#222;--holds:#7ddc93;--fails:#ff9b9b;--open:#f0cf75}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;line-height:1.2}h2{font-size:1.15rem;margin-top:2rem}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
section.control{border:1px solid var(--line);border-radius:.4rem;padding:.2rem 1rem 1rem;margin:1rem 0}
.outcome{font-weight:700}.holds{color:var(--holds)}.fails{color:var(--fails)}.cannot_be_judged{color:var(--open)}
table{border-collapse:collapse;width:100%;font-size:.9rem}caption{text-align:left;font-weight:600;padding:.4rem 0}
th,td{border:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
pre{background:var(--soft);padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
@media print{@page{size:A4;margin:18mm}:root{color-scheme:light;--ink:#000;--paper:#fff;--line:#888;--soft:#fff;--holds:#000;--fails:#000;--open:#000}
body{font-size:10.5pt;margin:0;max-width:none;padding:0}section.control{break-inside:avoid-page}tr{break-inside:avoid}h2,h3{break-after:avoid}}
)";

std::string_view words(Outcome outcome) {
    switch (outcome) {
        case Outcome::kHolds:
            return "Holds";
        case Outcome::kFails:
            return "Fails";
        case Outcome::kCannotBeJudged:
            return "Cannot be judged";
    }
    return "";
}

void pair(std::string& out, std::string_view name, std::string_view value) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_html(name), escape_html(value));
}

void append_question(std::string& out, const Report& report) {
    out += "<h2>What was asked</h2>\n<dl>\n";
    pair(out, "From", format_rfc3339(report.query.from));
    pair(out, "To (exclusive)", format_rfc3339(report.query.to));
    pair(out, "Tenant",
         !report.query.tenant           ? "all"
         : report.query.tenant->empty() ? "records without one"
                                        : *report.query.tenant);
    pair(out, "Service", report.query.service.value_or("all"));
    pair(out, "Model", report.query.model.value_or("all"));
    if (!report.query.subject.empty()) pair(out, "Subject", report.query.subject);
    pair(out, "Made at", format_rfc3339(report.made));
    pair(out, "Log", report.log_id);
    if (!report.event_id.empty()) pair(out, "Recorded as", report.event_id);
    pair(out, "Read",
         fmt::format("{} records; {} decisions and {} events of the question", report.read, report.decisions,
                     report.events));
    for (const LeafRange& range : report.leaves) {
        pair(out, "Leaves", fmt::format("from {} to {} (exclusive)", range.from, range.to));
    }
    out += "</dl>\n";
    if (report.notes.empty()) return;
    out += "<ul>\n";
    for (const std::string& note : report.notes) out += fmt::format("<li>{}</li>\n", escape_html(note));
    out += "</ul>\n";
}

void append_overview(std::string& out, const Report& report) {
    out +=
        "<h2>Outcomes</h2>\n<table>\n<caption>Every control with its outcome</caption>\n<thead><tr><th "
        "scope=\"col\">Control</th><th scope=\"col\">Reference</th><th scope=\"col\">Outcome</th><th "
        "scope=\"col\">Looked at</th><th "
        "scope=\"col\">Failing</th></tr></thead>\n<tbody>\n";
    for (const ControlResult& control : report.controls) {
        out += fmt::format(
            "<tr><th scope=\"row\"><a href=\"#{0}\">{0}</a></th><td>{1}</td><td class=\"outcome "
            "{2}\">{3}</td><td>{4}</td><td>{5}</td></tr>\n",
            escape_html(control.id), escape_html(control.reference), to_string(control.outcome), words(control.outcome),
            control.n, control.failing);
    }
    out += "</tbody>\n</table>\n";
}

void append_rows(std::string& out, const ControlResult& control) {
    if (control.rows.empty()) return;
    out += fmt::format(
        "<table>\n<caption>{} of {} that fail</caption>\n<thead><tr><th scope=\"col\">Id</th><th "
        "scope=\"col\">Leaf</th><th "
        "scope=\"col\">Time</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n",
        control.rows.size(), control.failing);
    for (const FailingRow& row : control.rows) {
        out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", escape_html(row.id),
                           row.leaf ? std::to_string(*row.leaf) : "", format_rfc3339(row.time), escape_html(row.why));
    }
    out += "</tbody>\n</table>\n";
}

void append_control(std::string& out, const ControlResult& control) {
    out += fmt::format(
        "<section class=\"control\" id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h3 id=\"{0}-title\">{0}: {1}</h3>\n<p "
        "class=\"outcome {2}\">{3}</p>\n<dl>\n",
        escape_html(control.id), escape_html(control.must), to_string(control.outcome), words(control.outcome));
    pair(out, "Why", control.reason);
    pair(out, "Reference", control.reference);
    pair(out, "Judged by", control.how);
    pair(out, "Over", control.whole_log ? "the log of all tenants" : "the records of the question");
    pair(out, "Looked at", std::to_string(control.n));
    pair(out, "Failing", std::to_string(control.failing));
    if (control.evidence) {
        pair(out, "To see it",
             fmt::format("{} {} {}", control.evidence->method, control.evidence->path, control.evidence->body));
    }
    out += "</dl>\n";
    append_rows(out, control);
    out += "</section>\n";
}

void append_check(std::string& out, const Report& report) {
    out += "<h2>How to check this report later</h2>\n";
    if (!report.head) {
        out += "<p>The log had not been signed when it was made.</p>\n";
        return;
    }
    out += fmt::format(
        "<p>It was made under this checkpoint of {} records, signed at {}. Keep it: <code>tidegate audit verify FOLDER "
        "--key KEY --checkpoint "
        "FILE</code> shows that the log still is what it was.</p>\n<pre>{}</pre>\n<p>The key that "
        "signs:</p>\n<pre>{}</pre>\n",
        report.head->head.size, format_rfc3339(report.head->time), escape_html(report.head->note),
        escape_html(report.head->verifier));
}

}  // namespace

std::string to_html(const Report& report) {
    std::string out =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\">\n";
    out += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p>{}</p>\n",
                       escape_html(report.title), kStyle, escape_html(report.title), escape_html(report.preface));
    append_question(out, report);
    append_overview(out, report);
    out += "<h2>Controls</h2>\n";
    for (const ControlResult& control : report.controls) append_control(out, control);
    append_check(out, report);
    out += "</main>\n</body>\n</html>\n";
    return out;
}

}  // namespace tidegate::compliance
