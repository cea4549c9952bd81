// The cells of the statistics in memory: by minute, hour and day as far back as they fit, and in total.
//
// Guarantee   From floor() of a level on, every period is here whole; before it none is.
// Memory      Each level drops its oldest periods when it is over its budget; the total has one cell for each kind.
// Threads     None of its own.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "audit/views/cell.h"

namespace tidegate::audit {

/// Times are minutes since the epoch.
using Minute = std::int64_t;
inline constexpr std::int64_t kMsPerMinute = 60'000;
inline constexpr Minute kHourMinutes = 60;
inline constexpr Minute kDayMinutes = 24 * kHourMinutes;
/// After every time that an id can carry (48 bits of milliseconds).
inline constexpr Minute kMinuteEnd = (std::int64_t{1} << 48U) / kMsPerMinute + 1;

enum class Level : std::uint8_t { kMinute, kHour, kDay, kTotal };
inline constexpr std::array<Level, 4> kLevels{Level::kMinute, Level::kHour, Level::kDay, Level::kTotal};
/// The start of the period of that level that `minute` lies in; 0 for the total.
Minute start_of(Level level, Minute minute) noexcept;
/// The first minute after the period that begins at `start`.
Minute end_of(Level level, Minute start) noexcept;

struct Span {
    Level level = Level::kMinute;
    Minute from = 0;
    Minute to = 0;
    friend bool operator==(const Span&, const Span&) = default;
};
/// [from, to) in as few whole periods as it can be: at most five spans, in order of time.
std::vector<Span> cover(Minute from, Minute to);

/// What a sum over the cells is made by.
class CellVisitor {
  public:
    virtual ~CellVisitor() = default;
    virtual bool wants(std::uint32_t kind) = 0;
    /// `start`: of the cell's period.
    virtual void add(Minute start, std::uint32_t kind, const Cell& cell) = 0;
};

/// Cells by start of their period and kind, with their size.
class PeriodCells {
  public:
    using Kinds = std::unordered_map<std::uint32_t, Cell>;
    void merge(Minute start, std::uint32_t kind, const Cell& cell);
    /// Null: none.
    const Cell* find(Minute start, std::uint32_t kind) const;
    void visit(Minute from, Minute to, CellVisitor& visitor) const;
    /// Drops the periods before `start`.
    void drop_before(Minute start);
    void clear();
    bool empty() const noexcept { return periods_.empty(); }
    Minute first() const noexcept { return periods_.begin()->first; }
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t cells() const noexcept { return cells_; }
    const std::map<Minute, Kinds>& periods() const noexcept { return periods_; }

  private:
    std::map<Minute, Kinds> periods_;
    std::size_t bytes_ = 0;
    std::size_t cells_ = 0;
};

struct LevelBudgets {
    std::size_t minutes = 32UL * 1024 * 1024;
    std::size_t hours = 48UL * 1024 * 1024;
    std::size_t days = 48UL * 1024 * 1024;
};

class Levels {
  public:
    explicit Levels(LevelBudgets budgets) : budgets_{budgets.minutes, budgets.hours, budgets.days, SIZE_MAX} {}

    /// Adds a minute's cell to its period of every level that has it.
    void merge(Minute minute, std::uint32_t kind, const Cell& cell);
    /// Drops what is over the budgets.
    void trim();
    void clear();

    Minute floor(Level level) const noexcept { return floors_[index(level)]; }
    bool holds(Level level, Minute start) const noexcept { return start >= floor(level); }
    const PeriodCells& of(Level level) const noexcept { return cells_[index(level)]; }
    std::size_t budget(Level level) const noexcept { return budgets_[index(level)]; }
    std::size_t bytes() const noexcept;
    /// The minutes that anything was counted in; first > last: none.
    Minute first_minute() const noexcept { return first_; }
    Minute last_minute() const noexcept { return last_; }

    // For the loading at a start.
    PeriodCells& loading(Level level) noexcept { return cells_[index(level)]; }
    void set_floor(Level level, Minute floor);
    void note_minutes(Minute first, Minute last) noexcept;

  private:
    static std::size_t index(Level level) noexcept { return static_cast<std::size_t>(level); }
    std::array<PeriodCells, 4> cells_;
    std::array<Minute, 4> floors_{};
    std::array<std::size_t, 4> budgets_;
    Minute first_ = kMinuteEnd;
    Minute last_ = -1;
};

}  // namespace tidegate::audit
