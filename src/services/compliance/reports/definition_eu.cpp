// The reports for MiFID II and the AI Act.
#include "services/compliance/reports/judges.h"

namespace tidegate::compliance {
namespace {

constexpr const char* kGapHow =
    "A record that could not be stored after its answer went out leaves an event `audit` `gap`; there is none.";
constexpr const char* kModelHow =
    "Service, operation, model and version are not empty in any decision that gave an answer.";
constexpr const char* kAlertsHow =
    "Each drift alert opened in the period was acknowledged, resolved or suppressed by a person.";
constexpr const char* kNotFromLog = "Not from the log.";

std::vector<Control> mifid2_decisions() {
    return {{.id = "MIFID2-1",
             .reference = "Directive 2014/65/EU Art. 16(6)",
             .must = "The records are enough to see what was decided: each says its outcome, or what went wrong.",
             .how = "An output, a class or a confidence on success; an error otherwise.",
             .judge = judges::says_outcome(),
             .evidence = Evidence::kDecisions},
            {.id = "MIFID2-2",
             .reference = "Directive 2014/65/EU Art. 17(2); Delegated Regulation (EU) 2017/589 (RTS 6)",
             .must = "Each decision names the algorithm, in its version.",
             .how = kModelHow,
             .judge = judges::names_model(),
             .evidence = Evidence::kDecisions},
            {.id = "MIFID2-3",
             .reference = "Directive 2014/65/EU Art. 16(6)",
             .must = "Each decision says who caused it.",
             .how = "`actor` is not empty.",
             .judge = judges::names_actor(),
             .evidence = Evidence::kDecisions},
            {.id = "MIFID2-4",
             .reference = "Directive 2014/65/EU Art. 17(2); RTS 6 Art. 28",
             .must = "The records are in the order of time.",
             .how = "The recorder's time of each record is not before that of the record in front of it.",
             .judge = judges::clock_in_order(),
             .evidence = Evidence::kDecisions},
            {.id = "MIFID2-5",
             .reference = "Delegated Regulation (EU) 2017/565 Art. 72(1)",
             .must = "The records cannot be altered without that being seen.",
             .how = kRehashHow,
             .judge = judges::unaltered(),
             .evidence = Evidence::kCheckpoint,
             .whole_log = true},
            {.id = "MIFID2-6",
             .reference = "Directive 2014/65/EU Art. 16(6)",
             .must = "No record was lost in the period.",
             .how = kGapHow,
             .judge = judges::without_gaps(),
             .evidence = Evidence::kEvents,
             .operation = "gap",
             .whole_log = true}};
}

std::vector<Control> mifid2_keeping() {
    return {{.id = "MIFID2-7",
             .reference = "Directive 2014/65/EU Art. 16(7); RTS 6 Art. 28(3)",
             .must = "Records are kept for five years.",
             .how = kKeptHow,
             .judge = judges::kept_five_years(),
             .evidence = Evidence::kRetention,
             .whole_log = true},
            {.id = "MIFID2-8",
             .reference = "Delegated Regulation (EU) 2017/565 Art. 72(1)(a)",
             .must = "The authority can get at the records readily.",
             .how = "Up to 100 records, evenly spread over the period, are looked up by their ids through the index.",
             .judge = judges::retrievable(),
             .evidence = Evidence::kDecisions},
            {.id = "MIFID2-9",
             .reference = "Directive 2014/65/EU Art. 17(1); RTS 6 Art. 16",
             .must = "What the algorithms do is watched, and warnings are taken up.",
             .how = kAlertsHow,
             .judge = judges::alerts_taken_up(),
             .evidence = Evidence::kAlerts},
            {.id = "MIFID2-10",
             .reference = "Delegated Regulation (EU) 2017/574 (RTS 25) Art. 2 and 3, and its successor",
             .must = "Times are as fine as the activity wants: 1 ms or coarser for most, 1 microsecond for "
                     "high-frequency trading.",
             .how = kNotFromLog,
             .judge = NotRecorded{"Records carry milliseconds, which is not enough for high-frequency trading; the "
                                  "log does not say which "
                                  "activity a decision belongs to."}},
            {.id = "MIFID2-11",
             .reference = "Delegated Regulation (EU) 2017/574 (RTS 25) Art. 4",
             .must = "The clock is traceable to UTC.",
             .how = kNotFromLog,
             .judge = NotRecorded{"How the server's clock is set, and how far it is from UTC, is not recorded."}},
            {.id = "MIFID2-12",
             .reference = "Delegated Regulation (EU) 2017/580 (RTS 24); RTS 6 Annex II",
             .must = "Orders are recorded with the fields that the annexes list.",
             .how = kNotFromLog,
             .judge = NotRecorded{"The log holds decisions of models, not orders."}}};
}

}  // namespace

Definition mifid2_definition() {
    std::vector<Control> controls = mifid2_decisions();
    for (Control& control : mifid2_keeping()) controls.push_back(std::move(control));
    return {
        .name = "mifid2",
        .title = "MiFID II: records of algorithmic decisions (Art. 16 and 17; RTS 6, RTS 24, RTS 25)",
        .scope =
            "It looks at decisions of models as a part of algorithmic trading; orders, transactions and recorded "
            "conversations are not in "
            "the log.",
        .controls = std::move(controls),
    };
}

namespace {

std::vector<Control> recording() {
    return {
        {.id = "AIACT-1",
         .reference = "Regulation (EU) 2024/1689 Art. 12(1)",
         .must = "Events are recorded automatically as long as the system runs: no record was lost in the period.",
         .how = kGapHow,
         .judge = judges::without_gaps(),
         .evidence = Evidence::kEvents,
         .operation = "gap",
         .whole_log = true},
        {.id = "AIACT-2",
         .reference = "Regulation (EU) 2024/1689 Art. 12(1), 19(1)",
         .must = "The logs are what was recorded.",
         .how = kRehashHow,
         .judge = judges::unaltered(),
         .evidence = Evidence::kCheckpoint,
         .whole_log = true},
        {.id = "AIACT-3",
         .reference = "Regulation (EU) 2024/1689 Art. 12(2)(a)",
         .must = "A substantial modification can be seen: each answer names its model and version.",
         .how = kModelHow,
         .judge = judges::names_model(),
         .evidence = Evidence::kDecisions},
        {.id = "AIACT-4",
         .reference = "Regulation (EU) 2024/1689 Art. 12(2)(a), (b)",
         .must = "Situations of risk can be seen: each decision says its outcome, or what went wrong.",
         .how = "An output, a class or a confidence on success; an error otherwise.",
         .judge = judges::says_outcome(),
         .evidence = Evidence::kDecisions},
        {.id = "AIACT-5",
         .reference = "Regulation (EU) 2024/1689 Art. 12(2)",
         .must = "Each decision can be traced to its input.",
         .how = "A hash of the input is recorded; the input itself is not in the log.",
         .judge = judges::names_input(),
         .evidence = Evidence::kDecisions},
        {.id = "AIACT-6",
         .reference = "Regulation (EU) 2024/1689 Art. 12(3)",
         .must = "Remote biometric identification: each use, its reference database, the matching input and who "
                 "verified it are recorded.",
         .how = kNotFromLog,
         .judge = NotRecorded{"Whether a service identifies people by biometrics, and the four facts, are not part of "
                              "a decision's record."}},
    };
}

std::vector<Control> deploying() {
    return {
        {.id = "AIACT-7",
         .reference = "Regulation (EU) 2024/1689 Art. 19(1)",
         .must = "The provider keeps the logs for six months at least.",
         .how = kKeptHow,
         .judge = judges::kept_six_months(),
         .evidence = Evidence::kRetention,
         .whole_log = true},
        {.id = "AIACT-8",
         .reference = "Regulation (EU) 2024/1689 Art. 26(6)",
         .must = "The deployer keeps the logs for six months at least.",
         .how = kKeptHow,
         .judge = judges::kept_six_months(),
         .evidence = Evidence::kRetention,
         .whole_log = true},
        {.id = "AIACT-9",
         .reference = "Regulation (EU) 2024/1689 Art. 26(5)",
         .must = "The deployer watches how the system works, and takes warnings up.",
         .how = kAlertsHow,
         .judge = judges::alerts_taken_up(),
         .evidence = Evidence::kAlerts},
        {.id = "AIACT-10",
         .reference = "Regulation (EU) 2024/1689 Art. 26(4)",
         .must = "The input is relevant and representative for the purpose.",
         .how = kNotFromLog,
         .judge = NotRecorded{"The purpose is not recorded, and inputs are kept as hashes; drift of inputs is under "
                              "/api/drift/report."}},
        {.id = "AIACT-11",
         .reference = "Regulation (EU) 2024/1689 Art. 14, 26(2)",
         .must = "People with competence and authority oversee the system.",
         .how = kNotFromLog,
         .judge =
             NotRecorded{
                 "Human oversight, and decisions that people have overridden, are not part of a decision's record."}},
        {.id = "AIACT-12",
         .reference = "Regulation (EU) 2024/1689 Art. 26(7), 26(11)",
         .must = "Workers and the people concerned are told that such a system is used.",
         .how = kNotFromLog,
         .judge = NotRecorded{"What people are told is not recorded."}},
    };
}

}  // namespace

Definition ai_act_definition() {
    std::vector<Control> controls = recording();
    for (Control& control : deploying()) controls.push_back(std::move(control));
    return {
        .name = "ai-act",
        .title = "EU AI Act: logs of high-risk systems (Art. 12, 19 and 26)",
        .scope =
            "It looks at the duties on logs and on their use. Whether a system is high-risk, and from when a duty "
            "applies, is not in the log: "
            "the dates were moved in 2026, see the Official Journal.",
        .controls = std::move(controls),
    };
}

}  // namespace tidegate::compliance
