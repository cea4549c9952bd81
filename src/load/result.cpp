#include "load/result.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/clock.h"

namespace tidegate::load {
namespace {

Figures figures_of(const Operation& operation, const OperationTally& tally) {
    Figures figures{.name = operation.name,
                    .method = operation.method,
                    .handler = operation.handler,
                    .weight = operation.weight,
                    .sent = tally.sent,
                    .repeats = tally.repeats,
                    .good = tally.good,
                    .errors = tally.errors()};
    for (std::size_t i = 0; i < kFaults; ++i) {
        if (tally.faults[i] > 0) figures.errors_by[std::string(to_string(static_cast<Fault>(i)))] = tally.faults[i];
    }
    for (const auto& [status, count] : tally.statuses) {
        figures.statuses[std::to_string(status)] = count;
        if (status >= 400) figures.errors_by[fmt::format("status_{}", status)] = count;
    }
    figures.ok.merge(tally.ok);
    figures.refused.merge(tally.refused);
    return figures;
}

void add(Figures& sum, const Figures& one) {
    sum.sent += one.sent;
    sum.repeats += one.repeats;
    sum.good += one.good;
    sum.errors += one.errors;
    for (const auto& [name, count] : one.errors_by) sum.errors_by[name] += count;
    for (const auto& [name, count] : one.statuses) sum.statuses[name] += count;
    sum.ok.merge(one.ok);
    sum.refused.merge(one.refused);
}

}  // namespace

bool RunResult::slo_met() const noexcept {
    return std::ranges::all_of(slo, &SloOutcome::met);
}

double RunResult::repeat_share() const noexcept {
    std::uint64_t sent = 0;
    std::uint64_t repeats = 0;
    for (const Figures& one : operations) {
        // Reads of the record take no part, and have no repeats.
        if (one.repeats == 0) continue;
        sent += one.sent;
        repeats += one.repeats;
    }
    return sent == 0 ? 0 : static_cast<double>(repeats) / static_cast<double>(sent);
}

void take_tally(RunResult& result, const RunOutcome& outcome, const std::vector<Operation>& operations) {
    const Tally& tally = outcome.tally;
    result.interrupted = outcome.interrupted;
    result.window_s = outcome.window_s;
    result.began = format_rfc3339(outcome.began_ms);
    result.ended = format_rfc3339(outcome.ended_ms);
    result.all.name = "all";
    for (std::size_t i = 0; i < operations.size(); ++i) {
        result.operations.push_back(figures_of(operations[i], tally.operations[i]));
        add(result.all, result.operations.back());
    }
    if (outcome.window_s > 0) result.answers_per_s = static_cast<double>(tally.in_window) / outcome.window_s;
    result.interval_s = tally.series.interval_s();
    result.series = tally.series.intervals();
    for (Interval& interval : result.series) interval.steps.clear();
    result.late.merge(tally.late);
    result.warm_up = tally.warm_up;
    result.connects = tally.connects;
    result.connect_failures = tally.connect_failures;
    result.reconnects = tally.reconnects;
    result.cut_off = tally.cut_off;
    result.bytes_in = tally.window_bytes;
    result.generator_cpu_s = tally.cpu_s;
}

}  // namespace tidegate::load
