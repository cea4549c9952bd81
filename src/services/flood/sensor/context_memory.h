// ContextMemory: how surprising a value is after the values before it, for a series of any kind.
//
// Algorithm   Values become levels: kInside cells over the range seen, widened by a third on either side, and one beyond each end. How often
//             each level came after each of the last 0 to kDepth levels in the last kWindow values is blended from short contexts to long
//             as prediction by partial matching does (Moffat 1990, method C: what is new in a context weighs as many as it has levels).
//             The score is -log10 of the blended probability, smoothed over about three values. A value counts only when none of the
//             kRest before it was as surprising: one event, not forty.
// Range       Learned: a value beyond the grid, or a window that fills less than half of it, has all values put into levels anew.
//             Or declared, where the caller knows what can be measured.
// Memory      Five bytes a value of the window and 1 KiB: at most 22 KiB. Time: the window once a value, about 5 us.
// Threads     One at a time.
// Source      The constants come from the development half of the Numenta benchmark; see docs/flood.md for how far their neighbours differ.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidegate::flood {

struct Surprise {
    double score = 0;  // -log10 of the chance, smoothed.
    bool alarm = false;
};

class ContextMemory {
  public:
    static constexpr std::size_t kInside = 12, kLevels = kInside + 2, kDepth = 4, kWindow = 4096, kRest = 200;
    static constexpr std::uint32_t kLearning = 100;  // Values before the first alarm.

    /// From now on the cells lie between `low` and `high`; a value outside is beyond the ends. Needs low < high, both finite.
    void declare_range(double low, double high);
    /// An alarm: over `threshold`, and the most surprising of the kRest values before. `value`: finite.
    Surprise add(double value, double threshold);
    std::uint32_t count() const noexcept { return count_; }

    /// Calls visit(member) for the numbers and visit(vector) for the values: for storing. After restoring, restored().
    template <class Self, class Visit>
    static void visit_members(Self& self, Visit&& visit) {
        visit(self.low_), visit(self.high_), visit(self.grid_low_), visit(self.grid_high_), visit(self.smooth_);
        visit(self.count_), visit(self.declared_), visit(self.values_), visit(self.recent_);
    }
    /// Puts the values into levels; false: what was read is nothing that was stored.
    bool restored();

  private:
    using Counts = std::array<std::array<std::uint16_t, 16>, kDepth + 1>;

    std::uint8_t level_of(double value) const noexcept;
    void make_grid();
    void put_into_levels();
    void widen(double value);
    void shrink();
    double probability(std::uint8_t level) const noexcept;
    Counts count_contexts() const noexcept;

    double low_ = 0, high_ = 0;            // Of the values seen.
    double grid_low_ = 0, grid_high_ = 0;  // Of the cells.
    double smooth_ = 0;
    std::uint32_t count_ = 0, declared_ = 0;
    std::vector<float> values_;  // The window, oldest first.
    std::vector<float> recent_;  // Scores of the rest period, oldest first.
    std::vector<std::uint8_t> levels_;
};

}  // namespace tidegate::flood
