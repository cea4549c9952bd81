#include "audit/views/cube_levels.h"

#include <algorithm>

namespace tidegate::audit {
namespace {

Minute unit_of(Level level) noexcept {
    return level == Level::kMinute ? 1 : level == Level::kHour ? kHourMinutes : kDayMinutes;
}

Minute round_up(Minute minute, Minute unit) noexcept {
    return (minute + unit - 1) / unit * unit;
}

}  // namespace

Minute start_of(Level level, Minute minute) noexcept {
    return level == Level::kTotal ? 0 : minute - minute % unit_of(level);
}

Minute end_of(Level level, Minute start) noexcept {
    return level == Level::kTotal ? kMinuteEnd : start + unit_of(level);
}

std::vector<Span> cover(Minute from, Minute to) {
    std::vector<Span> out;
    const auto take = [&](Level level, Minute end) {
        if (end <= from) return;
        out.push_back({level, from, end});
        from = end;
    };
    const auto down = [](Minute minute, Minute unit) { return minute - minute % unit; };
    take(Level::kMinute, std::min(to, round_up(from, kHourMinutes)));
    if (down(to, kHourMinutes) > from)
        take(Level::kHour, std::min(down(to, kHourMinutes), round_up(from, kDayMinutes)));
    if (down(to, kDayMinutes) > from) take(Level::kDay, down(to, kDayMinutes));
    if (down(to, kHourMinutes) > from) take(Level::kHour, down(to, kHourMinutes));
    take(Level::kMinute, to);
    return out;
}

PeriodCells::Period& PeriodCells::at(Minute start, bool fat) {
    const auto [found, is_new] = periods_.try_emplace(start);
    if (is_new) {
        found->second.fat = fat;
        sum_bytes_ += found->second.sum_bytes();
    }
    return found->second;
}

void PeriodCells::merge(Level level, std::vector<CellItem>& items, Minute floor, Minute steps_floor) {
    const auto key = [level](const CellItem& item) { return std::pair(start_of(level, item.minute), item.kind); };
    std::ranges::sort(items, {}, key);
    for (auto begin = items.begin(); begin != items.end();) {
        const Minute start = start_of(level, begin->minute);
        const auto end = std::find_if(begin, items.end(),
                                      [&](const CellItem& item) { return start_of(level, item.minute) != start; });
        if (start >= floor) merge_run(at(start, start >= steps_floor), {begin, end});
        begin = end;
    }
}

// First the kinds that are here already, in place; only new ones move the rest, all at once.
void PeriodCells::merge_run(Period& period, std::span<const CellItem> run) {
    sum_bytes_ -= period.sum_bytes();
    step_bytes_ -= period.step_bytes;
    std::vector<CellItem> fresh;
    auto entry = period.entries.begin();
    for (const CellItem& item : run) {
        entry = std::lower_bound(entry, period.entries.end(), item.kind,
                                 [](const Entry& mine, std::uint32_t kind) { return mine.kind < kind; });
        if (entry == period.entries.end() || entry->kind != item.kind) {
            fresh.push_back(item);
            continue;
        }
        entry->sums.merge(item.cell->sums);
        if (!period.fat) continue;
        SparseSteps& steps = period.steps[static_cast<std::size_t>(entry - period.entries.begin())];
        period.step_bytes -= steps.bytes();
        steps.merge(item.cell->steps);
        period.step_bytes += steps.bytes();
    }
    if (!fresh.empty()) add_fresh(period, fresh);
    sum_bytes_ += period.sum_bytes();
    step_bytes_ += period.step_bytes;
}

void PeriodCells::add_fresh(Period& period, std::span<const CellItem> fresh) {
    std::vector<Entry> entries;
    std::vector<SparseSteps> steps;
    entries.reserve(period.entries.size() + fresh.size());
    if (period.fat) steps.reserve(entries.capacity());
    std::size_t old = 0;
    const auto keep_before = [&](std::uint32_t kind) {
        for (; old < period.entries.size() && period.entries[old].kind < kind; ++old) {
            entries.push_back(period.entries[old]);
            if (period.fat) steps.push_back(std::move(period.steps[old]));
        }
    };
    for (const CellItem& item : fresh) {
        keep_before(item.kind);
        if (entries.empty() || entries.back().kind != item.kind) {
            entries.push_back({.kind = item.kind, .sums = {}});
            if (period.fat) {
                steps.emplace_back();
                period.step_bytes += sizeof(SparseSteps);
            }
        }
        entries.back().sums.merge(item.cell->sums);
        if (!period.fat) continue;
        period.step_bytes -= steps.back().bytes();
        steps.back().merge(item.cell->steps);
        period.step_bytes += steps.back().bytes();
    }
    keep_before(UINT32_MAX);
    period.entries = std::move(entries);
    period.steps = std::move(steps);
}

void PeriodCells::merge_of_all(Level level, const StepsOfAll& of_all, Minute floor) {
    for (const auto& [minute, steps] : of_all) {
        const Minute start = start_of(level, minute);
        const auto found = periods_.find(start);
        if (start < floor || found == periods_.end()) continue;
        sum_bytes_ -= found->second.of_all.bytes();
        found->second.of_all.merge(steps);
        sum_bytes_ += found->second.of_all.bytes();
    }
}

const PeriodCells::Entry* PeriodCells::find(Minute start, std::uint32_t kind) const {
    const auto period = periods_.find(start);
    if (period == periods_.end()) return nullptr;
    const auto found = std::ranges::lower_bound(period->second.entries, kind, {}, &Entry::kind);
    return found == period->second.entries.end() || found->kind != kind ? nullptr : &*found;
}

const SparseSteps* PeriodCells::find_steps(Minute start, std::uint32_t kind) const {
    const Entry* const entry = find(start, kind);
    if (entry == nullptr) return nullptr;
    const Period& period = periods_.find(start)->second;
    return period.fat ? &period.steps[static_cast<std::size_t>(entry - period.entries.data())] : nullptr;
}

const SparseSteps* PeriodCells::find_of_all(Minute start) const {
    const auto period = periods_.find(start);
    return period == periods_.end() ? nullptr : &period->second.of_all;
}

void PeriodCells::visit(Minute from, Minute to, CellVisitor& visitor) const {
    const bool all = visitor.wants_all();
    for (auto at = periods_.lower_bound(from); at != periods_.end() && at->first < to; ++at) {
        const Period& period = at->second;
        for (std::size_t i = 0; i < period.entries.size(); ++i) {
            const Entry& entry = period.entries[i];
            if (!visitor.wants(entry.kind)) continue;
            visitor.add(at->first, entry.kind, entry.sums);
            if (!all && period.fat) visitor.add_steps(entry.kind, period.steps[i]);
        }
        if (all) visitor.add_steps_of_all(period.of_all);
    }
}

void PeriodCells::drop_before(Minute start) {
    while (!periods_.empty() && first() < start) {
        sum_bytes_ -= periods_.begin()->second.sum_bytes();
        step_bytes_ -= periods_.begin()->second.step_bytes;
        periods_.erase(periods_.begin());
    }
}

// From the newest thin one back all are thin.
void PeriodCells::thin_before(Minute start) {
    for (auto at = periods_.lower_bound(start); at != periods_.begin();) {
        Period& period = (--at)->second;
        if (!period.fat) return;
        step_bytes_ -= period.step_bytes;
        period.fat = false;
        period.step_bytes = 0;
        period.steps = {};
    }
}

void PeriodCells::clear() {
    periods_.clear();
    sum_bytes_ = 0;
    step_bytes_ = 0;
}

void Levels::merge(std::vector<CellItem>& items, const StepsOfAll& of_all) {
    for (const Level level : kLevels) {
        cells_[index(level)].merge(level, items, floor(level), steps_floor(level));
        cells_[index(level)].merge_of_all(level, of_all, floor(level));
    }
    for (const CellItem& item : items) note_minutes(item.minute, item.minute);
}

void Levels::trim() {
    for (const Level level : {Level::kMinute, Level::kHour, Level::kDay}) {
        const PeriodCells& cells = of(level);
        auto fat = cells.periods().lower_bound(steps_floor(level));
        while (cells.step_bytes() > steps_budget(level) && fat != cells.periods().end()) {
            set_steps_floor(level, end_of(level, (fat++)->first));
        }
        while (!cells.empty() && cells.bytes() > budget(level)) set_floor(level, end_of(level, cells.first()));
    }
}

void Levels::clear() {
    for (PeriodCells& cells : cells_) cells.clear();
    floors_ = {};
    steps_floors_ = {};
    first_ = kMinuteEnd;
    last_ = -1;
}

void Levels::set_floor(Level level, Minute floor) {
    Minute& mine = floors_[index(level)];
    mine = std::max(mine, floor);
    cells_[index(level)].drop_before(mine);
    set_steps_floor(level, mine);
}

void Levels::set_steps_floor(Level level, Minute floor) {
    Minute& mine = steps_floors_[index(level)];
    mine = std::max(mine, floor);
    cells_[index(level)].thin_before(mine);
}

void Levels::note_minutes(Minute first, Minute last) noexcept {
    first_ = std::min(first_, first);
    last_ = std::max(last_, last);
}

std::size_t Levels::bytes() const noexcept {
    std::size_t total = 0;
    for (const PeriodCells& cells : cells_) total += cells.bytes();
    return total;
}

}  // namespace tidegate::audit
