// The reports for the SEC and FINRA. References are to the rules as amended with effect from 3 January 2023.
#include "services/compliance/reports/judges.h"

namespace tidegate::compliance {
namespace {

std::vector<Control> sec_records() {
    return {
        {.id = "SEC-1",
         .reference = "17 CFR 240.17a-4(f)(2)(i)(A); 275.204-2(g)(3)(i)",
         .must = "The records are what was written: none was altered, removed or put in.",
         .how = kRehashHow,
         .judge = judges::unaltered(),
         .evidence = Evidence::kCheckpoint,
         .whole_log = true},
        {.id = "SEC-2",
         .reference = "17 CFR 240.17a-4(f)(2)(ii)",
         .must = "The system sees for itself whether its storing is complete, and no record was lost in the period.",
         .how = "A record that could not be stored after its answer went out leaves an event `audit` `gap`; there "
                "is none.",
         .judge = judges::without_gaps(),
         .evidence = Evidence::kEvents,
         .operation = "gap",
         .whole_log = true},
        {.id = "SEC-3",
         .reference = "17 CFR 240.17a-4(f)(2)(i)(A)(2)",
         .must = "Each record has the date and time at which it was made, and was stored then.",
         .how = "The decision's own time against the recorder's: not before, and at most a minute after the answer.",
         .judge = judges::recorded_in_time(),
         .evidence = Evidence::kDecisions},
        {.id = "SEC-4",
         .reference = "17 CFR 240.17a-4(f)(2)(i)(A)(4)",
         .must = "The order of the records is the order in which they were stored.",
         .how = "The recorder's time of each record is not before that of the record in front of it.",
         .judge = judges::clock_in_order(),
         .evidence = Evidence::kDecisions},
        {.id = "SEC-5",
         .reference = "17 CFR 240.17a-4(f)(2)(i)(A)(3)",
         .must = "Each record says who caused it.",
         .how = "`actor` is not empty.",
         .judge = judges::names_actor(),
         .evidence = Evidence::kDecisions},
        {.id = "SEC-6",
         .reference = "17 CFR 240.17a-4(f)(2)(iv), (j); 275.204-2(g)(2)",
         .must = "A record can be found and handed out.",
         .how = "Up to 100 records, evenly spread over the period, are looked up by their ids through the index. "
                "POST /api/compliance/export hands all of them out.",
         .judge = judges::retrievable(),
         .evidence = Evidence::kDecisions}};
}

std::vector<Control> sec_keeping() {
    return {{.id = "SEC-7",
             .reference = "17 CFR 240.17a-4(b)",
             .must = "Records are kept for three years.",
             .how = kKeptHow,
             .judge = judges::kept_three_years(),
             .evidence = Evidence::kRetention,
             .whole_log = true},
            {.id = "SEC-8",
             .reference = "17 CFR 240.17a-4(a)",
             .must = "Records that the rule wants kept longest are kept for six years.",
             .how = kKeptHow,
             .judge = judges::kept_six_years(),
             .evidence = Evidence::kRetention,
             .whole_log = true},
            {.id = "SEC-9",
             .reference = "17 CFR 275.204-2(e)(1)",
             .must = "An adviser's records are kept for five years from the end of the fiscal year.",
             .how = "As SEC-7, with five years; the log knows no fiscal years, so that the schedule must be longer by "
                    "up to one.",
             .judge = judges::kept_five_years(),
             .evidence = Evidence::kRetention,
             .whole_log = true},
            {.id = "SEC-10",
             .reference = "17 CFR 275.204-2(g)(3)(ii)",
             .must = "Only those who may have access to the records, and it is seen who had.",
             .how = "Each reading leaves an event `access/...`; each of them names who read.",
             .judge = judges::reading_named(),
             .evidence = Evidence::kEvents},
            {.id = "SEC-11",
             .reference = "17 CFR 240.17a-4(f)(2)(ii)",
             .must = "The records are under a signature up to now.",
             .how = "The newest checkpoint covers all records, or is younger than five minutes.",
             .judge = judges::signed_lately(),
             .evidence = Evidence::kCheckpoint,
             .whole_log = true},
            {.id = "SEC-12",
             .reference = "17 CFR 240.17a-4(f)(2)(v)",
             .must = "There is a second copy of the records, or another redundancy.",
             .how = "Not from the log.",
             .judge = NotRecorded{"Copies of the log's folder, and where they lie, are not recorded in it."}}};
}

}  // namespace

Definition sec_definition() {
    std::vector<Control> controls = sec_records();
    for (Control& control : sec_keeping()) controls.push_back(std::move(control));
    return {
        .name = "sec",
        .title = "SEC: records of automated decisions (Exchange Act Rule 17a-4, Advisers Act Rule 204-2)",
        .scope =
            "It looks at these decisions as electronic records. Which of them are records that a rule asks for is not "
            "in the log.",
        .controls = std::move(controls),
    };
}

Definition finra_definition() {
    return {
        .name = "finra",
        .title = "FINRA: books and records (Rule 4511) and supervision (Rule 3110) of automated decisions",
        .scope =
            "It looks at what the record shows of supervision; written procedures, and who is responsible, are not in "
            "the log.",
        .controls =
            {{.id = "FINRA-1",
              .reference = "FINRA Rule 4511(a)",
              .must = "The records were made: none was lost in the period.",
              .how = "A record that could not be stored after its answer went out leaves an event `audit` `gap`; there "
                     "is none.",
              .judge = judges::without_gaps(),
              .evidence = Evidence::kEvents,
              .operation = "gap",
              .whole_log = true},
             {.id = "FINRA-2",
              .reference = "FINRA Rule 4511(c)",
              .must = "They are preserved as Exchange Act Rule 17a-4 wants it: unaltered.",
              .how = kRehashHow,
              .judge = judges::unaltered(),
              .evidence = Evidence::kCheckpoint,
              .whole_log = true},
             {.id = "FINRA-3",
              .reference = "FINRA Rule 4511(b)",
              .must = "Records for which no other time is set are kept for six years.",
              .how = kKeptHow,
              .judge = judges::kept_six_years(),
              .evidence = Evidence::kRetention,
              .whole_log = true},
             {.id = "FINRA-4",
              .reference = "FINRA Rule 3110(a)",
              .must = "What is to be supervised is known: each answer names service, operation, model and version.",
              .how = "The four are not empty in any decision that gave an answer.",
              .judge = judges::names_model(),
              .evidence = Evidence::kDecisions},
             {.id = "FINRA-5",
              .reference = "FINRA Rule 3110(a)",
              .must = "What was decided can be reviewed: each decision says its outcome, or what went wrong.",
              .how = "An output, a class or a confidence on success; an error otherwise.",
              .judge = judges::says_outcome(),
              .evidence = Evidence::kDecisions},
             {.id = "FINRA-6",
              .reference = "FINRA Rule 3110(b)(1)",
              .must = "Somebody reviews the record.",
              .how = "At least one reading of records (`access/...`) or one report (`report/...`) lies in the period.",
              .judge = judges::was_reviewed(),
              .evidence = Evidence::kEvents},
             {.id = "FINRA-7",
              .reference = "FINRA Rule 3110(a); Regulatory Notice 24-09",
              .must = "Changes in how a model behaves are looked at.",
              .how = "Each drift alert opened in the period was acknowledged, resolved or suppressed by a person.",
              .judge = judges::alerts_taken_up(),
              .evidence = Evidence::kAlerts},
             {.id = "FINRA-8",
              .reference = "FINRA Rule 4511(a); Rule 8210",
              .must = "Records that are asked for are not removed, and it is seen who decided that.",
              .how = "Each legal hold placed or released in the period names who did it.",
              .judge = judges::holds_named(),
              .evidence = Evidence::kEvents},
             {.id = "FINRA-9",
              .reference = "FINRA Rule 3110(b)(2)",
              .must = "A registered principal has reviewed transactions, in writing.",
              .how = "Not from the log.",
              .judge = NotRecorded{"Approval by a registered principal is not part of a decision's record."}}},
    };
}

}  // namespace tidegate::compliance
