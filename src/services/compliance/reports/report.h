// Report: what the record says about a list of controls, each judged from the records or from the state of the log, or said to be
// beyond what they can tell.
//
// Position    Over the log's reader, history and proofs; the routes and the command line make one and print it.
// Guarantee   A control holds only when the data show it. Where they do not say, because it is not recorded, nothing happened or
//             retention has been there, it cannot be judged, with the reason. The same log, checkpoint, question and time give the same bytes.
// Algorithm   One pass over the leaves that may belong to the period serves every control; the same pass hashes them and folds
//             them with the kept hashes of the rest of the tree up to the signed root (span_root.h).
// Memory      A batch of the log, log2 of its size in hashes, and rows_max rows for each control.
// Threads     Free functions; on a thread for waiting: they read the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/keep/holds.h"
#include "audit/proof/merkle.h"
#include "audit/views/log_history.h"
#include "base/clock.h"
#include "base/result.h"

namespace tidegate::compliance {

enum class Outcome : std::uint8_t { kHolds, kFails, kCannotBeJudged };
/// `holds`, `fails`, `cannot_be_judged`.
std::string_view to_string(Outcome outcome) noexcept;

struct ReportQuery {
    UnixMillis from = 0;                // Inclusive; the decision's own time.
    UnixMillis to = 0;                  // Exclusive; after `from`.
    std::optional<std::string> tenant;  // Absent: all. Empty: records without one.
    std::optional<std::string> service, model;
    std::string subject;  // An actor, of a GDPR report; empty: none.
};

/// A checkpoint of the log, as the report carries it.
struct ReportHead {
    audit::proof::TreeHead head;
    UnixMillis time = 0;
    std::string note;      // As signed.
    std::string verifier;  // The public key, as text.
};

/// An alert of the drift monitor, as far as a report asks.
struct AlertSeen {
    std::string id, tenant, service, model;
    UnixMillis opened = 0;
    bool by_person = false;  // Somebody acknowledged, resolved or suppressed it.
};

/// Where a report's facts come from. All of it outlives the call.
struct LogSources {
    const audit::LogReader& reader;
    const audit::LogHistory* history = nullptr;  // Null: events are looked for in the records themselves.
    const audit::proof::SubtreeReader& hashes;
    std::string log_id;              // Hex.
    std::optional<ReportHead> head;  // Absent: nothing has been signed yet.
    bool server_known = true;        // False: the log alone is; the schedule of retention and the holds are not.
    Duration retention{};            // 0: everything is kept.
    std::vector<audit::keep::Hold> holds;
    std::optional<std::vector<AlertSeen>> alerts;  // Absent: no drift monitor runs here.
    UnixMillis now = 0;
};

struct PassLimits {
    std::uint64_t records_max = 0;
    std::size_t rows_max = 0;
    std::function<bool()> cancelled;  // May be empty. Asked each few thousand records.
};

struct FailingRow {
    std::string id;
    std::optional<std::uint64_t> leaf;  // Absent: it is no record.
    UnixMillis time = 0;
    std::string why;
};

/// How the evidence of a control can be looked at again.
struct EvidenceQuery {
    std::string method, path;
    std::string body;  // JSON; empty: none.
};

struct ControlResult {
    std::string id, reference, must, how;
    bool whole_log = false;  // Judged over the log of all tenants.
    Outcome outcome = Outcome::kCannotBeJudged;
    std::string reason;
    std::uint64_t n = 0;        // What was looked at.
    std::uint64_t failing = 0;  // Of it.
    std::vector<FailingRow> rows;
    std::optional<EvidenceQuery> evidence;
};

using audit::LeafRange;

struct Report {
    std::string name, title, preface;
    ReportQuery query;
    std::string log_id;
    std::string event_id;  // Of the record that says it was made; empty: none was.
    UnixMillis made = 0;
    std::optional<ReportHead> head;
    std::vector<LeafRange> leaves;  // That were read.
    std::uint64_t read = 0;         // Records in them.
    std::uint64_t decisions = 0;    // Of the question.
    std::uint64_t events = 0;
    std::vector<std::string> notes;
    std::vector<ControlResult> controls;
};

/// `sec`, `finra`, `mifid2`, `gdpr`, `ai-act`.
std::vector<std::string_view> report_names();

/// kNotFound: no such report; kInvalidArgument: an empty period; kTooLarge: the period covers more records than the limit; kCancelled;
/// kUnavailable: the disk. Damage to the log is no error: the report says it.
Result<Report> make_report(std::string_view name, const ReportQuery& query, const LogSources& sources,
                           const PassLimits& limits);

std::string to_json(const Report& report);
/// One page of HTML without scripts, for screen and A4 paper.
std::string to_html(const Report& report);

}  // namespace tidegate::compliance
