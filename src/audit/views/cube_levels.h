// The cells of the statistics in memory: by minute, hour and day as far back as they fit, and in total.
//
// Guarantee   From floor() of a level on, the sums of every period are here whole, and how all decisions' latencies spread; from
//             steps_floor() on how those of each kind do. Before floor() nothing is.
// Algorithm   A period is one row of sums in the order of their kinds, so that a question reads memory from front to back. Latencies
//             of all kinds are kept once more together: a question without a filter reads one histogram a period, not one a kind.
// Memory      104 bytes for each kind of a period; 8 bytes for each step of latency in use. Over its budget a level drops its oldest
//             periods; a third of the budget is for the latencies by kind, which go first. The total has one cell a kind, whole.
// Threads     None of its own.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
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

/// What a sum over the cells is made by. Of a record in memory or file either add() with add_steps(), or add() and its part in
/// add_steps_of_all().
class CellVisitor {
  public:
    virtual ~CellVisitor() = default;
    /// wants() is true of every kind of decision: then latencies may come by add_steps_of_all(). The same all along.
    virtual bool wants_all() const noexcept = 0;
    virtual bool wants(std::uint32_t kind) = 0;
    /// `start`: of the cell's period.
    virtual void add(Minute start, std::uint32_t kind, const Sums& sums) = 0;
    virtual void add_steps(std::uint32_t kind, const SparseSteps& steps) = 0;
    /// Of all decisions of a period, of whatever kind; events are not in it.
    virtual void add_steps_of_all(const SparseSteps& steps) = 0;
};

/// A cell on its way into the periods. The cell outlives it.
struct CellItem {
    Minute minute = 0;
    std::uint32_t kind = 0;
    const Cell* cell = nullptr;
};
/// The latencies of all decisions of a minute, whatever their kinds.
using StepsOfAll = std::map<Minute, SparseSteps>;

/// The periods of one level.
class PeriodCells {
  public:
    struct Entry {
        std::uint32_t kind = 0;
        Sums sums;
    };
    struct Period {
        std::vector<Entry> entries;      // Ascending by kind.
        bool fat = true;                 // `steps` has as many as `entries`; else none: they are in the file only.
        std::vector<SparseSteps> steps;  // Of the entries, in their order.
        std::size_t step_bytes = 0;      // Of `steps`.
        SparseSteps of_all;
        std::size_t sum_bytes() const noexcept {
            return kPeriodBytes + entries.size() * sizeof(Entry) + of_all.bytes();
        }
    };

    /// Adds each item to its period of `level`, that of items before `floor` left out; the latencies by kind only from `steps_floor`
    /// on. Changes the order of `items`.
    void merge(Level level, std::vector<CellItem>& items, Minute floor, Minute steps_floor);
    void merge_of_all(Level level, const StepsOfAll& of_all, Minute floor);
    /// Null: none.
    const Entry* find(Minute start, std::uint32_t kind) const;
    const SparseSteps* find_steps(Minute start, std::uint32_t kind) const;
    const SparseSteps* find_of_all(Minute start) const;
    void visit(Minute from, Minute to, CellVisitor& visitor) const;
    /// Drops the periods before `start`.
    void drop_before(Minute start);
    /// Drops the latencies by kind of the periods before `start`.
    void thin_before(Minute start);
    void clear();
    bool empty() const noexcept { return periods_.empty(); }
    Minute first() const noexcept { return periods_.begin()->first; }
    std::size_t bytes() const noexcept { return sum_bytes_ + step_bytes_; }
    std::size_t step_bytes() const noexcept { return step_bytes_; }
    const std::map<Minute, Period>& periods() const noexcept { return periods_; }

  private:
    static constexpr std::size_t kPeriodBytes = 160;  // An entry of the map.
    Period& at(Minute start, bool fat);
    void merge_run(Period& period, std::span<const CellItem> run);
    static void add_fresh(Period& period, std::span<const CellItem> fresh);

    std::map<Minute, Period> periods_;
    std::size_t sum_bytes_ = 0;
    std::size_t step_bytes_ = 0;
};

struct LevelBudgets {
    // With 200 kinds busy in every minute: 35 hours of minutes (a day with the hour that its edge lies in needs 25), 60 days of hours,
    // 3 years of days.
    std::size_t minutes = 72UL * 1024 * 1024;
    std::size_t hours = 48UL * 1024 * 1024;
    std::size_t days = 40UL * 1024 * 1024;
};

class Levels {
  public:
    explicit Levels(LevelBudgets budgets) : budgets_{budgets.minutes, budgets.hours, budgets.days, SIZE_MAX} {}

    /// Adds cells of minutes to their periods of every level that has them. Changes the order of `items`.
    void merge(std::vector<CellItem>& items, const StepsOfAll& of_all);
    /// Drops what is over the budgets.
    void trim();
    void clear();

    Minute floor(Level level) const noexcept { return floors_[index(level)]; }
    Minute steps_floor(Level level) const noexcept { return steps_floors_[index(level)]; }
    const PeriodCells& of(Level level) const noexcept { return cells_[index(level)]; }
    /// For all that is kept, and of that for the latencies by kind.
    std::size_t budget(Level level) const noexcept { return budgets_[index(level)]; }
    std::size_t steps_budget(Level level) const noexcept { return budget(level) / 3; }
    std::size_t bytes() const noexcept;
    /// The minutes that anything was counted in, or up to an hour more at either end; first > last: none.
    Minute first_minute() const noexcept { return first_; }
    Minute last_minute() const noexcept { return last_; }

    /// Never back. What lies before is dropped.
    void set_floor(Level level, Minute floor);
    void set_steps_floor(Level level, Minute floor);
    // For the loading at a start.
    PeriodCells& loading(Level level) noexcept { return cells_[index(level)]; }
    void note_minutes(Minute first, Minute last) noexcept;

  private:
    static std::size_t index(Level level) noexcept { return static_cast<std::size_t>(level); }
    std::array<PeriodCells, 4> cells_;
    std::array<Minute, 4> floors_{};
    std::array<Minute, 4> steps_floors_{};  // None before floors_.
    std::array<std::size_t, 4> budgets_;
    Minute first_ = kMinuteEnd;
    Minute last_ = -1;
};

}  // namespace tidegate::audit
