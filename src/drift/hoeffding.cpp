#include "drift/hoeffding.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace tidegate::drift {

void HddmA::move_cuts() {
    if (low_.n == 0) low_ = all_;
    if (high_.n == 0) high_ = all_;
    const double unit = std::log(1 / options_.drift_confidence) / 2;
    const double around_all = std::sqrt(unit / all_.n);
    if (low_.mean() + std::sqrt(unit / low_.n) >= all_.mean() + around_all) low_ = all_;
    if (high_.mean() - std::sqrt(unit / high_.n) <= all_.mean() - around_all) high_ = all_;
}

bool HddmA::apart(const Sum& cut, double difference, double confidence) const {
    if (cut.n == all_.n) return false;
    const double share = (all_.n - cut.n) / cut.n / all_.n;
    return difference >= std::sqrt(share / 2 * std::log(2 / confidence));
}

State HddmA::step(double value) {
    all_.n += 1;
    all_.total += value;
    move_cuts();
    const double rise = all_.mean() - low_.mean();
    const double fall = high_.mean() - all_.mean();
    if (apart(low_, rise, options_.drift_confidence) ||
        (options_.two_sided && apart(high_, fall, options_.drift_confidence))) {
        *this = HddmA(options_);
        return State::kDrift;
    }
    return apart(low_, rise, options_.warning_confidence) ? State::kWarning : State::kNormal;
}

void HddmW::Weighted::add(double value, double lambda) noexcept {
    if (weights == 0) {
        mean = value;
        weights = 1;
        return;
    }
    mean = lambda * value + (1 - lambda) * mean;
    weights = lambda * lambda + (1 - lambda) * (1 - lambda) * weights;
}

bool HddmW::above(const Weighted& low, const Weighted& high, double confidence) {
    if (low.weights == 0 || high.weights == 0) return false;
    return high.mean - low.mean > std::sqrt((low.weights + high.weights) * std::log(1 / confidence) / 2);
}

// Moves the cut to now when the bound around the mean of all is the tightest yet.
void HddmW::follow(Side& side, double value, bool rising) {
    const double bound = std::sqrt(all_.weights * std::log(1 / options_.drift_confidence) / 2);
    const double edge = rising ? all_.mean + bound : all_.mean - bound;
    if (!side.started || (rising ? edge < side.cut : edge > side.cut)) {
        side = {edge, true, all_, {}};
    } else {
        side.after.add(value, options_.lambda);
    }
}

State HddmW::step(double value) {
    all_.add(value, options_.lambda);
    follow(rise_, value, true);
    if (options_.two_sided) follow(fall_, value, false);
    const bool rose = above(rise_.before, rise_.after, options_.drift_confidence);
    if (rose || (options_.two_sided && above(fall_.after, fall_.before, options_.drift_confidence))) {
        *this = HddmW(options_);
        last_was_fall_ = !rose;
        return State::kDrift;
    }
    return above(rise_.before, rise_.after, options_.warning_confidence) ? State::kWarning : State::kNormal;
}

Fhddm::Fhddm(FhddmOptions options)
    : options_(options),
      epsilon_(std::sqrt(std::log(1 / options.confidence) / (2 * static_cast<double>(options.window)))),
      right_(options.window) {
    TG_ASSERT(options.window > 0);
}

void Fhddm::reset() {
    std::ranges::fill(right_, std::uint8_t{0});
    next_ = filled_ = hits_ = 0;
    best_ = 0;
}

State Fhddm::step(double value) {
    const std::uint8_t right = value > 0 ? 0 : 1;
    if (filled_ == right_.size()) {
        hits_ -= right_[next_];
    } else {
        ++filled_;
    }
    right_[next_] = right;
    hits_ += right;
    next_ = next_ + 1 == right_.size() ? 0 : next_ + 1;
    if (filled_ < right_.size()) return State::kNormal;
    const double share = static_cast<double>(hits_) / static_cast<double>(right_.size());
    best_ = std::max(best_, share);
    if (best_ - share < epsilon_) return State::kNormal;
    reset();
    return State::kDrift;
}

}  // namespace tidegate::drift
