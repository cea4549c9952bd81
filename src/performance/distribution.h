// Distribution: how long things took, as counts that can be added up: percentiles of a day come from a day's counts.
//
// Algorithm   The log-linear steps of observe::Histogram, eight taken as one: 32 to a power of two, so a quantile is at most 1.6 % off.
//             (An average of percentiles is no percentile of anything.)
// Memory      10 bytes a step that holds something; packed 2 to 3. The answers of one route in 10 s fill some 10 to 60 steps.
// Threads     A value.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "observe/histogram.h"
#include "performance/codec.h"

namespace tidegate::performance {

class Distribution {
  public:
    Distribution() = default;
    explicit Distribution(const observe::HistogramSnapshot& snapshot);

    std::uint64_t count() const noexcept { return count_; }
    /// In nanoseconds, exact.
    double sum() const noexcept { return sum_; }
    /// Nanoseconds; NaN when nothing was counted. The largest is the middle of the highest step.
    double mean() const noexcept;
    double quantile(double q) const noexcept;
    double max() const noexcept { return quantile(1); }
    void merge(const Distribution& other);

    void write(const Writers& out) const;
    /// `form`: as in sample.h's pack().
    static Distribution read(const Readers& in, std::uint64_t form);
    friend bool operator==(const Distribution&, const Distribution&) = default;

  private:
    std::vector<std::pair<std::uint16_t, std::uint64_t>> steps_;  // Ascending; none is empty.
    std::uint64_t count_ = 0;
    double sum_ = 0;
};

}  // namespace tidegate::performance
