// Control: one line of the table that a report is made from: what must be true, where that is written, and how it is judged.
//
// Guarantee   A judge looks at what it is given and at nothing else; it does not guess.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "audit/segments/record.h"
#include "services/compliance/reports/report.h"

namespace tidegate::compliance {

/// A record of the period as a rule sees it.
struct Seen {
    const audit::segments::RecordView& view;
    UnixMillis time = 0;             // Its own.
    UnixMillis recorded_before = 0;  // When the leaf before it was recorded; 0: not known.
    const ReportQuery& query;

    bool is_decision() const noexcept { return view.kind == audit::RecordKind::kDecision; }
};

/// A span of time in which records were lost, as the log itself says.
struct GapSeen {
    std::string id;
    std::uint64_t leaf = 0;
    UnixMillis time = 0, from = 0, to = 0;
    std::uint64_t records = 0;
};

enum class Rehash : std::uint8_t {
    kNotDone,  // `reason` says why.
    kAgrees,
    kDiffers,
    kDamaged,  // The log could not be read to the end of the span.
};

/// What is known of the log beside its records.
struct LogState {
    const LogSources& sources;
    std::uint64_t first_leaf = 0;
    std::optional<UnixMillis> oldest;              // When the first record that is left was recorded.
    std::optional<UnixMillis> oldest_segment_end;  // When the last of the oldest sealed segment was recorded.
    bool period_cut = false;                       // Retention has removed records that may belong to the period.
    std::vector<GapSeen> gaps;                     // That touch the period.
    Rehash rehash = Rehash::kNotDone;
    std::string rehash_reason;
    std::uint64_t rehashed = 0;
    std::uint64_t looked_up = 0;        // Records that were looked up by their id.
    std::vector<FailingRow> not_found;  // Of them.
};

struct Judgement {
    Outcome outcome = Outcome::kCannotBeJudged;
    std::string reason;
    std::uint64_t n = 0;
    std::vector<FailingRow> rows;  // All of them.
};

/// A rule over records: `flaw` says what is wrong with one that `applies`, null: nothing. When there is none to look at, the outcome
/// is `none` with `none_reason`.
struct RecordRule {
    bool (*applies)(const Seen& seen) = nullptr;
    const char* (*flaw)(const Seen& seen) = nullptr;
    Outcome none = Outcome::kCannotBeJudged;
    const char* none_reason = "";
    bool needs_subject = false;
};
struct StateLook {
    Judgement (*look)(const LogState& state, const ReportQuery& query) = nullptr;
};
/// The log does not hold it.
struct NotRecorded {
    const char* why = "";
};
using Judge = std::variant<RecordRule, StateLook, NotRecorded>;

enum class Evidence : std::uint8_t {
    kNone,
    kDecisions,   // POST /api/compliance/query over the period.
    kSubject,     // The same for the subject.
    kEvents,      // Events; `operation` narrows it.
    kCheckpoint,  // GET /api/compliance/checkpoint
    kRetention,   // GET /api/compliance/retention
    kAlerts,      // GET /api/drift/alerts
};

struct Control {
    const char* id;
    const char* reference;
    const char* must;
    const char* how;
    Judge judge;
    Evidence evidence = Evidence::kNone;
    const char* operation = "";  // Of the events, where it is one.
    bool whole_log = false;
};

struct Definition {
    const char* name;
    const char* title;
    const char* scope;  // What of the regulation it looks at, and what it leaves out.
    std::vector<Control> controls;
};
std::span<const Definition> definitions();
Definition sec_definition();
Definition finra_definition();
Definition mifid2_definition();
Definition gdpr_definition();
Definition ai_act_definition();

}  // namespace tidegate::compliance
