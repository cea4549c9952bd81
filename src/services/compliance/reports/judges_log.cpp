#include <fmt/format.h>

#include <algorithm>

#include "services/compliance/reports/judges.h"

namespace tidegate::compliance::judges {
namespace {

constexpr UnixMillis kMsPerDay = 86'400'000;
// Checkpoints come each second (keep.checkpoint_interval); minutes without one are a failure that somebody should have seen.
constexpr UnixMillis kSignedWithin = 5 * 60'000;
// Retention runs each ten minutes (retention.interval), at most once a day.
constexpr UnixMillis kDropSlack = kMsPerDay;

Judgement cannot(std::string reason) {
    return {.outcome = Outcome::kCannotBeJudged, .reason = std::move(reason), .n = 0, .rows = {}};
}
Judgement fails(std::string reason, std::uint64_t n = 1, std::vector<FailingRow> rows = {}) {
    return {.outcome = Outcome::kFails, .reason = std::move(reason), .n = n, .rows = std::move(rows)};
}
Judgement holds(std::string reason, std::uint64_t n = 1) {
    return {.outcome = Outcome::kHolds, .reason = std::move(reason), .n = n, .rows = {}};
}

Judgement look_unaltered(const LogState& state, const ReportQuery&) {
    switch (state.rehash) {
        case Rehash::kAgrees:
            return holds(fmt::format("{} records were read, hashed again and lead to the signed root.", state.rehashed),
                         state.rehashed);
        case Rehash::kDiffers:
        case Rehash::kDamaged:
            return fails(state.rehash_reason, state.rehashed);
        case Rehash::kNotDone:
            break;
    }
    return cannot(state.rehash_reason);
}

Judgement look_gaps(const LogState& state, const ReportQuery&) {
    if (state.gaps.empty()) {
        if (state.period_cut)
            return cannot("Retention has removed records of the period, and with them what they said of gaps.");
        return holds("The log says of no record that was lost in the period.", 0);
    }
    std::uint64_t lost = 0;
    std::vector<FailingRow> rows;
    for (const GapSeen& gap : state.gaps) {
        lost += gap.records;
        rows.push_back({gap.id, gap.leaf, gap.time,
                        fmt::format("{} records lost between {} and {}", gap.records, format_rfc3339(gap.from),
                                    format_rfc3339(gap.to))});
    }
    const std::uint64_t n = rows.size();
    return fails(fmt::format("{} records were lost, in {} gaps.", lost, n), n, std::move(rows));
}

Judgement look_retrievable(const LogState& state, const ReportQuery&) {
    if (state.looked_up == 0) return cannot("There is no record of the period to look up.");
    if (state.not_found.empty()) {
        return holds(fmt::format("{} records, evenly spread, were each found by their ids.", state.looked_up),
                     state.looked_up);
    }
    return fails(fmt::format("{} of {} records were not found by their ids.", state.not_found.size(), state.looked_up),
                 state.looked_up, state.not_found);
}

Judgement look_signed(const LogState& state, const ReportQuery&) {
    if (!state.sources.head) return cannot("Nothing has been signed yet.");
    const UnixMillis age = state.sources.now - state.sources.head->time;
    const std::uint64_t behind =
        state.sources.reader.end_leaf() - std::min(state.sources.head->head.size, state.sources.reader.end_leaf());
    if (behind == 0 || age <= kSignedWithin) {
        return holds(fmt::format("The newest checkpoint is of {} and covers {} records.",
                                 format_rfc3339(state.sources.head->time), state.sources.head->head.size));
    }
    return fails(fmt::format("The newest checkpoint is of {}; {} records since then are not signed.",
                             format_rfc3339(state.sources.head->time), behind));
}

/// The schedule keeps records so long, and no younger one is gone.
Judgement look_kept(const LogState& state, std::int64_t days, std::string_view words) {
    if (!state.sources.server_known) {
        if (state.first_leaf > 0 && state.oldest && *state.oldest > state.sources.now - days * kMsPerDay) {
            return fails(fmt::format("Records that are younger than {} were removed: the log now begins at {}.", words,
                                     format_rfc3339(*state.oldest)));
        }
        return cannot("The log does not say after how long the server removes records; ask the server for the report.");
    }
    const std::int64_t schedule = state.sources.retention / std::chrono::hours(24);
    if (schedule != 0 && schedule < days) {
        return fails(fmt::format("The schedule removes records after {} days; {} are {}.", schedule, days, words));
    }
    const std::string kept = schedule == 0 ? std::string("The schedule keeps everything")
                                           : fmt::format("The schedule keeps records for {} days", schedule);
    if (state.first_leaf == 0) return holds(kept + ", and no record was ever removed.");
    if (!state.oldest) return cannot(kept + ", and the oldest record that is left cannot be read.");
    if (*state.oldest > state.sources.now - days * kMsPerDay) {
        return fails(fmt::format("{}, but records that are younger were removed: the log now begins at {}.", kept,
                                 format_rfc3339(*state.oldest)));
    }
    return holds(fmt::format("{}, and the log reaches back to {}.", kept, format_rfc3339(*state.oldest)));
}
// With a leap day more than the years can have.
Judgement look_six_months(const LogState& state, const ReportQuery&) {
    return look_kept(state, 184, "six months");
}
Judgement look_three_years(const LogState& state, const ReportQuery&) {
    return look_kept(state, 1'096, "three years");
}
Judgement look_five_years(const LogState& state, const ReportQuery&) {
    return look_kept(state, 1'827, "five years");
}
Judgement look_six_years(const LogState& state, const ReportQuery&) {
    return look_kept(state, 2'192, "six years");
}

Judgement look_limited(const LogState& state, const ReportQuery&) {
    if (!state.sources.server_known) {
        return cannot("The log does not say after how long the server removes records; ask the server for the report.");
    }
    if (state.sources.retention == Duration::zero()) return fails("No schedule limits how long records are kept.");
    if (!state.oldest) return cannot("There is no record, so that nothing shows whether the schedule is followed.");
    const std::int64_t days = state.sources.retention / std::chrono::hours(24);
    const std::string kept =
        fmt::format("Records are kept for {} days; the oldest is of {}", days, format_rfc3339(*state.oldest));
    const UnixMillis due = state.sources.now - days * kMsPerDay - kDropSlack;
    if (*state.oldest >= due) return holds(kept + ".");
    if (std::ranges::any_of(state.sources.holds, [](const auto& hold) { return hold.active(); })) {
        return cannot(kept + ": older than that, and a legal hold that is in force may be the reason.");
    }
    const bool whole = state.oldest_segment_end && *state.oldest_segment_end < due;
    return fails(kept + ": older than that, and no legal hold is in force. Records go by whole segments, and " +
                 (whole ? "all of the oldest segment is older."
                        : "the oldest segment holds younger ones or is not full: a smaller audit.segment_bytes ends "
                          "them sooner."));
}

Judgement look_alerts(const LogState& state, const ReportQuery& query) {
    if (!state.sources.alerts) {
        return cannot(state.sources.server_known ? "No drift monitor runs on this server."
                                                 : "Drift alerts are not in the log; ask the server for the report.");
    }
    std::vector<FailingRow> rows;
    std::uint64_t n = 0;
    for (const AlertSeen& alert : *state.sources.alerts) {
        const auto differs = [](const std::optional<std::string>& wanted, const std::string& have) {
            return wanted && *wanted != have;
        };
        if (alert.opened < query.from || alert.opened >= query.to || differs(query.tenant, alert.tenant)) continue;
        if (differs(query.service, alert.service) || differs(query.model, alert.model)) continue;
        ++n;
        if (!alert.by_person)
            rows.push_back({"alert " + alert.id, std::nullopt, alert.opened, "nobody has taken it up"});
    }
    if (n == 0) return cannot("No drift alert was opened in the period, so that none could be looked at.");
    if (rows.empty()) return holds(fmt::format("All {} alerts of the period were taken up by somebody.", n), n);
    std::string reason = fmt::format("{} of {} alerts of the period were taken up by nobody.", rows.size(), n);
    return fails(std::move(reason), n, std::move(rows));
}

}  // namespace

StateLook unaltered() {
    return {look_unaltered};
}
StateLook without_gaps() {
    return {look_gaps};
}
StateLook retrievable() {
    return {look_retrievable};
}
StateLook signed_lately() {
    return {look_signed};
}
StateLook kept_six_months() {
    return {look_six_months};
}
StateLook kept_three_years() {
    return {look_three_years};
}
StateLook kept_five_years() {
    return {look_five_years};
}
StateLook kept_six_years() {
    return {look_six_years};
}
StateLook limited_storage() {
    return {look_limited};
}
StateLook alerts_taken_up() {
    return {look_alerts};
}

}  // namespace tidegate::compliance::judges
