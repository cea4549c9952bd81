// GradientLimit: how many calls an upstream takes at once without queueing, found from the time to first byte.
//
// Algorithm   Gradient2 of Netflix concurrency-limits: gradient = clamp(tolerance * long / short, 0.5, 1), where long is an
//             exponential mean over 600 windows and short is the mean of the last (at least 100 ms and 10 samples);
//             limit' = limit * gradient + queue, smoothed by 0.2. While long is over twice short it is drawn down by 5 % a
//             window, so that it recovers after an overload. The limit does not grow while less than half of it is used. A
//             window with time-outs or 503 shrinks the limit by a tenth (AIMD), which Gradient2 leaves out.
// Guarantee   Between limit_min and limit_max, always. Fed with the time to first byte: long answers are not overload.
// Threads     None of its own; the owner's lock.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace tidegate::upstream {

struct GradientOptions {
    std::uint32_t limit_min = 20;  // Netflix's 20 to 200.
    std::uint32_t limit_max = 200;
    std::uint32_t limit_start = 20;
    double tolerance = 1.5;
    double smoothing = 0.2;
    std::uint32_t queue = 4;
    std::uint32_t long_window = 600;  // Windows: a minute and more.
};

class GradientLimit {
  public:
    explicit GradientLimit(const GradientOptions& options);
    /// One answer: its time to first byte and how many calls were under way with it.
    void sample(Duration first_byte, std::uint32_t in_flight, SteadyTime now) noexcept;
    /// A call that timed out or was refused as too much.
    void dropped(SteadyTime now) noexcept;
    std::uint32_t limit() const noexcept { return static_cast<std::uint32_t>(limit_); }
    double long_ms() const noexcept { return long_ns_ / 1e6; }

  private:
    void close_window_if_due(SteadyTime now) noexcept;
    void judge_window() noexcept;
    void learn(double short_ns) noexcept;

    const GradientOptions options_;
    double limit_;
    double long_ns_ = 0;
    std::uint32_t long_count_ = 0;
    SteadyTime window_from_{};
    double window_sum_ns_ = 0;
    std::uint32_t window_count_ = 0;
    std::uint32_t window_in_flight_ = 0;  // Highest.
    bool window_dropped_ = false;
};

}  // namespace tidegate::upstream
