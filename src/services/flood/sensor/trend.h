// Trend: the next value of a sensor from a robust level, and how unlikely the difference is by the tail of the differences before.
//
// Algorithm   Level by clipped exponential smoothing; scale by the larger of a slow and a fast mean of clipped residuals, so that a rough
//             day asks for more; a rise counts for less than a fall, as water rises fast and falls slowly. The tail: threshold u of the
//             highest 2 % by stochastic approximation, Hill's estimate of the tail index over it, and Weissman's extrapolation from
//             there: score = -log10 P(a residual so large). The highest scores of a sensor's own past set its threshold: nothing is in units.
// Guarantee   O(1) memory and time a value. What was an alarm does not move the level until `kAccepted` values in a row say the same.
// Source      The constants come from the development half of labelled river gauges; see docs/flood.md.
#pragma once

#include <cstdint>
#include <limits>

namespace tidegate::flood {

struct TrendVerdict {
    double score = 0;     // -log10 of the chance; 0: usual, or too early to say.
    double expected = 0;  // NaN: the first value.
    double residual = 0;
    bool alarm = false;
    bool accepted = false;  // The new level was accepted after a run of alarms.
};

class Trend {
  public:
    /// `threshold`: the score from which a value is an alarm; `is_level`: a rise counts for less.
    TrendVerdict add(double time_s, double value, double threshold, bool is_level) noexcept;

    bool learned() const noexcept { return count_ >= kLearning; }
    /// Of the values taken as usual.
    double range() const noexcept { return high_ > low_ ? high_ - low_ : 0; }
    double step_s() const noexcept { return step_s_; }
    double last_time_s() const noexcept { return time_s_; }
    std::uint32_t count() const noexcept { return count_; }

    /// Calls visit(member) for each member: for storing.
    template <class Self, class Visit>
    static void visit_members(Self& self, Visit&& visit) {
        visit(self.level_), visit(self.time_s_), visit(self.step_s_), visit(self.slow_), visit(self.fast_);
        visit(self.low_), visit(self.high_), visit(self.log_tail_), visit(self.tail_index_), visit(self.count_);
        visit(self.run_);
    }

    static constexpr std::uint32_t kLearning = 300;  // Three days of quarter hours.
    static constexpr std::uint32_t kAccepted = 12;   // Three hours of them.

  private:
    double score_of(double ratio) noexcept;
    void learn(double value, double residual, double steps, double expected) noexcept;

    double level_ = std::numeric_limits<double>::quiet_NaN();
    double time_s_ = std::numeric_limits<double>::quiet_NaN();
    double step_s_ = 0;
    double slow_ = 0, fast_ = 0;
    double low_ = 0, high_ = 0;
    double log_tail_ = 0.7;  // log u; the ratios of a calm sensor are about 1.
    double tail_index_ = 0.5;
    std::uint32_t count_ = 0, run_ = 0;
};

}  // namespace tidegate::flood
