#include "load/latencies.h"

#include <algorithm>
#include <cmath>

#include "observe/histogram.h"

namespace tidegate::load {
namespace {

constexpr std::uint32_t kSteps = observe::Histogram::kOctaves * observe::Histogram::kStepsPerOctave;

}  // namespace

Latencies::Latencies() : counts_(kSteps, 0) {}

void Latencies::record(Duration time) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
    const std::uint32_t step = observe::Histogram::step_of(value);
    ++counts_[step];
    ++count_;
    sum_ += static_cast<double>(value);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
    low_ = std::min(low_, step);
    high_ = std::max(high_, step);
}

void Latencies::merge(const Latencies& other) noexcept {
    for (std::uint32_t step = other.low_; step <= other.high_ && step < kSteps; ++step) {
        counts_[step] += other.counts_[step];
    }
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    low_ = std::min(low_, other.low_);
    high_ = std::max(high_, other.high_);
}

void Latencies::clear() noexcept {
    for (std::uint32_t step = low_; step <= high_ && step < kSteps; ++step) counts_[step] = 0;
    count_ = max_ = 0;
    high_ = 0;
    sum_ = 0;
    min_ = ~std::uint64_t{0};
    low_ = ~std::uint32_t{0};
}

double Latencies::quantile(double q) const noexcept {
    if (count_ == 0) return 0;
    // Nearest rank: the smallest value with at least q of all values at or below it.
    const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
    std::uint64_t seen = 0;
    for (std::uint32_t step = low_; step <= high_; ++step) {
        seen += counts_[step];
        if (seen < rank) continue;
        return std::clamp(observe::Histogram::middle_of(step), static_cast<double>(min_), static_cast<double>(max_));
    }
    return static_cast<double>(max_);
}

double Latencies::mean() const noexcept {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

double Latencies::deviation() const noexcept {
    if (count_ < 2) return 0;
    const double middle = mean();
    double squares = 0;
    for (std::uint32_t step = low_; step <= high_; ++step) {
        const double off = observe::Histogram::middle_of(step) - middle;
        squares += static_cast<double>(counts_[step]) * off * off;
    }
    return std::sqrt(squares / static_cast<double>(count_ - 1));
}

std::vector<std::pair<std::uint32_t, std::uint64_t>> Latencies::steps() const {
    std::vector<std::pair<std::uint32_t, std::uint64_t>> out;
    for (std::uint32_t step = low_; step <= high_ && step < kSteps; ++step) {
        if (counts_[step] > 0) out.emplace_back(step, counts_[step]);
    }
    return out;
}

bool Latencies::restore(const std::vector<std::pair<std::uint32_t, std::uint64_t>>& steps, double sum,
                        std::uint64_t min, std::uint64_t max) {
    clear();
    for (const auto& [step, count] : steps) {
        if (step >= kSteps || count == 0) return false;
        counts_[step] += count;
        count_ += count;
        low_ = std::min(low_, step);
        high_ = std::max(high_, step);
    }
    if (count_ == 0) return true;
    if (observe::Histogram::step_of(max) != high_ || observe::Histogram::step_of(min) != low_) return false;
    sum_ = sum;
    min_ = min;
    max_ = max;
    return true;
}

double Latencies::value_of(std::uint32_t step) noexcept {
    return observe::Histogram::middle_of(step);
}

}  // namespace tidegate::load
