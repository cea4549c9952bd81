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
    for (const std::uint32_t slot : slots()) counts_[slot] = 0;
    touched_count_ = 0;
}

void GramCounter::add(std::span<const std::uint32_t> slots) {
    if (touched_.size() < touched_count_ + slots.size()) touched_.resize(2 * (touched_count_ + slots.size()));
    // Without a branch: whether a gram is new is a toss of a coin, and a wrong guess costs more than a store.
    std::uint32_t* next = touched_.data() + touched_count_;
    std::uint16_t* const counts = counts_.data();
    for (const std::uint32_t slot : slots) {
        const std::uint16_t count = counts[slot];
        *next = slot;
        next += count == 0 ? 1 : 0;
        counts[slot] = static_cast<std::uint16_t>(count + (count != 0xFFFFU ? 1 : 0));
    }
    touched_count_ = static_cast<std::size_t>(next - touched_.data());
}

double GramCounter::weight(std::uint32_t slot) const noexcept {
    return weight_of(counts_[slot]);
}

double GramCounter::norm() const noexcept {
    double squares = 0;
    for (const std::uint32_t slot : slots()) {
        const double value = weight_of(counts_[slot]);
        squares += value * value;
    }
    return std::max(1.0, std::sqrt(squares));
}

GramCounter::Product GramCounter::product(std::span<const std::int16_t> factors) const noexcept {
    const std::array<double, kLogTableSize>& logs = log_table();
    double sum = 0;
    double squares = 0;
    for (const std::uint32_t slot : slots()) {
        const std::uint16_t count = counts_[slot];
        const double value = count < kLogTableSize ? logs[count] : weight_of(count);
        sum += value * factors[slot];
        squares += value * value;
    }
    return {sum, std::max(1.0, std::sqrt(squares))};
}

std::uint64_t skeleton_symbol(const Token& token, bool sentence_start) noexcept {
    if (token.kind == TokenKind::kPunctuation) return 1024 + (token.hash & 0x3FFU);
    if (token.kind == TokenKind::kNumber) return 2048;
    if (token.function_id != kNotFunctionWord) return token.function_id;
    const std::uint64_t capital = token.capital && !sentence_start ? 1 : 0;
    return 2049 + token.shape * 2U + capital;
}

}  // namespace tidegate::provenance::text
