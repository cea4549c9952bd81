#include "drift/error_rate.h"

#include <cmath>

namespace tidegate::drift {

State Ddm::step(double value) {
    if (drifted_) *this = Ddm(options_);
    n_ += 1;
    mean_ += (value - mean_) / n_;
    const double deviation = std::sqrt(std::fmax(mean_ * (1 - mean_), 0) / n_);
    if (n_ <= static_cast<double>(options_.warm_start)) return State::kNormal;
    if (mean_ + deviation <= sum_low_) {
        sum_low_ = mean_ + deviation;
        mean_low_ = mean_;
        deviation_low_ = deviation;
    }
    if (mean_ + deviation > mean_low_ + options_.drift_sigmas * deviation_low_) {
        drifted_ = true;
        return State::kDrift;
    }
    return mean_ + deviation > mean_low_ + options_.warning_sigmas * deviation_low_ ? State::kWarning : State::kNormal;
}

State Eddm::step(double value) {
    if (state_ == State::kDrift) *this = Eddm(options_);
    n_ += 1;
    if (value <= 0) return state_;  // Only an error tells something new.
    errors_ += 1;
    const double gap = n_ - last_error_;
    last_error_ = n_;
    const double before = gap_mean_;
    gap_mean_ += (gap - gap_mean_) / errors_;
    gap_squares_ += (gap - gap_mean_) * (gap - before);
    const double divisor = options_.sample_variance ? std::fmax(errors_ - 1, 1) : errors_;
    const double level = gap_mean_ + 2 * std::sqrt(gap_squares_ / divisor);
    const auto warm = static_cast<double>(options_.warm_start);
    state_ = State::kNormal;
    if (n_ < warm) return state_;
    if (level > highest_) {
        highest_ = level;
        return state_;
    }
    if (errors_ <= warm) return state_;
    const double share = level / highest_;
    if (share < options_.drift_share) {
        state_ = State::kDrift;
    } else if (share < options_.warning_share) {
        state_ = State::kWarning;
    }
    return state_;
}

}  // namespace tidegate::drift
