#include "services/provenance/text/char_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::provenance::text {
namespace {

std::uint32_t tag_of(std::uint64_t hash) noexcept {
    // From the top bits; the index takes the low ones. 0 would look empty.
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(hash >> 48U, 1));
}

// Characters whose grams are hashed, and fetched, before the first of them is looked up.
constexpr std::size_t kWindowBlock = 16;
// And the shortest of them: nine in ten searches end with 5 or 6 characters; shorter ones are hashed when needed.
constexpr unsigned kFirstFetched = 5;
constexpr std::size_t kProbesAtOnce = 4;
// Also what a slot might hold; then, too, the loop over all probes finds what is right.
constexpr std::uint32_t kUndecided = 0xFFFF'FFFFU;
using Hashes = std::array<std::uint64_t, kCharModelOrder + 1>;

CharScore unpack(std::uint32_t slot, unsigned matched) noexcept {
    return {static_cast<std::int8_t>(slot & 0xFFU), static_cast<std::int16_t>(slot >> 8U & 0xFFU),
            static_cast<std::uint8_t>(matched)};
}

}  // namespace

CharModel::CharModel(std::vector<std::uint32_t> slots, std::vector<std::uint32_t> unigrams)
    : slots_(std::move(slots)), unigrams_(std::move(unigrams)) {
    TG_ASSERT(std::has_single_bit(slots_.size()));
    TG_ASSERT(unigrams_.size() == 256);
}

std::uint32_t CharModel::pack(std::uint64_t hash, double log_ratio, double surprise) noexcept {
    const double ratio = std::clamp(std::round(log_ratio / kLogRatioUnit), -127.0, 127.0);
    const double bits = std::clamp(std::round(surprise / kSurpriseUnit), 0.0, 255.0);
    const auto ratio_byte = static_cast<std::uint8_t>(static_cast<std::int8_t>(ratio));
    return tag_of(hash) << 16U | static_cast<std::uint32_t>(bits) << 8U | ratio_byte;
}

bool CharModel::insert(std::span<std::uint32_t> slots, std::uint64_t key, double log_ratio, double surprise) noexcept {
    const std::uint64_t hash = mix64(key);
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
        std::uint32_t& slot = slots[(hash + probe) & (slots.size() - 1)];
        if (slot != 0) continue;
        slot = pack(hash, log_ratio, surprise);
        return true;
    }
    return false;
}

std::uint32_t CharModel::find(std::uint64_t hash) const noexcept {
    const std::uint32_t tag = tag_of(hash);
    const std::size_t mask = slots_.size() - 1;
    const std::uint32_t* const slots = slots_.data();
    // The first probes without a branch, last to first, so that the earliest that decides stays: how many are needed is
    // a guess that often fails (2.4 on average at two thirds full).
    std::uint32_t decided = kUndecided;
    for (std::size_t probe = kProbesAtOnce; probe-- > 0;) {
        const std::uint32_t slot = slots[(hash + probe) & mask];
        decided = slot == 0 || slot >> 16U == tag ? slot : decided;
    }
    if (decided != kUndecided) [[likely]]
        return decided;
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
        const std::uint32_t slot = slots[(hash + probe) & mask];
        if (slot == 0) return 0;
        if (slot >> 16U == tag) return slot;
    }
    return 0;
}

void CharModel::score(std::string_view lower, std::vector<CharScore>& out) const {
    out.resize(lower.size());
    std::array<Hashes, kWindowBlock> hashes;
    std::array<std::uint64_t, kWindowBlock> windows;
    std::uint64_t window = 0;
    unsigned matched = 0;
    for (std::size_t begin = 0; begin < lower.size(); begin += kWindowBlock) {
        const std::string_view block = lower.substr(begin, kWindowBlock);
        for (std::size_t i = 0; i < block.size(); ++i) {
            window = window << 8U | static_cast<unsigned char>(block[i]);
            windows[i] = window;
            for (unsigned order = kFirstFetched; order <= kCharModelOrder; ++order) {
                const std::uint64_t hash = mix64(key(window, order));
                hashes[i][order] = hash;
                __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
            }
        }
        for (std::size_t i = 0; i < block.size(); ++i) {
            unsigned order = std::min(kCharModelOrder, matched + 1);
            std::uint32_t slot = 0;
            for (; order >= 2; --order) {
                slot = find(order >= kFirstFetched ? hashes[i][order] : mix64(key(windows[i], order)));
                if (slot != 0) break;
            }
            matched = std::max(order, 1U);
            out[begin + i] = unpack(slot != 0 ? slot : unigrams_[static_cast<unsigned char>(block[i])], matched);
        }
    }
}

}  // namespace tidegate::provenance::text
