// ContextMemory: how surprising a value is after the values before it, for series of any kind.
//
// Algorithm   Values become one of 12 levels of a range. Counts of each level after each of the last 0 to 4 levels, blended from short to
//             long as prediction by partial matching does (Moffat's method C: what is new in a context weighs as many as it has levels).
//             Surprise is -log2 of the blended probability, smoothed over three values. After a value was the most surprising of a rest
//             period, only a more surprising one counts within the next.
// Memory      A fixed table of 4,096 contexts, 80 KB; a context that finds no place is not kept. Counts halve before they overflow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace tidegate::flood {

class ContextMemory {
  public:
    static constexpr std::size_t kLevels = 12, kDepth = 4, kContexts = 4096;

    /// Values lie between `low` and `high`; others count as the nearest.
    ContextMemory(double low, double high);

    /// Bits of surprise; 0 while a more surprising value rests. `rest`: values.
    double add(double value, std::size_t rest);

  private:
    struct Context {
        std::uint32_t tag = 0;  // 0: free.
        std::array<std::uint8_t, kLevels> counts{};
    };
    Context* find(std::uint64_t hash);
    double surprise(std::size_t level);

    double low_, high_;
    std::vector<Context> table_;
    std::array<std::uint8_t, kDepth> last_{};
    std::size_t seen_ = 0;
    double smooth_ = 0;
    std::deque<double> recent_;  // Of the rest period.
};

}  // namespace tidegate::flood
