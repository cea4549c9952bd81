#include "audit/verify/report.h"

#include <fmt/core.h>

#include <array>

#include "base/json_writer.h"

namespace tidegate::audit::verify {
namespace {

constexpr std::array<std::string_view, 16> kKindNames{
    "header_damaged",   "batch_damaged",      "record_malformed", "footer_wrong",
    "head_wrong",       "foreign_segment",    "overlap",          "root_mismatch",
    "forked",           "foreign_checkpoint", "bad_signature",    "checkpoint_malformed",
    "checkpoint_order", "segment_missing",    "records_missing",  "truncated"};

std::string_view verdict_name(Verdict verdict, std::string_view holds, std::string_view broken) {
    return verdict == Verdict::kHolds ? holds : verdict == Verdict::kBroken ? broken : "not judged";
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
    return kKindNames[static_cast<std::size_t>(kind)];
}

void Report::add(Kind kind, std::string text) {
    (is_of_completeness(kind) ? completeness_broken : integrity_broken) = true;
    if (findings.size() < kFindingsMax) findings.push_back({kind, std::move(text)});
    ++findings_total;
}

void Report::note_unsigned() {
    if (end_leaf > signed_leaves) {
        notes.push_back(fmt::format("the last {} record(s) are under no checkpoint yet", end_leaf - signed_leaves));
    }
    if (!keys_given) {
        not_judged = "no key was given, so no checkpoint can be trusted";
    } else if (checkpoints == 0) {
        not_judged = "there is no checkpoint signed by a known key";
    } else if (checkpoints_proven == 0) {
        not_judged = "no checkpoint could be proven by the records";
    }
}

Verdict Report::completeness() const noexcept {
    if (completeness_broken) return Verdict::kBroken;
    return not_judged.empty() ? Verdict::kHolds : Verdict::kNotJudged;
}

int Report::exit_code() const noexcept {
    if (integrity_broken || completeness_broken) return 1;
    return not_judged.empty() ? 0 : 3;
}

std::string to_text(const Report& report) {
    std::string text = fmt::format("log {}: {} records (leaves {} to {}) in {} segments, {} bytes\n",
                                   report.log_id.empty() ? "-" : report.log_id, report.records, report.first_leaf,
                                   report.end_leaf, report.segments, report.bytes);
    text += fmt::format("checkpoints: {} believed{}, {} proven by the records, the largest of {} leaves\n",
                        report.checkpoints, report.keys_given ? "" : " without a key", report.checkpoints_proven,
                        report.signed_leaves);
    if (!report.root.empty()) text += "root: " + report.root + "\n";
    for (const Finding& finding : report.findings)
        text += fmt::format("FOUND {}: {}\n", to_string(finding.kind), finding.text);
    if (report.findings_total > report.findings.size()) {
        text += fmt::format("... and {} more\n", report.findings_total - report.findings.size());
    }
    for (const std::string& note : report.notes) text += "note: " + note + "\n";
    text += fmt::format("integrity: {}\n", verdict_name(report.integrity(), "sound", "BROKEN"));
    text += fmt::format("completeness: {}{}\n", verdict_name(report.completeness(), "complete", "INCOMPLETE"),
                        report.completeness() == Verdict::kNotJudged ? " (" + report.not_judged + ")" : "");
    return text;
}

std::string to_json(const Report& report) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    writer.field("integrity", verdict_name(report.integrity(), "sound", "broken"));
    writer.field("completeness", verdict_name(report.completeness(), "complete", "incomplete"));
    writer.key("completeness_not_judged_because");
    report.not_judged.empty() ? writer.null() : writer.value(report.not_judged);
    writer.field("log_id", report.log_id).field("segments", report.segments).field("records", report.records);
    writer.field("first_leaf", report.first_leaf).field("end_leaf", report.end_leaf).field("bytes", report.bytes);
    writer.key("root");
    report.root.empty() ? writer.null() : writer.value(report.root);
    writer.field("keys_given", report.keys_given).field("checkpoints", report.checkpoints);
    writer.field("checkpoints_proven", report.checkpoints_proven).field("signed_leaves", report.signed_leaves);
    writer.field("findings_total", report.findings_total).key("findings").begin_array();
    for (const Finding& finding : report.findings) {
        writer.begin_object().field("kind", to_string(finding.kind));
        writer.field("of", is_of_completeness(finding.kind) ? "completeness" : "integrity");
        writer.field("text", finding.text).end_object();
    }
    writer.end_array().key("notes").begin_array();
    for (const std::string& note : report.notes) writer.value(note);
    writer.end_array().end_object();
    return out;
}

}  // namespace tidegate::audit::verify
