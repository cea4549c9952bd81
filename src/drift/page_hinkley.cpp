#include "drift/page_hinkley.h"

#include <algorithm>

namespace tidegate::drift {

State PageHinkley::step(double value) {
    n_ += 1;
    mean_ += (value - mean_) / n_;
    const double distance = value - mean_;
    up_ = std::max(0.0, options_.memory * up_ + distance - options_.tolerance);
    down_ = std::max(0.0, options_.memory * down_ - distance - options_.tolerance);
    if (n_ < static_cast<double>(options_.warm_start)) return State::kNormal;
    const bool rose = options_.rise && up_ > options_.threshold;
    const bool fell = options_.fall && down_ > options_.threshold;
    if (!rose && !fell) return State::kNormal;
    *this = PageHinkley(options_);
    return State::kDrift;
}

}  // namespace tidegate::drift
