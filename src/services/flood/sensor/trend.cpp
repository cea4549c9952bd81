#include "services/flood/sensor/trend.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tidegate::flood {
namespace {

// Each was varied by a factor of two about these values on the development half: F1 moved by less than 0.05.
constexpr double kLevelGain = 0.6;
constexpr double kSlowGain = 0.005, kFastGain = 0.1;
constexpr double kRiseCounts = 0.3;
constexpr double kFloorOfRange = 0.002;  // Of the scale: a resolution.
constexpr double kLeastOfRange = 0.03;   // Less of a sensor's range is no fault.
constexpr double kTailShare = 0.02;      // What lies over u.
constexpr double kIndexMin = 0.4;
constexpr double kExcessMax = 2;  // In logs: a fault does not teach that faults are usual.
constexpr double kGapSteps = 24;  // After that the level says nothing.
constexpr std::uint32_t kFirst = 20, kTailFrom = 100;

}  // namespace

double Trend::score_of(double ratio) noexcept {
    const double excess = std::log(std::max(ratio, 1e-9)) - log_tail_;
    const double score =
        excess > 0 ? -std::log10(kTailShare) + excess / std::max(tail_index_, kIndexMin) / std::numbers::ln10 : 0;
    if (count_ >= kTailFrom) {
        const double gain = 0.5 * std::max(0.01, 1.0 / (1.0 + count_));
        log_tail_ += gain * ((excess > 0 ? 1 : 0) - kTailShare);
        if (excess > 0) tail_index_ += 0.02 * (std::min(excess, kExcessMax) - tail_index_);
    }
    return count_ >= kLearning ? score : 0;
}

void Trend::learn(double value, double residual, double steps, double expected) noexcept {
    const double size = std::abs(residual) / std::sqrt(steps);
    const bool first = count_ < kFirst;
    level_ = expected + kLevelGain * residual;
    slow_ += std::max(kSlowGain, 1.0 / count_) *
             ((first ? size : std::min(size, 5 * slow_ + 1e-6 * std::abs(value))) - slow_);
    fast_ += kFastGain * ((first ? size : std::min(size, 8 * std::max(slow_, fast_))) - fast_);
    if (count_ <= 4) {
        low_ = std::min(count_ == 1 ? value : low_, value);
        high_ = std::max(count_ == 1 ? value : high_, value);
        return;
    }
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
    const double shrink = 1e-5 * (high_ - low_);  // What was long ago is forgotten in about 50,000 values.
    low_ += shrink;
    high_ -= shrink;
}

TrendVerdict Trend::add(double time_s, double value, double threshold, bool is_level) noexcept {
    TrendVerdict out;
    out.expected = level_;
    const double elapsed = time_s - time_s_;
    if (!std::isfinite(level_) || (step_s_ > 0 && elapsed > kGapSteps * step_s_)) {
        level_ = value;
        time_s_ = time_s;
        run_ = 0;
        return out;
    }
    // The usual step: follows slowly, by ratio.
    step_s_ = step_s_ > 0 ? step_s_ * (1 + 0.05 * std::clamp(elapsed / step_s_ - 1, -0.5, 0.5)) : elapsed;
    ++count_;
    const double steps = std::clamp(elapsed / step_s_, 0.2, 6.0);
    out.residual = value - level_;
    const double scale = std::max({slow_, fast_, 1e-9 / std::sqrt(steps)}) * std::sqrt(steps) + kFloorOfRange * range();
    double ratio = std::abs(out.residual) / scale;
    if (is_level && out.residual > 0) ratio *= kRiseCounts;
    out.score = score_of(ratio);
    out.alarm = out.score > threshold && range() > 0 && std::abs(out.residual) > kLeastOfRange * range();
    if (!out.alarm) {
        run_ = 0;
        time_s_ = time_s;
        learn(value, out.residual, steps, out.expected);
        return out;
    }
    if (++run_ >= kAccepted) {
        level_ = value;
        time_s_ = time_s;
        run_ = 0;
        out.accepted = true;
    }
    return out;
}

}  // namespace tidegate::flood
