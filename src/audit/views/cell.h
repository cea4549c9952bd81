// Cell: what is known of the decisions of one kind in one stretch of time: sums, and how their latencies spread.
//
// Guarantee   Adding is exact and in any order the same: every sum is a whole number (a confidence counts in millionths, rounded to
//             the nearest), and of what is stated only. Sums wrap at 2^64: 18 million million decisions of confidence 1.
// Algorithm   Latencies lie on the log-linear scale of HdrHistogram (Tene, 2012): microseconds, exact below 256, then 256 equal
//             steps for each power of two. A quantile is the middle of its step: at most 1/512 (0.2 %) off.
// Memory      8 bytes for each step in use, and up to 1 KiB of steps that wait to be sorted in. A thousand decisions of one
//             operation use 100 to 600 steps.
// Threads     None of its own: whoever holds it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "audit/segments/record.h"
#include "base/result.h"

namespace tidegate::audit {

/// Whole numbers only, so that the order of adding makes no difference.
struct Sums {
    std::uint64_t count = 0;
    std::uint64_t confidences = 0;
    std::uint64_t confidence_micro = 0;
    std::uint64_t latencies = 0;  // How many stated one; so confidences, token_counts and input_sizes.
    std::uint64_t latency_us = 0;
    std::uint64_t latency_us_max = 0;
    std::uint64_t spend_milli = 0;
    std::uint64_t token_counts = 0;
    std::uint64_t tokens = 0;
    std::uint64_t input_sizes = 0;
    std::uint64_t input_bytes = 0;

    void add(const segments::RecordView& record) noexcept;
    void merge(const Sums& other) noexcept;
    friend bool operator==(const Sums&, const Sums&) = default;
};

/// The scale.
inline constexpr std::uint32_t kSteps = 56 * 256;  // Every value of 63 bits.
std::uint16_t step_of(std::uint64_t us) noexcept;
/// The value in the middle of a step.
double middle_of(std::uint32_t step) noexcept;

/// Counts of every step: where many cells are added up for one reply. 112 KiB.
class DenseSteps {
  public:
    void add(std::uint32_t step, std::uint64_t count) noexcept { counts_[step] += count; }
    /// Nearest rank, in microseconds, for ascending `q` in 0..1; zeros when empty.
    void quantiles(std::span<const double> q, std::span<double> out) const noexcept;

  private:
    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kSteps);
};

/// Counts of the steps in use.
class SparseSteps {
  public:
    void add(std::uint64_t us);
    void merge(const SparseSteps& other);
    void add_to(DenseSteps& dense) const noexcept;
    /// Sorts in what waits: afterwards the memory is that of the steps in use.
    void settle();
    std::size_t bytes() const noexcept { return steps_.capacity() * sizeof(Step) + waiting_.capacity() * 2; }

    /// Pairs of varints (LEB128): step less the one before, count. What waits must have been settled.
    void encode(std::vector<std::uint8_t>& out) const;
    /// Adds what encode() wrote; kDataLoss when the bytes are not that.
    Result<void> merge_encoded(std::span<const std::uint8_t> bytes);

  private:
    // Packed: 2^50 decisions in a step are more than will ever be.
    struct Step {
        std::uint64_t step : 14;
        std::uint64_t count : 50;
    };
    static constexpr std::size_t kWaitingMax = 512;
    void merge_sorted(std::span<const Step> other);

    std::vector<Step> steps_;             // Ascending.
    std::vector<std::uint16_t> waiting_;  // In the order they came.
};

struct Cell {
    Sums sums;
    SparseSteps steps;

    void add(const segments::RecordView& record) {
        sums.add(record);
        if (record.latency_stated) steps.add(static_cast<std::uint64_t>(record.latency_us < 0 ? 0 : record.latency_us));
    }
    void merge(const Cell& other) {
        sums.merge(other.sums);
        steps.merge(other.steps);
    }
    std::size_t bytes() const noexcept { return sizeof(Cell) + steps.bytes(); }
};

}  // namespace tidegate::audit
