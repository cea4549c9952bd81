#include "services/provenance/text/char_model.h"

#include <algorithm>
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

std::uint32_t CharModel::find(std::uint64_t key) const noexcept {
    const std::uint64_t hash = mix64(key);
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
        const std::uint32_t slot = slots_[(hash + probe) & (slots_.size() - 1)];
        if (slot == 0) return 0;
        if (slot >> 16U == tag) return slot;
    }
    return 0;
}

void CharModel::score(std::string_view lower, std::vector<CharScore>& out) const {
    out.resize(lower.size());
    std::uint64_t window = 0;
    unsigned matched = 0;
    for (std::size_t i = 0; i < lower.size(); ++i) {
        window = window << 8U | static_cast<unsigned char>(lower[i]);
        unsigned order = std::min(kCharModelOrder, matched + 1);
        std::uint32_t slot = 0;
        for (; order >= 2; --order) {
            slot = find(key(window, order));
            if (slot != 0) break;
        }
        matched = std::max(order, 1U);
        out[i] = unpack(slot != 0 ? slot : unigrams_[window & 0xFFU], matched);
    }
}

}  // namespace tidegate::provenance::text
