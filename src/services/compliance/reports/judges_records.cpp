#include "services/compliance/reports/judges.h"

namespace tidegate::compliance::judges {
namespace {

using audit::Status;

constexpr const char* kNoDecision = "There is no decision of the question in the period.";

// A record waits for its batch (milliseconds) and for the answer to be ready, which the latency says; a minute more is not the log's way.
constexpr std::int64_t kLateMs = 60'000;
// Both times are of one clock; an id is rounded down to its millisecond.
constexpr std::int64_t kEarlyMs = 1;

bool is_decision(const Seen& seen) {
    return seen.is_decision();
}
bool is_answer(const Seen& seen) {
    return seen.is_decision() && seen.view.status == Status::kSuccess;
}
bool is_event(const Seen& seen, std::string_view service, std::string_view prefix) {
    return !seen.is_decision() && seen.view.service == service && seen.view.operation.starts_with(prefix);
}
bool is_reading(const Seen& seen) {
    return is_event(seen, "compliance", "access/");
}
bool is_review(const Seen& seen) {
    return is_reading(seen) || is_event(seen, "compliance", "report/");
}
bool is_hold(const Seen& seen) {
    return is_event(seen, "compliance", "hold/");
}

const char* model_flaw(const Seen& seen) {
    if (seen.view.service.empty() || seen.view.operation.empty()) return "names no service or operation";
    if (seen.view.model.empty()) return "names no model";
    return seen.view.model_version.empty() ? "names no version of the model" : nullptr;
}
const char* actor_flaw(const Seen& seen) {
    return seen.view.actor.empty() ? "does not say who" : nullptr;
}
const char* outcome_flaw(const Seen& seen) {
    if (seen.view.status != Status::kSuccess) return seen.view.error.empty() ? "does not say what went wrong" : nullptr;
    const bool says = !seen.view.output.empty() || !seen.view.band.empty() || seen.view.confidence.has_value();
    return says ? nullptr : "an answer was given and nothing of it is recorded";
}
const char* input_flaw(const Seen& seen) {
    return seen.view.input_hash == Sha256{} ? "carries no hash of its input" : nullptr;
}
const char* late_flaw(const Seen& seen) {
    if (seen.time > seen.view.recorded + kEarlyMs) return "recorded before the time that it states";
    // A latency that is not stated is 0 here: the time that the record states is all there is to go by.
    const std::int64_t waited = seen.view.recorded - seen.time - seen.view.latency_us / 1000;
    return waited > kLateMs ? "recorded more than a minute after it was made" : nullptr;
}
const char* order_flaw(const Seen& seen) {
    return seen.view.recorded < seen.recorded_before ? "recorded at an earlier time than the record before it"
                                                     : nullptr;
}
const char* no_flaw(const Seen&) {
    return nullptr;
}

RecordRule rule(bool (*applies)(const Seen&), const char* (*flaw)(const Seen&), const char* none = kNoDecision) {
    return {.applies = applies, .flaw = flaw, .none = Outcome::kCannotBeJudged, .none_reason = none};
}

}  // namespace

RecordRule names_model() {
    return rule(is_answer, model_flaw, "No decision of the question gave an answer in the period.");
}
RecordRule names_actor() {
    return rule(is_decision, actor_flaw);
}
RecordRule says_outcome() {
    return rule(is_decision, outcome_flaw);
}
RecordRule names_input() {
    return rule(is_decision, input_flaw);
}
RecordRule recorded_in_time() {
    return rule(is_decision, late_flaw);
}
RecordRule clock_in_order() {
    return rule(is_decision, order_flaw);
}
RecordRule reading_named() {
    return rule(is_reading, actor_flaw, "Nobody has read the record in the period, so that nothing shows who may.");
}
RecordRule was_reviewed() {
    return rule(is_review, no_flaw,
                "Nobody has read the record or had a report made of it in the period; reviews made elsewhere are not "
                "in the log.");
}
RecordRule holds_named() {
    return rule(is_hold, actor_flaw, "No legal hold was placed or released in the period.");
}

}  // namespace tidegate::compliance::judges
