// Counted, hashed n-grams of a window: the one feature extractor that training and serving share.
//
// Guarantee   The same window gives the same (index, value) list in the same order, always.
// Algorithm   Feature hashing (Weinberger et al. 2009); value = (1 + ln count) / Euclidean norm of the window, so that
//             the length of the window does not decide.
//             Slots are computed some way ahead of the counting and fetched meanwhile: the counters do not fit the
//             cache nearest the core, and each text touches other slots than the one before.
// Memory      2 bytes a slot, once a thread; clearing costs only the slots touched.
// Threads     One counter belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "services/provenance/text/lexicon.h"
#include "services/provenance/text/tokens.h"

namespace tidegate::provenance::text {

/// Slot of a gram in a table of 2^bits. Fibonacci hashing: the top bits of a product with 2^64 / golden ratio.
constexpr std::uint32_t gram_slot(std::uint64_t key, unsigned bits) noexcept {
    return static_cast<std::uint32_t>((key * 0x9E3779B97F4A7C15ULL) >> (64U - bits));
}

class GramCounter {
  public:
    explicit GramCounter(unsigned bits) : bits_(bits), counts_(std::size_t{1} << bits) {}

    unsigned bits() const noexcept { return bits_; }
    void clear() noexcept;
    /// Counts one gram for each of `slots` (of gram_slot() with this counter's bits), in their order.
    void add(std::span<const std::uint32_t> slots);
    /// Tells the processor that a slot will be counted soon.
    void expect(std::uint32_t slot) const noexcept { __builtin_prefetch(&counts_[slot], 1); }
    /// Slots in order of first occurrence; valid until clear().
    std::span<const std::uint32_t> slots() const noexcept { return std::span(touched_).first(touched_count_); }
    /// 1 + ln(count) of a touched slot.
    double weight(std::uint32_t slot) const noexcept;
    /// Euclidean norm of the weights, at least 1.
    double norm() const noexcept;
    /// Sum of weight(slot) * factors[slot] over slots(), in their order; and norm(), in the same pass.
    struct Product {
        double sum = 0;
        double norm = 1;
    };
    Product product(std::span<const std::int16_t> factors) const noexcept;

  private:
    unsigned bits_;
    std::vector<std::uint16_t> counts_;
    std::vector<std::uint32_t> touched_;  // The first touched_count_ count; the rest is room.
    std::size_t touched_count_ = 0;
};

/// Grams that end at one token.
inline constexpr std::size_t kWordGrams = 2;
inline constexpr std::size_t kSkeletonGrams = 4;

/// One small number for what a token is once its topic is taken away.
std::uint64_t skeleton_symbol(const Token& token, bool sentence_start) noexcept;

/// Calls visit(position, key) for characters 2 to 5 at a time, over Tokens::lower; position is the last byte's.
template <class Visit>
void each_char_gram(std::string_view lower, Visit&& visit) {
    std::uint64_t window = 0;  // The last five bytes, newest lowest.
    for (std::size_t i = 0; i < lower.size(); ++i) {
        window = (window << 8U | static_cast<unsigned char>(lower[i])) & 0xFF'FFFF'FFFFULL;
        // The order stands above the bytes, so that grams of different lengths differ.
        if (i >= 1) visit(i, (window & 0xFFFFU) | 2ULL << 40U);
        if (i >= 2) visit(i, (window & 0xFF'FFFFU) | 3ULL << 40U);
        if (i >= 3) visit(i, (window & 0xFFFF'FFFFU) | 4ULL << 40U);
        if (i >= 4) visit(i, window | 5ULL << 40U);
    }
}

/// Calls visit(token index, key) for words (and punctuation) one and two at a time.
template <class Visit>
void each_word_gram(std::span<const Token> tokens, Visit&& visit) {
    constexpr std::uint64_t kStart = word_hash("<s>");
    std::uint64_t before = kStart;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::uint64_t hash = tokens[i].hash;
        visit(i, mix64(hash));
        visit(i, mix64(mix64(before) ^ hash));
        before = hash;
    }
}

/// Calls visit(token index, key) for function words, and the shape of all other words, 1 to 4 at a time: phrases
/// without their topic.
template <class Visit>
void each_skeleton_gram(std::span<const Token> tokens, Visit&& visit) {
    std::uint64_t window = 0;  // The last four symbols, 12 bits each.
    bool sentence_start = true;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        window = (window << 12U | skeleton_symbol(tokens[i], sentence_start)) & 0xFFFF'FFFF'FFFFULL;
        visit(i, mix64((window & 0xFFFU) | 1ULL << 60U));
        if (i >= 1) visit(i, mix64((window & 0xFF'FFFFU) | 2ULL << 60U));
        if (i >= 2) visit(i, mix64((window & 0xF'FFFF'FFFFULL) | 3ULL << 60U));
        if (i >= 3) visit(i, mix64(window | 4ULL << 60U));
        sentence_start = tokens[i].kind == TokenKind::kPunctuation;
    }
}

}  // namespace tidegate::provenance::text
