#include "services/compliance/reports/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/segments/record.h"
#include "audit/views/log_history_match.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "services/compliance/reports/control.h"
#include "services/compliance/reports/pass.h"

namespace tidegate::compliance {
namespace {

constexpr std::string_view kPreface =
    "This is evidence from the record of decisions, not legal advice. It says what the record shows for each control, "
    "and says so where the "
    "record cannot show it. Whether a rule applies, and whether it is met as a whole, is for people who know the law "
    "and the firm.";

std::string evidence_body(const Control& control, const ReportQuery& query) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    const bool events = control.evidence == Evidence::kEvents;
    if (query.tenant && !control.whole_log) writer.field("tenant", *query.tenant);
    if (!events && query.service) writer.field("service", *query.service);
    if (!events && query.model) writer.field("model", *query.model);
    if (control.evidence == Evidence::kSubject) writer.field("actor", query.subject);
    if (*control.operation != '\0') writer.field("operation", control.operation);
    writer.field("from", format_rfc3339(query.from)).field("to", format_rfc3339(query.to));
    writer.field("kind", events ? "event" : "decision").end_object();
    return body;
}

std::optional<EvidenceQuery> evidence_of(const Control& control, const ReportQuery& query) {
    switch (control.evidence) {
        case Evidence::kNone:
            return std::nullopt;
        case Evidence::kSubject:
            if (query.subject.empty()) return std::nullopt;
            [[fallthrough]];
        case Evidence::kDecisions:
        case Evidence::kEvents:
            return EvidenceQuery{"POST", "/api/compliance/query", evidence_body(control, query)};
        case Evidence::kCheckpoint:
            return EvidenceQuery{"GET", "/api/compliance/checkpoint", ""};
        case Evidence::kRetention:
            return EvidenceQuery{"GET", "/api/compliance/retention", ""};
        case Evidence::kAlerts:
            return EvidenceQuery{"GET", "/api/drift/alerts", ""};
    }
    return std::nullopt;
}

/// The times that a gap's event states; those that it lacks are its own.
GapSeen gap_of(std::uint64_t leaf, const audit::Decision& event) {
    GapSeen gap{.id = to_string(event.id),
                .leaf = leaf,
                .time = event.time(),
                .from = event.time(),
                .to = event.time(),
                .records = 0};
    const auto said = json::parse(event.output);
    if (!said || said->root().kind() != json::Kind::kObject) return gap;
    const auto time = [&](std::string_view name, UnixMillis& into) {
        const auto member = said->root().find(name);
        if (!member || member->kind() != json::Kind::kString) return;
        if (const auto parsed = parse_rfc3339(member->as_string())) into = *parsed;
    };
    time("from", gap.from);
    time("to", gap.to);
    const auto records = said->root().find("records_lost");
    if (records && records->is_integer() && records->as_int() > 0)
        gap.records = static_cast<std::uint64_t>(records->as_int());
    return gap;
}

/// Of the whole log: a gap is everybody's, and may be logged long after the period.
Result<std::vector<GapSeen>> gaps_of(const ReportQuery& query, const LogSources& sources) {
    audit::HistoryFilter filter;
    filter.kind = audit::RecordKind::kEvent;
    filter.service = "audit";
    filter.operation = "gap";
    filter.from = query.from;
    std::vector<GapSeen> gaps;
    // So many gaps are one long failure: more would not say more.
    constexpr std::size_t kGapsMax = 10'000;
    const audit::Walk walk{.order = audit::Order::kOldestFirst};
    const auto look = [&](std::uint64_t leaf, const audit::Decision& event) {
        GapSeen gap = gap_of(leaf, event);
        if (gap.from < query.to && gap.to >= query.from) gaps.push_back(std::move(gap));
        return gaps.size() < kGapsMax;
    };
    if (sources.history != nullptr) {
        TG_CHECK(sources.history->for_each(filter, walk, look));
        return gaps;
    }
    // Without columns: all records of the log that may be meant.
    Result<void> sound;
    const auto read = [&](std::uint64_t leaf, audit::segments::Bytes bytes) {
        const auto view = audit::segments::decode(bytes);
        if (!view) {
            sound = std::unexpected(view.error());
            return false;
        }
        return !audit::matches(filter, *view) || look(leaf, audit::segments::to_decision(*view));
    };
    TG_CHECK(sources.reader.scan(sources.reader.first_leaf(), sources.reader.end_leaf(), read));
    TG_CHECK(std::move(sound));
    return gaps;
}

void look_up_sample(const Walked& walked, LogState& state) {
    for (const auto& [leaf, id] : walked.sample) {
        const auto found = state.sources.reader.find_id(id);
        ++state.looked_up;
        if (found && *found && (*found)->decision.id == id) continue;
        state.not_found.push_back({to_string(id), leaf, unix_ms_of(id), "not found by its id"});
    }
}

Result<void> note_state(LogState& state, const ReportQuery& query) {
    const audit::LogReader& reader = state.sources.reader;
    state.first_leaf = reader.first_leaf();
    if (const auto oldest = reader.read(state.first_leaf)) state.oldest = oldest->recorded;
    // What was removed was recorded before what is left.
    state.period_cut = state.first_leaf > 0 && (!state.oldest || *state.oldest > query.from);
    return reader.each_part([&](const audit::LogPart& oldest) {
        state.oldest_segment_end = oldest.zone.recorded_max;
        return false;
    });
}

ControlResult frame(const Control& control, const ReportQuery& query) {
    ControlResult result;
    result.id = control.id;
    result.reference = control.reference;
    result.must = control.must;
    result.how = control.how;
    result.whole_log = control.whole_log;
    result.evidence = evidence_of(control, query);
    return result;
}

void judge(const RecordRule& rule, Tally tally, const LogState& state, const ReportQuery& query,
           ControlResult& result) {
    result.n = tally.n;
    result.failing = tally.failing;
    result.rows = std::move(tally.rows);
    const auto say = [&](Outcome outcome, std::string reason) {
        result.outcome = outcome;
        result.reason = std::move(reason);
    };
    if (rule.needs_subject && query.subject.empty()) {
        return say(Outcome::kCannotBeJudged, "The report was asked for without a subject.");
    }
    if (tally.failing > 0) {
        return say(Outcome::kFails, fmt::format("{} of {} records fail.", tally.failing, tally.n));
    }
    if (state.rehash == Rehash::kDamaged) {
        return say(Outcome::kCannotBeJudged, "The log is damaged; none of the records that could be read fails.");
    }
    if (state.period_cut) {
        return say(Outcome::kCannotBeJudged,
                   "Retention has removed records of the period; none of those that are left fails.");
    }
    if (tally.n == 0) return say(rule.none, rule.none_reason);
    say(Outcome::kHolds, fmt::format("All {} records pass.", tally.n));
}

void judge(const StateLook& look, const LogState& state, const ReportQuery& query, std::size_t rows_max,
           ControlResult& result) {
    Judgement judgement = look.look(state, query);
    result.outcome = judgement.outcome;
    result.reason = std::move(judgement.reason);
    result.n = judgement.n;
    result.failing = judgement.rows.size();
    if (judgement.rows.size() > rows_max) judgement.rows.resize(rows_max);
    result.rows = std::move(judgement.rows);
}

void judge_all(const Definition& definition, std::vector<Tally> tallies, const LogState& state,
               const ReportQuery& query, std::size_t rows_max, Report& report) {
    auto tally = tallies.begin();
    for (const Control& control : definition.controls) {
        ControlResult result = frame(control, query);
        if (const auto* rule = std::get_if<RecordRule>(&control.judge)) {
            judge(*rule, std::move(*tally++), state, query, result);
        } else if (const auto* look = std::get_if<StateLook>(&control.judge)) {
            judge(*look, state, query, rows_max, result);
        } else {
            result.reason = std::get<NotRecorded>(control.judge).why;
        }
        report.controls.push_back(std::move(result));
    }
}

void add_notes(const LogState& state, const ReportQuery& query, Report& report) {
    if (query.to > state.sources.now) report.notes.emplace_back("The period is not over: records are still to come.");
    if (state.period_cut) {
        report.notes.push_back(
            fmt::format("Retention has removed the records before leaf {}; the log now begins at {}.", state.first_leaf,
                        state.oldest ? format_rfc3339(*state.oldest) : "a record that cannot be read"));
    } else if (state.oldest && *state.oldest > query.from) {
        report.notes.push_back("The log begins within the period, at " + format_rfc3339(*state.oldest) + ".");
    }
    if (query.tenant) {
        report.notes.push_back(query.tenant->empty() ? std::string("Records without a tenant were judged.")
                                                     : "Records of the tenant " + *query.tenant + " were judged.");
    }
    if (!state.sources.server_known) {
        report.notes.emplace_back(
            "Made from the log alone: the server's schedule of retention, legal holds and drift alerts are not "
            "known here.");
    }
    for (const audit::keep::Hold& hold : state.sources.holds) {
        if (!hold.active() || (query.tenant && !hold.tenant.empty() && hold.tenant != *query.tenant)) continue;
        report.notes.push_back(
            fmt::format("Legal hold {} is in force since {}.", hold.id, format_rfc3339(hold.placed)));
    }
}

}  // namespace

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::kHolds:
            return "holds";
        case Outcome::kFails:
            return "fails";
        case Outcome::kCannotBeJudged:
            return "cannot_be_judged";
    }
    return "";
}

