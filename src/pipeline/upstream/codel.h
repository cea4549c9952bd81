// Codel: tells a standing queue from a burst, and how fast to shed it.
//
// Algorithm   RFC 8289: when every item taken out for a whole `interval` had waited longer than `target`, shed one, then the
//             next after interval / sqrt(count), until one comes out that waited less.
// Threads     None of its own; the owner's lock.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/clock.h"

namespace tidegate::upstream {

class Codel {
  public:
    Codel(Duration target, Duration interval) : target_(target), interval_(interval) {}

    /// The oldest item is about to be taken out after waiting `sojourn`: true when it is to be shed instead.
    bool should_shed(Duration sojourn, SteadyTime now) noexcept {
        if (sojourn < target_) {
            above_ = false;
            shedding_ = false;
            return false;
        }
        if (!above_) {
            above_ = true;
            standing_at_ = now + interval_;
            return false;
        }
        if (now < standing_at_) return false;
        if (!shedding_) {
            // Soon after the last time, RFC 8289 goes on near the rate that controlled the queue then.
            count_ = count_ > 2 && now - next_ < 8 * interval_ ? count_ - 2 : 1;
            shedding_ = true;
            next_ = now + step();
            return true;
        }
        if (now < next_) return false;
        ++count_;
        next_ += step();
        return true;
    }
    /// The queue has run empty.
    void emptied() noexcept {
        above_ = false;
        shedding_ = false;
    }
    /// Waiting has been over the target for a whole interval.
    bool is_standing(SteadyTime now) const noexcept { return above_ && now >= standing_at_; }

  private:
    Duration step() const noexcept {
        return Duration(static_cast<Duration::rep>(static_cast<double>(interval_.count()) / std::sqrt(count_)));
    }

    const Duration target_;
    const Duration interval_;
    bool above_ = false;
    bool shedding_ = false;
    std::uint32_t count_ = 0;
    SteadyTime standing_at_{};
    SteadyTime next_{};
};

}  // namespace tidegate::upstream
