#include "services/provenance/text/grams.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tidegate::provenance::text {
namespace {

constexpr std::size_t kLogTableSize = 256;

const std::array<double, kLogTableSize>& log_table() {
    static const auto table = [] {
        std::array<double, kLogTableSize> values{};
        for (std::size_t i = 1; i < values.size(); ++i) values[i] = 1.0 + std::log(static_cast<double>(i));
        return values;
    }();
    return table;
}

double weight_of(std::uint16_t count) noexcept {
    return count < kLogTableSize ? log_table()[count] : 1.0 + std::log(static_cast<double>(count));
}

}  // namespace

void GramCounter::clear() noexcept {
    for (const std::uint32_t slot : touched_) counts_[slot] = 0;
    touched_.clear();
}

double GramCounter::weight(std::uint32_t slot) const noexcept {
    return weight_of(counts_[slot]);
}

double GramCounter::norm() const noexcept {
    double sum = 0;
    for (const std::uint32_t slot : touched_) {
        const double value = weight_of(counts_[slot]);
        sum += value * value;
    }
    return std::max(1.0, std::sqrt(sum));
}

std::uint64_t skeleton_symbol(const Token& token, bool sentence_start) noexcept {
    if (token.kind == TokenKind::kPunctuation) return 1024 + (token.hash & 0x3FFU);
    if (token.kind == TokenKind::kNumber) return 2048;
    if (token.function_id != kNotFunctionWord) return token.function_id;
    const std::uint64_t capital = token.capital && !sentence_start ? 1 : 0;
    return 2049 + token.shape * 2U + capital;
}

}  // namespace tidegate::provenance::text
