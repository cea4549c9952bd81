#include <algorithm>

#include "base/json_writer.h"
#include "services/compliance/reports/report.h"

namespace tidegate::compliance {
namespace {

void append(JsonWriter& writer, const FailingRow& row) {
    writer.begin_object().field("id", row.id);
    writer.field("leaf", row.leaf);
    writer.field("time", format_rfc3339(row.time)).field("why", row.why).end_object();
}

void append(JsonWriter& writer, const ControlResult& control) {
    writer.begin_object();
    writer.field("id", control.id).field("reference", control.reference).field("must", control.must);
    writer.field("how", control.how).field("over", control.whole_log ? "whole_log" : "question");
    writer.field("outcome", to_string(control.outcome)).field("reason", control.reason);
    writer.field("n", control.n).field("failing", control.failing);
    writer.key("rows").begin_array();
    for (const FailingRow& row : control.rows) append(writer, row);
    writer.end_array();
    writer.field("rows_truncated", control.failing > control.rows.size());
    writer.key("query");
    if (!control.evidence) {
        writer.null();
    } else {
        writer.begin_object().field("method", control.evidence->method).field("path", control.evidence->path);
        if (!control.evidence->body.empty()) writer.key("body").raw(control.evidence->body);
        writer.end_object();
    }
    writer.end_object();
}

void append(JsonWriter& writer, const ReportQuery& query) {
    writer.begin_object();
    writer.field("from", format_rfc3339(query.from)).field("to", format_rfc3339(query.to));
    writer.field("tenant", query.tenant).field("service", query.service).field("model", query.model);
    if (!query.subject.empty()) writer.field("subject", query.subject);
    writer.end_object();
}

void append_checkpoint(JsonWriter& writer, const std::optional<ReportHead>& head) {
    writer.key("checkpoint");
    if (!head) {
        writer.null();
        return;
    }
    writer.begin_object().field("size", head->head.size).field("root", to_hex(head->head.root));
    writer.field("time", format_rfc3339(head->time)).field("note", head->note);
    writer.field("verifier_key", head->verifier).end_object();
}

void append_summary(JsonWriter& writer, const Report& report) {
    const auto count = [&](Outcome outcome) {
        return std::ranges::count(report.controls, outcome, &ControlResult::outcome);
    };
    writer.key("summary").begin_object();
    for (const Outcome outcome : {Outcome::kHolds, Outcome::kFails, Outcome::kCannotBeJudged}) {
        writer.field(to_string(outcome), count(outcome));
    }
    writer.end_object();
}

}  // namespace

std::string to_json(const Report& report) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("report", report.name).field("title", report.title).field("preface", report.preface);
    writer.key("question");
    append(writer, report.query);
    writer.field("made_at", format_rfc3339(report.made));
    writer.key("event_id");
    report.event_id.empty() ? writer.null() : writer.value(report.event_id);
    writer.field("log_id", report.log_id);
    append_checkpoint(writer, report.head);
    writer.key("leaves").begin_array();
    for (const LeafRange& range : report.leaves) {
        writer.begin_object().field("from", range.from).field("to", range.to).end_object();
    }
    writer.end_array();
    writer.field("records_read", report.read).field("decisions", report.decisions).field("events", report.events);
    writer.key("notes").begin_array();
    for (const std::string& note : report.notes) writer.value(note);
    writer.end_array();
    append_summary(writer, report);
    writer.key("controls").begin_array();
    for (const ControlResult& control : report.controls) append(writer, control);
    writer.end_array().end_object();
    return out;
}

}  // namespace tidegate::compliance
