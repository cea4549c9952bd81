#include "performance/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "performance/no_value.h"

namespace tidegate::performance {
namespace {

constexpr std::uint32_t kFineSteps = 8;  // In one of ours.
constexpr std::uint64_t kStepsEnd = observe::Histogram::kOctaves * observe::Histogram::kStepsPerOctave / kFineSteps;

double middle_of(std::uint16_t step) {
    const std::uint32_t first = std::uint32_t{step} * kFineSteps;
    return (observe::Histogram::middle_of(first) + observe::Histogram::middle_of(first + kFineSteps - 1)) / 2;
}

}  // namespace

Distribution::Distribution(const observe::HistogramSnapshot& snapshot) : sum_(snapshot.sum) {
    snapshot.each_step([this](std::uint32_t fine, std::uint64_t count) {
        const auto step = static_cast<std::uint16_t>(fine / kFineSteps);
        count_ += count;
        if (!steps_.empty() && steps_.back().first == step) {
            steps_.back().second += count;
        } else {
            steps_.emplace_back(step, count);
        }
    });
}

double Distribution::mean() const noexcept {
    return count_ == 0 ? kNoValue : sum_ / static_cast<double>(count_);
}

double Distribution::quantile(double q) const noexcept {
    if (count_ == 0) return kNoValue;
    // Nearest rank, as HistogramSnapshot::quantile().
    const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
    const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
    std::uint64_t seen = 0;
    for (const auto& [step, count] : steps_) {
        seen += count;
        if (seen >= rank) return middle_of(step);
    }
    return middle_of(steps_.back().first);
}

void Distribution::merge(const Distribution& other) {
    std::vector<std::pair<std::uint16_t, std::uint64_t>> both;
    both.reserve(steps_.size() + other.steps_.size());
    auto mine = steps_.begin();
    for (const auto& step : other.steps_) {
        while (mine != steps_.end() && mine->first < step.first) both.push_back(*mine++);
        both.push_back(step);
        if (mine != steps_.end() && mine->first == step.first) both.back().second += (mine++)->second;
    }
    both.insert(both.end(), mine, steps_.end());
    steps_ = std::move(both);
    count_ += other.count_;
    sum_ += other.sum_;
}

void Distribution::write(const Writers& out) const {
    out.amounts.number(sum_);
    out.shape.whole(steps_.size());
    std::uint16_t before = 0;
    for (const auto& [step, count] : steps_) {
        out.shape.whole(static_cast<std::uint64_t>(step - before));
        out.counts.whole(count);
        before = step;
    }
}

Distribution Distribution::read(const Readers& in, std::uint64_t form) {
    Distribution out;
    out.sum_ = form == 1 ? in.amounts.real() : in.amounts.number().value_or(0);
    const std::size_t steps = in.shape.count();
    out.steps_.reserve(steps);
    std::uint64_t step = 0;
    for (std::size_t i = 0; i < steps && !in.shape.failed() && !in.counts.failed(); ++i) {
        step += in.shape.whole();
        const std::uint64_t count = in.counts.whole();
        if (step >= kStepsEnd) return {};
        out.steps_.emplace_back(static_cast<std::uint16_t>(step), count);
        out.count_ += count;
    }
    return out;
}

}  // namespace tidegate::performance
