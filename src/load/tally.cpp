#include "load/tally.h"

#include <algorithm>

namespace tidegate::load {

std::uint64_t OperationTally::errors() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : faults) sum += count;
    for (const auto& [status, count] : statuses) {
        if (status >= 400) sum += count;
    }
    return sum;
}

void OperationTally::merge(const OperationTally& other) {
    sent += other.sent;
    repeats += other.repeats;
    good += other.good;
    for (std::size_t i = 0; i < kFaults; ++i) faults[i] += other.faults[i];
    for (const auto& [status, count] : other.statuses) statuses[status] += count;
    ok.merge(other.ok);
    refused.merge(other.refused);
}

void Series::add(double second, bool good, Duration latency, bool timed) {
    const auto index = static_cast<std::size_t>(std::max(0.0, second) / interval_s_);
    if (intervals_.empty() || index >= intervals_.size()) roll(index);
    Interval& interval = intervals_.back();
    ++(good ? interval.good : interval.errors);
    if (timed) open_.record(latency);
}

void Series::roll(std::size_t index) {
    if (!intervals_.empty()) intervals_.back().steps = open_.steps();
    open_.clear();
    intervals_.resize(index + 1);
}

void Series::fill(Interval& interval) {
    Latencies all;
    if (interval.steps.empty()) return;
    const auto least = static_cast<std::uint64_t>(Latencies::value_of(interval.steps.front().first));
    const auto most = static_cast<std::uint64_t>(Latencies::value_of(interval.steps.back().first));
    all.restore(interval.steps, 0, least, most);
    interval.p50 = all.quantile(0.5);
    interval.p95 = all.quantile(0.95);
    interval.p99 = all.quantile(0.99);
    interval.max = static_cast<double>(most);
}

void Series::close() {
    if (!intervals_.empty()) intervals_.back().steps = open_.steps();
    open_.clear();
    for (Interval& interval : intervals_) fill(interval);
}

void Series::merge(const Series& other) {
    if (intervals_.size() < other.intervals_.size()) intervals_.resize(other.intervals_.size());
    for (std::size_t i = 0; i < other.intervals_.size(); ++i) {
        Interval& mine = intervals_[i];
        const Interval& theirs = other.intervals_[i];
        mine.good += theirs.good;
        mine.errors += theirs.errors;
        std::map<std::uint32_t, std::uint64_t> steps(mine.steps.begin(), mine.steps.end());
        for (const auto& [step, count] : theirs.steps) steps[step] += count;
        mine.steps.assign(steps.begin(), steps.end());
        fill(mine);
    }
}

void Tally::merge(const Tally& other) {
    for (std::size_t i = 0; i < operations.size(); ++i) operations[i].merge(other.operations[i]);
    series.merge(other.series);
    late.merge(other.late);
    in_window += other.in_window;
    window_bytes += other.window_bytes;
    reconnects += other.reconnects;
    connects += other.connects;
    connect_failures += other.connect_failures;
    cut_off += other.cut_off;
    warm_up += other.warm_up;
    cpu_s += other.cpu_s;
}

}  // namespace tidegate::load
