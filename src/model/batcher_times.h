// RunTimes: how long a pass takes by its size, as the last ones took.
//
// Algorithm   One moving mean (weight 1/8) for each doubling of the size. A sample counts as at most four times its mean, so one
//             pass that lost its core does not close the door; a model that became slow is believed within a few passes.
// Threads     All members from any thread. Two add() at once may lose one of two samples: it is a mean.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "base/clock.h"

namespace tidegate::model {

class RunTimes {
  public:
    /// Samples before a mean is believed for inline passes.
    static constexpr std::uint32_t kKnown = 16;

    /// `units`: what the passes are measured in (rows, or padded tokens), at least 1.
    void add(std::uint64_t units, Duration took, SteadyTime now) noexcept {
        Cell& cell = cells_[class_of(units)];
        const std::int64_t mean = cell.mean_ns.load(std::memory_order_relaxed);
        const std::uint32_t count = cell.count.load(std::memory_order_relaxed);
        std::int64_t sample = std::max<std::int64_t>(took.count(), 0);
        // The microsecond lets a mean of nothing (a clock that stood still) grow.
        if (count > 0) sample = std::min(sample, 4 * mean + 1000);
        // The first samples weigh as in a plain mean.
        const std::int64_t weight = std::min<std::int64_t>(count + 1, 8);
        cell.mean_ns.store(mean + (sample - mean) / weight, std::memory_order_relaxed);
        cell.at_ns.store(now.time_since_epoch().count(), std::memory_order_relaxed);
        if (count < kKnown) cell.count.store(count + 1, std::memory_order_relaxed);
    }

    /// Of a pass of this size: its own mean, else the next smaller size's, else the next larger's; 0 when nothing fresh is known.
    /// Means older than kFresh do not count: otherwise a pace measured in a bad minute could refuse for good the very requests
    /// that would measure it again.
    Duration expected(std::uint64_t units, SteadyTime now) const noexcept {
        const std::size_t at = class_of(units);
        for (std::size_t i = at + 1; i-- > 0;) {
            if (fresh(cells_[i], now)) return Duration(cells_[i].mean_ns.load(std::memory_order_relaxed));
        }
        for (std::size_t i = at + 1; i < cells_.size(); ++i) {
            if (fresh(cells_[i], now)) return Duration(cells_[i].mean_ns.load(std::memory_order_relaxed));
        }
        return Duration{};
    }

    /// Whether passes of just this size were measured often enough, and their mean is under the bound.
    bool stays_under(std::uint64_t units, Duration bound) const noexcept {
        const Cell& cell = cells_[class_of(units)];
        return cell.count.load(std::memory_order_relaxed) >= kKnown &&
               cell.mean_ns.load(std::memory_order_relaxed) < bound.count();
    }

  private:
    static constexpr Duration kFresh = std::chrono::seconds(2);
    // 2^32 tokens in one pass is beyond any memory.
    static constexpr std::size_t kClasses = 33;
    struct Cell {
        std::atomic<std::int64_t> mean_ns{0};
        std::atomic<std::int64_t> at_ns{0};
        std::atomic<std::uint32_t> count{0};
    };
    /// 1, 2, 3-4, 5-8, ...
    static std::size_t class_of(std::uint64_t units) noexcept {
        const auto width = static_cast<std::size_t>(std::bit_width(units == 0 ? 0 : units - 1));
        return std::min(width, kClasses - 1);
    }
    static bool fresh(const Cell& cell, SteadyTime now) noexcept {
        if (cell.count.load(std::memory_order_relaxed) == 0) return false;
        const Duration mean(cell.mean_ns.load(std::memory_order_relaxed));
        return now.time_since_epoch() - Duration(cell.at_ns.load(std::memory_order_relaxed)) <= kFresh + 4 * mean;
    }

    std::array<Cell, kClasses> cells_{};
};

/// Whether passes may run on the threads that ask: two over the bound in a row shut it, sixteen under it on the instances open it
/// again. One alone may be a core that was lost for a moment; of a model that became slow an event loop computes two passes.
class InlineGate {
  public:
    bool open() const noexcept { return shut_for_.load(std::memory_order_relaxed) == 0; }
    void ran_here(bool in_time) noexcept {
        if (in_time) {
            if (over_.load(std::memory_order_relaxed) != 0) over_.store(0, std::memory_order_relaxed);
        } else if (over_.fetch_add(1, std::memory_order_relaxed) + 1 >= 2) {
            over_.store(0, std::memory_order_relaxed);
            shut_for_.store(RunTimes::kKnown, std::memory_order_relaxed);
        }
    }
    /// `alone`: a pass of one request; a larger one that takes longer says nothing.
    void ran_on_instance(bool in_time, bool alone) noexcept {
        const std::uint32_t left = shut_for_.load(std::memory_order_relaxed);
        if (left == 0) return;
        if (in_time) shut_for_.store(left - 1, std::memory_order_relaxed);
        if (!in_time && alone) shut_for_.store(RunTimes::kKnown, std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint32_t> over_{0};
    std::atomic<std::uint32_t> shut_for_{0};
};

}  // namespace tidegate::model
