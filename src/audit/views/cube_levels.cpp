#include "audit/views/cube_levels.h"

#include <algorithm>

namespace tidegate::audit {
namespace {

// An entry of an unordered_map beside its Cell: links, key, its share of the buckets.
constexpr std::size_t kEntryBytes = 40;

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

void PeriodCells::merge(Minute start, std::uint32_t kind, const Cell& cell) {
    const auto [entry, is_new] = periods_[start].try_emplace(kind);
    Cell& mine = entry->second;
    if (is_new) {
        ++cells_;
        bytes_ += kEntryBytes;
    } else {
        bytes_ -= mine.bytes();
    }
    mine.merge(cell);
    bytes_ += mine.bytes();
}

const Cell* PeriodCells::find(Minute start, std::uint32_t kind) const {
    const auto period = periods_.find(start);
    if (period == periods_.end()) return nullptr;
    const auto found = period->second.find(kind);
    return found == period->second.end() ? nullptr : &found->second;
}

void PeriodCells::visit(Minute from, Minute to, CellVisitor& visitor) const {
    for (auto at = periods_.lower_bound(from); at != periods_.end() && at->first < to; ++at) {
        for (const auto& [kind, cell] : at->second) {
            if (visitor.wants(kind)) visitor.add(at->first, kind, cell);
        }
    }
}

void PeriodCells::drop_before(Minute start) {
    while (!periods_.empty() && first() < start) {
        for (const auto& [kind, cell] : periods_.begin()->second) bytes_ -= cell.bytes() + kEntryBytes;
        cells_ -= periods_.begin()->second.size();
        periods_.erase(periods_.begin());
    }
}

void PeriodCells::clear() {
    periods_.clear();
    bytes_ = 0;
    cells_ = 0;
}

void Levels::merge(Minute minute, std::uint32_t kind, const Cell& cell) {
    for (const Level level : kLevels) {
        const Minute start = start_of(level, minute);
        if (holds(level, start)) cells_[index(level)].merge(start, kind, cell);
    }
    note_minutes(minute, minute);
}

void Levels::trim() {
    for (const Level level : {Level::kMinute, Level::kHour, Level::kDay}) {
        const PeriodCells& cells = of(level);
        while (!cells.empty() && cells.bytes() > budget(level)) set_floor(level, end_of(level, cells.first()));
    }
}

void Levels::clear() {
    for (PeriodCells& cells : cells_) cells.clear();
    floors_ = {};
    first_ = kMinuteEnd;
    last_ = -1;
}

void Levels::set_floor(Level level, Minute floor) {
    floors_[index(level)] = floor;
    cells_[index(level)].drop_before(floor);
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
