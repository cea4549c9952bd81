// The report for the GDPR; with a subject, what the log holds on one actor.
#include "base/json.h"
#include "services/compliance/reports/judges.h"

namespace tidegate::compliance {
namespace {

bool is_of_subject(const Seen& seen) {
    return seen.is_decision() && !seen.query.subject.empty() && seen.view.actor == seen.query.subject;
}
const char* access_flaw(const Seen& seen) {
    if (seen.view.service.empty() || seen.view.operation.empty()) return "does not say for what it was processed";
    const bool answered = seen.view.status == audit::Status::kSuccess;
    return answered && seen.view.model.empty() ? "does not say by which model it was decided" : nullptr;
}
const char* export_flaw(const Seen& seen) {
    if (seen.view.output.empty() || json::parse(seen.view.output)) return nullptr;
    return "its output is not JSON, and not readable by machine";
}
bool is_erasure(const Seen& seen) {
    return !seen.is_decision() && seen.view.service == "compliance" && seen.view.operation.starts_with("erase/");
}
const char* erasure_flaw(const Seen& seen) {
    if (seen.view.status != audit::Status::kSuccess) return "the erasure did not succeed";
    const auto said = json::parse(seen.view.output);
    const bool states = said && said->root().kind() == json::Kind::kObject && said->root().find("keys_destroyed");
    return states ? nullptr : "does not say what was destroyed";
}
bool is_decision(const Seen& seen) {
    return seen.is_decision();
}
RecordRule of_subject(const char* (*flaw)(const Seen&)) {
    return {.applies = is_of_subject,
            .flaw = flaw,
            .none = Outcome::kHolds,
            .none_reason = "The log holds no decision of the subject in the period.",
            .needs_subject = true};
}

std::vector<Control> rights() {
    return {
        {.id = "GDPR-1",
         .reference = "Regulation (EU) 2016/679 Art. 15(1)",
         .must = "What the log holds on the subject can be given, with what it was processed for and by which model.",
         .how =
             "Each decision whose `actor` is the subject names service, operation and, where it answered, the model.",
         .judge = of_subject(access_flaw),
         .evidence = Evidence::kSubject},
        {.id = "GDPR-2",
         .reference = "Regulation (EU) 2016/679 Art. 20(1)",
         .must = "The subject's records can be handed out in a form that machines read.",
         .how = "Each output is JSON. POST /api/compliance/export with `actor` and `\"format\":\"ndjson\"` hands them "
                "out.",
         .judge = of_subject(export_flaw),
         .evidence = Evidence::kSubject},
        {.id = "GDPR-3",
         .reference = "Regulation (EU) 2016/679 Art. 17(1)",
         .must = "Erasures that were asked for were made: the keys of the content are destroyed, and the log says so.",
         .how = "Each event `erase/...` succeeded and states how many keys were destroyed. It names subjects by a "
                "keyed hash alone, so that "
                "those of all subjects are shown.",
         .judge = RecordRule{.applies = is_erasure,
                             .flaw = erasure_flaw,
                             .none = Outcome::kCannotBeJudged,
                             .none_reason =
                                 "No erasure was made in the period; requests that nobody entered are not in the log."},
         .evidence = Evidence::kEvents},
        {.id = "GDPR-4",
         .reference = "Regulation (EU) 2016/679 Art. 22, 15(1)(h)",
         .must = "Who is affected by a decision made by machine alone can have a person look at it and get the logic "
                 "explained.",
         .how = "Not from the log.",
         .judge =
             NotRecorded{
                 "Whether a person took part in a decision, and an explanation of it, are not part of its record."}},
    };
}

std::vector<Control> duties() {
    return {
        {.id = "GDPR-5",
         .reference = "Regulation (EU) 2016/679 Art. 30(1)",
         .must = "The records name the processing that they belong to.",
         .how = "Service, operation and, of an answer, the model are not empty. Purposes, recipients and transfers are "
                "not in the log.",
         .judge = RecordRule{.applies = is_decision,
                             .flaw = access_flaw,
                             .none = Outcome::kCannotBeJudged,
                             .none_reason = "There is no decision of the question in the period."},
         .evidence = Evidence::kDecisions},
        {.id = "GDPR-6",
         .reference = "Regulation (EU) 2016/679 Art. 5(1)(e)",
         .must = "Records are kept no longer than a schedule says.",
         .how = "A schedule is set, and the oldest record of the log is no older than that and a day.",
         .judge = judges::limited_storage(),
         .evidence = Evidence::kRetention,
         .whole_log = true},
        {.id = "GDPR-7",
         .reference = "Regulation (EU) 2016/679 Art. 5(1)(f), 32(1)",
         .must = "Records cannot be altered without that being seen.",
         .how = "Every record of the leaf ranges is read, hashed again and folded with the rest of the tree; the root "
                "must be the signed one.",
         .judge = judges::unaltered(),
         .evidence = Evidence::kCheckpoint,
         .whole_log = true},
        {.id = "GDPR-8",
         .reference = "Regulation (EU) 2016/679 Art. 5(2), 32(1)(b)",
         .must = "It is seen who has read the records.",
         .how = "Each reading leaves an event `access/...`; each of them names who read.",
         .judge = judges::reading_named(),
         .evidence = Evidence::kEvents},
        {.id = "GDPR-9",
         .reference = "Regulation (EU) 2016/679 Art. 5(1)(a), 6",
         .must = "There is a legal ground for the processing.",
         .how = "Not from the log.",
         .judge = NotRecorded{"Consent, contracts and other grounds are not part of a decision's record."}},
    };
}

}  // namespace

Definition gdpr_definition() {
    std::vector<Control> controls = rights();
    for (Control& control : duties()) controls.push_back(std::move(control));
    return {
        .name = "gdpr",
        .title = "GDPR: personal data in the record of decisions (Art. 5, 15, 17, 20, 22 and 30)",
        .scope = "A subject is an actor as decisions name it, a key or a token; who that is, the log does not know.",
        .controls = std::move(controls),
    };
}

}  // namespace tidegate::compliance