std::span<const Definition> definitions() {
    static const std::vector<Definition> all{sec_definition(), finra_definition(), mifid2_definition(),
                                             gdpr_definition(), ai_act_definition()};
    return all;
}

std::vector<std::string_view> report_names() {
    std::vector<std::string_view> names;
    for (const Definition& definition : definitions()) names.emplace_back(definition.name);
    return names;
}

Result<Report> make_report(std::string_view name, const ReportQuery& query, const LogSources& sources,
                           const PassLimits& limits) {
    const auto all = definitions();
    const auto definition =
        std::ranges::find(all, name, [](const Definition& one) { return std::string_view(one.name); });
    if (definition == all.end()) return fail(ErrorCode::kNotFound, "There is no such report.");
    if (query.to <= query.from) return fail(ErrorCode::kInvalidArgument, "`to` must be after `from`");
    std::vector<Tally> tallies;
    for (const Control& control : definition->controls) {
        if (const auto* rule = std::get_if<RecordRule>(&control.judge))
            tallies.push_back({.rule = rule, .n = 0, .failing = 0, .rows = {}});
    }
    LogState state{.sources = sources};
    TG_CHECK(note_state(state, query));
    // What no checkpoint covers yet is left to the next report: every record that this one speaks of is under its head.
    const std::uint64_t end = sources.head ? sources.head->head.size : sources.reader.end_leaf();
    TG_TRY(std::vector<LeafRange> leaves, leaves_of(sources.reader, query, end));
    TG_TRY(const Walked walked, walk(query, sources, limits, std::move(leaves), tallies));
    TG_TRY(state.gaps, gaps_of(query, sources));
    state.rehash = walked.rehash;
    state.rehash_reason = walked.rehash_reason;
    state.rehashed = walked.read;
    look_up_sample(walked, state);
    Report report;
    report.name = definition->name;
    report.title = definition->title;
    report.preface = fmt::format("{} {}", kPreface, definition->scope);
    report.query = query;
    report.log_id = sources.log_id;
    report.made = sources.now;
    report.head = sources.head;
    report.leaves = walked.leaves;
    report.read = walked.read;
    report.decisions = walked.decisions;
    report.events = walked.events;
    add_notes(state, query, report);
    judge_all(*definition, std::move(tallies), state, query, limits.rows_max, report);
    return report;
}

}  // namespace tidegate::compliance
