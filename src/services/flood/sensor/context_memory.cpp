#include "services/flood/sensor/context_memory.h"

#include <algorithm>
#include <cmath>

namespace tidegate::flood {
namespace {

std::uint64_t mixed(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

}  // namespace

ContextMemory::ContextMemory(double low, double high) : low_(low), high_(high), table_(kContexts) {}

ContextMemory::Context* ContextMemory::find(std::uint64_t hash) {
    const auto tag = static_cast<std::uint32_t>(hash >> 32U) | 1U;
    constexpr std::size_t kProbes = 16;
    for (std::size_t i = 0; i < kProbes; ++i) {
        Context& context = table_[(hash + i) % kContexts];
        if (context.tag == tag) return &context;
        if (context.tag != 0) continue;
        context.tag = tag;
        return &context;
    }
    return nullptr;
}

double ContextMemory::surprise(std::size_t level) {
    double p = 1.0 / kLevels;
    std::uint64_t key = 1;
    for (std::size_t depth = 0; depth <= std::min(kDepth, seen_); ++depth) {
        if (depth > 0) key = key * 16 + last_[depth - 1] + 1;
        Context* context = find(mixed(key));
        if (context == nullptr) continue;
        double all = 0;
        double kinds = 0;
        for (const std::uint8_t count : context->counts) {
            all += count;
            kinds += count > 0 ? 1 : 0;
        }
        if (all > 0) p = (context->counts[level] + kinds * p) / (all + kinds);
        if (context->counts[level] == 255) {
            for (std::uint8_t& count : context->counts) count = static_cast<std::uint8_t>((count + 1) / 2);
        }
        ++context->counts[level];
    }
    return -std::log2(p);
}

double ContextMemory::add(double value, std::size_t rest) {
    const double part = high_ > low_ ? (value - low_) / (high_ - low_) : 0;
    const auto level = static_cast<std::size_t>(std::clamp(part * kLevels, 0.0, static_cast<double>(kLevels - 1)));
    const double bits = surprise(level);
    std::ranges::rotate(last_, last_.end() - 1);
    last_[0] = static_cast<std::uint8_t>(level);
    ++seen_;
    smooth_ += 0.5 * (bits - smooth_);
    const double highest = recent_.empty() ? -1 : *std::ranges::max_element(recent_);
    recent_.push_back(smooth_);
    while (recent_.size() > rest) recent_.pop_front();
    return smooth_ > highest ? smooth_ : 0;
}

}  // namespace tidegate::flood
