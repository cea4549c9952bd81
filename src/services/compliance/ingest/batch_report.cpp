#include "services/compliance/ingest/batch_report.h"

#include "base/json_writer.h"

namespace tidegate::compliance::ingest {

std::string* BatchReport::place(bool is_fault) {
    if (each_line_) return &text_;
    if (!is_fault) return nullptr;
    if (faults_kept_ == kFaultsMax) {
        ++faults_left_out_;
        return nullptr;
    }
    if (faults_kept_++ > 0) faults_.push_back(',');
    return &faults_;
}

void BatchReport::add(std::uint64_t line, const Outcome& outcome) {
    ++counts_[static_cast<std::size_t>(outcome.kind)];
    const bool is_fault = outcome.kind == Outcome::Kind::kConflict || outcome.kind == Outcome::Kind::kFailed;
    std::string* const out = place(is_fault);
    if (out == nullptr) return;
    JsonWriter writer(*out);
    writer.begin_object().field("line", line).field("outcome", to_string(outcome.kind));
    if (outcome.error) {
        writer.field("error", to_string(outcome.error->code)).field("detail", outcome.error->message);
    } else {
        writer.field("decision_id", tidegate::to_string(outcome.id)).field("leaf", outcome.leaf);
    }
    writer.end_object();
    if (each_line_) out->push_back('\n');
}

void BatchReport::add_invalid(std::uint64_t line, const Faults& faults) {
    ++invalid_;
    std::string* const out = place(true);
    if (out == nullptr) return;
    JsonWriter writer(*out);
    writer.begin_object().field("line", line).field("outcome", "invalid").key("errors").begin_array();
    for (const pipeline::FieldError& fault : faults) {
        writer.begin_object().field("field", fault.field).field("message", fault.message).field("type", fault.type);
        writer.end_object();
    }
    writer.end_array().end_object();
    if (each_line_) out->push_back('\n');
}

std::string BatchReport::end(std::uint64_t lines, bool stopped) const {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    if (each_line_) writer.field("end", true);
    writer.field("lines", lines).field("recorded", of(Outcome::Kind::kRecorded));
    writer.field("duplicates", of(Outcome::Kind::kDuplicate)).field("conflicts", conflicts());
    writer.field("invalid", invalid_).field("failed", failed()).field("stopped", stopped);
    if (!each_line_) {
        writer.key("errors").raw("[" + faults_ + "]").field("errors_left_out", faults_left_out_);
    }
    writer.end_object();
    if (each_line_) out.push_back('\n');
    return out;
}

}  // namespace tidegate::compliance::ingest
