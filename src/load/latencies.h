// Latencies: times in nanoseconds in observe's log-linear scale, for one thread, mergeable and storable.
//
// Algorithm   HdrHistogram's scale (Tene, 2012), as observe::Histogram has it: a quantile is at most 0.2 % off; count, mean and
//             max are exact. Without observe's atomics and Prometheus buckets, which a load generator's thread need not pay for.
// Memory      68 KiB.
// Threads     One thread each; merge() when they are done.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace tidegate::load {

class Latencies {
  public:
    Latencies();

    /// A negative time counts as 0.
    void record(Duration time) noexcept;
    void merge(const Latencies& other) noexcept;
    void clear() noexcept;

    std::uint64_t count() const noexcept { return count_; }
    /// Nanoseconds; 0 when nothing was counted.
    double quantile(double q) const noexcept;
    double mean() const noexcept;
    /// Standard deviation, from the steps.
    double deviation() const noexcept;
    std::uint64_t max() const noexcept { return max_; }
    std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }

    /// Steps that hold something, ascending, with their counts: for the result file.
    std::vector<std::pair<std::uint32_t, std::uint64_t>> steps() const;
    /// From such a list; `sum` and `max` as they were. False: a step or the total is impossible.
    bool restore(const std::vector<std::pair<std::uint32_t, std::uint64_t>>& steps, double sum, std::uint64_t min,
                 std::uint64_t max);
    double sum() const noexcept { return sum_; }
    /// Upper end of a step, nanoseconds: for the percentile curve.
    static double value_of(std::uint32_t step) noexcept;

  private:
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    double sum_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
    std::uint32_t low_ =
        ~std::uint32_t{0};  // Steps in use lie between these two, so that clear() and merge() are short.
    std::uint32_t high_ = 0;
};

}  // namespace tidegate::load
