#include "pipeline/upstream/gradient_limit.h"

#include <algorithm>

namespace tidegate::upstream {
namespace {

constexpr Duration kWindow = std::chrono::milliseconds(100);
constexpr std::uint32_t kWindowSamples = 10;
constexpr Duration kWindowMax = std::chrono::seconds(1);  // A quiet upstream is judged by what there is.
constexpr std::uint32_t kWarmUp = 10;  // Windows averaged plainly before the exponential mean begins.
constexpr double kDrift = 0.95;
constexpr double kBackoff = 0.9;

}  // namespace

GradientLimit::GradientLimit(const GradientOptions& options)
    : options_(options), limit_(std::clamp(options.limit_start, options.limit_min, options.limit_max)) {}

void GradientLimit::sample(Duration first_byte, std::uint32_t in_flight, SteadyTime now) noexcept {
    close_window_if_due(now);
    window_sum_ns_ += static_cast<double>(std::max(first_byte, Duration(1)).count());
    ++window_count_;
    window_in_flight_ = std::max(window_in_flight_, in_flight);
}

void GradientLimit::dropped(SteadyTime now) noexcept {
    close_window_if_due(now);
    window_dropped_ = true;
}

void GradientLimit::close_window_if_due(SteadyTime now) noexcept {
    if (window_from_ == SteadyTime{}) window_from_ = now;
    const Duration age = now - window_from_;
    const bool has_something = window_count_ > 0 || window_dropped_;
    if (age < kWindow || (window_count_ < kWindowSamples && !window_dropped_ && age < kWindowMax)) return;
    if (has_something) judge_window();
    window_from_ = now;
    window_sum_ns_ = 0;
    window_count_ = window_in_flight_ = 0;
    window_dropped_ = false;
}

void GradientLimit::judge_window() noexcept {
    const auto low = static_cast<double>(options_.limit_min);
    const auto high = static_cast<double>(options_.limit_max);
    if (window_count_ > 0) learn(window_sum_ns_ / window_count_);
    if (window_dropped_) {
        limit_ = std::clamp(limit_ * kBackoff, low, high);
        return;
    }
    const double short_ns = window_sum_ns_ / window_count_;
    const double gradient = std::clamp(options_.tolerance * long_ns_ / short_ns, 0.5, 1.0);
    const double next = limit_ * gradient + options_.queue;
    const bool is_used = window_in_flight_ >= limit_ / 2;
    if (!is_used && next > limit_) return;  // Nothing was tried that would show that more goes.
    limit_ = std::clamp(limit_ * (1 - options_.smoothing) + next * options_.smoothing, low, high);
}

void GradientLimit::learn(double short_ns) noexcept {
    long_count_ = std::min(long_count_ + 1, kWarmUp);
    const double share = long_count_ < kWarmUp ? 1.0 / long_count_ : 2.0 / (options_.long_window + 1.0);
    long_ns_ += (short_ns - long_ns_) * share;
    if (long_ns_ > 2 * short_ns) long_ns_ *= kDrift;
}

}  // namespace tidegate::upstream
