// LatencySketch: counts of durations on a log-linear scale, small enough to store with each hour and kind.
//
// Algorithm   As observe/histogram.h, with 32 steps a power of two: a quantile read at the middle of its step is at
//             most 1.6 % off. Microseconds; exact below 64.
// Memory      Sparse: an hour of one operation's latencies fills 20 to 80 steps, 3 bytes each when stored.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/sqlite.h"

namespace tidegate::audit {

class LatencySketch {
  public:
    void add(std::int64_t us, std::uint64_t count = 1);
    void merge(const LatencySketch& other);
    /// Nearest rank, in microseconds; 0 when empty.
    double quantile(double q) const noexcept;
    std::uint64_t count() const noexcept;

    /// Pairs of varints (LEB128): step minus the one before, count.
    void encode(std::vector<std::uint8_t>& out) const;
    /// Adds what encode() wrote. kDataLoss when the bytes are not that.
    Result<void> merge_encoded(store::Blob bytes);

    friend bool operator==(const LatencySketch&, const LatencySketch&) = default;

  private:
    void add_step(std::uint32_t step, std::uint64_t count);
    std::vector<std::pair<std::uint32_t, std::uint64_t>> steps_;  // Ascending.
};

}  // namespace tidegate::audit
