// Histogram: counts of whole numbers (nanoseconds, bytes) in fixed Prometheus buckets and in a fine log-linear scale.
//
// Algorithm   The fine scale is HdrHistogram's (Tene, 2012): exact below 256, then 256 equal steps for each power of
//             two, so a quantile read back at the middle of its step is at most 0.2 % off. Values above 2^41 - 1 (36
//             minutes in nanoseconds, 2 TiB in bytes) count as that; max() is exact.
// Memory      264 KiB of address space, mapped but untouched: a latency that spreads over 6 powers of two on 4 threads
//             holds 48 KiB. The Prometheus buckets are exact counters of their own, not derived.
// Threads     record() from any thread, no lock, no allocation. snapshot() from any thread; it is not one instant: a
//             value recorded meanwhile may be in it or not.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"

namespace tidegate::observe {

/// A small number that is the same for every call on one thread; threads take them in turn.
inline std::uint32_t thread_shard() noexcept {
    static constinit std::atomic<std::uint32_t> next{0};
    thread_local const std::uint32_t mine = next.fetch_add(1, std::memory_order_relaxed);
    return mine;
}

struct HistogramSpec {
    /// Upper bounds of the Prometheus buckets in the exposed unit, ascending, without +Inf; at most 24.
    std::vector<double> bounds;
    /// Exposed unit for one recorded unit: 1e-9 for nanoseconds shown as seconds, 1 for bytes.
    double scale = 1e-9;

    /// 0.1 ms to 10 s, as an AI service's routes spread.
    static HistogramSpec latency();
    /// 256 B to 16 MiB by fours.
    static HistogramSpec sizes();
};

/// Counts read from one or several histograms of one shape.
class HistogramSnapshot {
  public:
    std::uint64_t count = 0;
    double sum = 0;  // In recorded units.
    std::uint64_t max = 0;
    std::vector<std::uint64_t> buckets;  // By Prometheus bound, not cumulative; the last is +Inf.

    /// The value at quantile q in 0..1, in recorded units, within 0.2 %; 0 when nothing was counted.
    double quantile(double q) const noexcept;
    double mean() const noexcept { return count == 0 ? 0 : sum / static_cast<double>(count); }
    /// Adds the counts of another histogram of the same bounds.
    void merge(const HistogramSnapshot& other);
    /// What was counted between `earlier`, a snapshot of the same histogram, and this one. Its max is that of all time.
    HistogramSnapshot since(const HistogramSnapshot& earlier) const;
    /// Calls visit(step, count) for each fine step that holds something, ascending (Histogram::middle_of()).
    template <class Visit>
    void each_step(Visit&& visit) const {
        for (std::size_t i = 0; i < steps_.size(); ++i) visit(steps_[i], counts_[i]);
    }

  private:
    friend class Histogram;
    std::vector<std::uint32_t> steps_;   // Which fine steps hold something, ascending.
    std::vector<std::uint64_t> counts_;  // How much.
};

class Histogram {
  public:
    explicit Histogram(const HistogramSpec& spec);
    ~Histogram();
    Histogram(const Histogram&) = delete;
    Histogram& operator=(const Histogram&) = delete;

    void record(std::uint64_t value) noexcept;
    /// A negative duration counts as 0.
    void record(Duration duration) noexcept {
        record(duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count()));
    }
    HistogramSnapshot snapshot() const;
    std::span<const double> bounds() const noexcept { return bounds_; }
    double scale() const noexcept { return scale_; }

    static constexpr std::uint32_t kStepsPerOctave = 256;
    static constexpr std::uint32_t kOctaves = 34;  // The first holds 0..255 exactly; then 2^8 .. 2^41 - 1.
    static constexpr std::uint32_t kBoundsMax = 24;
    static constexpr std::uint32_t kShards = 4;
    /// Fine step of a value, and the value in the middle of a step.
    static std::uint32_t step_of(std::uint64_t value) noexcept;
    static double middle_of(std::uint32_t step) noexcept;

  private:
    using Cell = std::atomic<std::uint64_t>;
    struct alignas(64) Shard {
        std::array<Cell, kBoundsMax + 1> buckets{};
        Cell sum{0};
        Cell max{0};
        Cell octaves{0};  // A bit for each octave that has counts: a reader skips untouched pages.
    };
    std::vector<double> bounds_;
    std::array<std::uint64_t, kBoundsMax + 1> limits_{};  // Highest recorded value of each bucket; the last takes all.
    double scale_;
    std::array<Shard, kShards> shards_;
    std::uint64_t* cells_ = nullptr;  // kShards x kOctaves x kStepsPerOctave, in an anonymous mapping; used atomically.
};

}  // namespace tidegate::observe
