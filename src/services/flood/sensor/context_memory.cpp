#include "services/flood/sensor/context_memory.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tidegate::flood {
namespace {

constexpr double kWider = 1.0 / 3;  // Of the range, on either side.
constexpr double kSmooth = 0.5;
constexpr double kLargest = 1e30;     // A float holds it, and the difference of two of them.
constexpr std::uint32_t kLook = 256;  // Values between two looks whether the window fills its grid.
constexpr std::uint8_t kMiddle = ContextMemory::kLevels / 2;
constexpr std::size_t kBins = 16;  // A byte is a depth and a level.

static_assert(ContextMemory::kLevels <= kBins && ContextMemory::kWindow <= 65'535);

}  // namespace

void ContextMemory::declare_range(double low, double high) {
    low = std::clamp(low, -kLargest, kLargest);
    high = std::clamp(high, -kLargest, kLargest);
    if (declared_ != 0 && low == grid_low_ && high == grid_high_) return;
    declared_ = 1;
    grid_low_ = low;
    grid_high_ = high;
    put_into_levels();
}

std::uint8_t ContextMemory::level_of(double value) const noexcept {
    if (!(grid_high_ > grid_low_)) return kMiddle;
    const double part = (value - grid_low_) / (grid_high_ - grid_low_);
    if (part < 0) return 0;
    // The highest value of a declared range is inside of it.
    if (part > 1 || (part == 1 && declared_ == 0)) return kInside + 1;
    return static_cast<std::uint8_t>(1 + std::min<int>(kInside - 1, static_cast<int>(part * kInside)));
}

void ContextMemory::make_grid() {
    grid_low_ = low_ - kWider * (high_ - low_);
    grid_high_ = high_ + kWider * (high_ - low_);
    put_into_levels();
}

void ContextMemory::put_into_levels() {
    levels_.resize(values_.size());
    std::ranges::transform(values_, levels_.begin(), [this](float value) { return level_of(value); });
}

/// The range with `value`; a grid anew only when the range leaves it.
void ContextMemory::widen(double value) {
    const bool first = values_.size() == 1;
    low_ = first ? value : std::min(low_, value);
    high_ = first ? value : std::max(high_, value);
    if (declared_ != 0) return;
    if (first || low_ < grid_low_ || high_ > grid_high_) make_grid();
}

/// One wild value does not blunt the grid for longer than the window.
void ContextMemory::shrink() {
    const auto [low, high] = std::ranges::minmax(values_);
    if (2 * (static_cast<double>(high) - low) >= high_ - low_) return;
    low_ = low;
    high_ = high;
    if (declared_ == 0) make_grid();
}

/// How often each level came after at least the last `depth` levels, in the window.
ContextMemory::Counts ContextMemory::count_contexts() const noexcept {
    const std::size_t n = levels_.size();
    Counts out{};
    // The first kDepth values have no whole context; they count for what they have.
    const std::size_t head = std::min(n, kDepth);
    for (std::size_t i = 0; i < head; ++i) {
        for (std::size_t depth = 0; depth <= i; ++depth) {
            if (depth > 0 && levels_[i - depth] != levels_[n - depth]) break;
            ++out[depth][levels_[i]];
        }
    }
    if (n <= kDepth) return out;
    static_assert(kDepth == 4);
    const std::uint8_t *at = levels_.data(), a = at[n - 1], b = at[n - 2], c = at[n - 3], d = at[n - 4];
    // Four tables in turn: the same bin twice in a row would wait for itself.
    std::array<std::array<std::uint16_t, (kDepth + 1) * kBins>, 4> tables{};
    constexpr std::size_t kBlock = 256;
    std::array<std::uint8_t, kBlock> bins;
    for (std::size_t from = kDepth; from < n; from += kBlock) {
        const std::size_t many = std::min(kBlock, n - from);
        const std::uint8_t *block = at + from, *past = block - kDepth;
        for (std::size_t i = 0; i < many; ++i) {
            const std::uint8_t one = past[i + 3] == a ? 1 : 0;
            const std::uint8_t two = past[i + 2] == b ? one : 0;
            const std::uint8_t three = past[i + 1] == c ? two : 0;
            const std::uint8_t four = past[i] == d ? three : 0;
            bins[i] = static_cast<std::uint8_t>((one + two + three + four) * kBins + block[i]);
        }
        for (std::size_t i = 0; i < many; ++i) ++tables[i % 4][bins[i]];
    }
    // Who has a long context has each shorter one.
    std::array<std::uint16_t, kBins> sum{};
    for (std::size_t depth = kDepth + 1; depth-- > 0;) {
        for (std::size_t level = 0; level < kBins; ++level) {
            for (const auto& table : tables) {
                sum[level] = static_cast<std::uint16_t>(sum[level] + table[depth * kBins + level]);
            }
            out[depth][level] = static_cast<std::uint16_t>(out[depth][level] + sum[level]);
        }
    }
    return out;
}

double ContextMemory::probability(std::uint8_t level) const noexcept {
    const Counts counts = count_contexts();
    double p = 1.0 / kLevels;
    for (const auto& context : counts) {
        double all = 0;
        double kinds = 0;
        for (const std::uint16_t count : context) {
            all += count;
            kinds += count > 0 ? 1 : 0;
        }
        if (all == 0) break;
        p = (context[level] + kinds * p) / (all + kinds);
    }
    return p;
}

Surprise ContextMemory::add(double value, double threshold) {
    value = std::clamp(value, -kLargest, kLargest);
    ++count_;
    double score = 0;
    if (!values_.empty()) {
        // Until now always the same: whatever differs is beyond.
        const bool new_kind = declared_ == 0 && high_ == low_ && value != low_;
        if (declared_ != 0 || high_ > low_ || new_kind) {
            score = -std::log10(probability(new_kind ? kLevels - 1 : level_of(value)));
        }
    }
    if (values_.size() >= kWindow) {
        values_.erase(values_.begin());
        levels_.erase(levels_.begin());
    }
    values_.push_back(static_cast<float>(value));
    levels_.push_back(level_of(value));
    widen(value);
    if (count_ % kLook == 0) shrink();
    smooth_ += kSmooth * (score - smooth_);
    const bool highest = std::ranges::all_of(recent_, [this](float one) { return smooth_ > one; });
    if (recent_.size() >= kRest) recent_.erase(recent_.begin());
    recent_.push_back(static_cast<float>(smooth_));
    return {.score = smooth_, .alarm = count_ >= kLearning && highest && smooth_ > threshold};
}

bool ContextMemory::restored() {
    if (values_.size() > kWindow || recent_.size() > kRest) return false;
    const auto sound = [](float one) { return std::isfinite(one); };
    if (!std::ranges::all_of(values_, sound) || !std::ranges::all_of(recent_, sound)) return false;
    for (const double one : {low_, high_, grid_low_, grid_high_, smooth_}) {
        if (!std::isfinite(one)) return false;
    }
    put_into_levels();
    return true;
}

}  // namespace tidegate::flood
