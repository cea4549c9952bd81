#include "drift/kswin.h"

#include <algorithm>

#include "base/assert.h"
#include "drift/special.h"
#include "drift/statistics.h"

namespace tidegate::drift {

Kswin::Kswin(KswinOptions options) : options_(options), critical_(2), dice_(options.seed), ring_(options.window) {
    TG_ASSERT(options.newest > 0 && 2 * options.newest <= options.window);
    // Two samples of k values: the statistic is a multiple of 1 / k.
    for (std::size_t i = options.newest; i > 0; --i) {
        const double d = static_cast<double>(i) / static_cast<double>(options.newest);
        if (ks_two_sample_p(d, options.newest, options.newest) > options.alpha) break;
        critical_ = d;
    }
}

void Kswin::reset() {
    next_ = filled_ = 0;
    dice_ = Dice(options_.seed);
}

double Kswin::distance() {
    old_.clear();
    new_.clear();
    const std::size_t size = ring_.size();
    for (std::size_t i = 0; i < size; ++i) {
        std::vector<double>& side = i + options_.newest < size ? old_ : new_;
        side.push_back(ring_[(next_ + i) % size]);
    }
    for (std::size_t i = 0; i < options_.newest; ++i) std::swap(old_[i], old_[i + dice_.below(old_.size() - i)]);
    sample_.assign(old_.begin(), old_.begin() + static_cast<std::ptrdiff_t>(options_.newest));
    std::ranges::sort(sample_);
    std::ranges::sort(new_);
    return ks_distance(sample_, new_);
}

State Kswin::step(double value) {
    ring_[next_] = value;
    next_ = next_ + 1 == ring_.size() ? 0 : next_ + 1;
    filled_ = std::min(filled_ + 1, ring_.size());
    if (filled_ < ring_.size()) return State::kNormal;
    const double d = distance();
    // Half a step of the lattice: the statistic and the critical value are rounded differently.
    if (d < critical_ - 0.25 / static_cast<double>(options_.newest) || d <= options_.statistic_min)
        return State::kNormal;
    // What follows is compared with the newest values only, in their order.
    std::ranges::rotate(ring_, ring_.begin() + static_cast<std::ptrdiff_t>(next_));
    std::ranges::rotate(ring_, ring_.end() - static_cast<std::ptrdiff_t>(options_.newest));
    next_ = filled_ = options_.newest;
    return State::kDrift;
}

}  // namespace tidegate::drift
