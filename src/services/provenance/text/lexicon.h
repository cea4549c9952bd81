// The closed-class words of English, and the shape of every other word: what is left of a text without its topic.
//
// Guarantee   Ids are the positions in the list below and are part of the model format: append only, and raise
//             kFeatureVersion (model_file.h) with every change.
// Threads     Immutable after the first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tidegate::provenance::text {

inline constexpr std::uint16_t kNotFunctionWord = 0;

/// FNV-1a over the lower-case bytes of a word; the tokenizer computes it on the way.
constexpr std::uint64_t kWordHashSeed = 0xcbf29ce484222325ULL;
constexpr std::uint64_t word_hash_step(std::uint64_t hash, char lower) noexcept {
    return (hash ^ static_cast<unsigned char>(lower)) * 0x100000001b3ULL;
}
constexpr std::uint64_t word_hash(std::string_view lower) noexcept {
    std::uint64_t hash = kWordHashSeed;
    for (const char c : lower) hash = word_hash_step(hash, c);
    return hash;
}

/// 1-based id of a function word, kNotFunctionWord for every other.
std::uint16_t function_word_id(std::uint64_t hash) noexcept;
/// All function words; id i is element i - 1.
std::span<const std::string_view> function_words() noexcept;

/// Ending of a content word, 0 (none of them) to kShapeCount - 1; topic-free hint at its part of speech.
inline constexpr std::uint16_t kShapeCount = 16;
std::uint16_t word_shape(std::string_view lower) noexcept;
/// The same from the word's last eight bytes, put together by word_tail_step() on the way.
constexpr std::uint64_t word_tail_step(std::uint64_t tail, char lower) noexcept {
    return tail << 8U | static_cast<unsigned char>(lower);
}
std::uint16_t word_shape(std::uint64_t tail, std::size_t length) noexcept;

}  // namespace tidegate::provenance::text
