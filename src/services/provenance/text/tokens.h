// Words, numbers, punctuation and sentences of a normal text.
//
// Guarantee   Tokens are in order, do not overlap, and leave out nothing but spaces. Every token belongs to exactly one
//             sentence. Linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/provenance/text/normalise.h"

namespace tidegate::provenance::text {

enum class TokenKind : std::uint8_t { kWord, kNumber, kPunctuation };

struct Token {
    std::uint32_t begin = 0;  // Byte range in NormalText::bytes.
    std::uint32_t end = 0;
    std::uint64_t hash = 0;         // Of the lower-case bytes; for numbers and punctuation of the kind or byte.
    std::uint16_t function_id = 0;  // lexicon.h
    std::uint16_t shape = 0;        // lexicon.h; for words that are no function words
    TokenKind kind = TokenKind::kPunctuation;
    bool capital = false;   // First letter upper case.
    bool all_caps = false;  // Two letters or more, all upper case.
    bool foreign = false;   // Has a letter of another script.
};

struct Sentence {
    std::uint32_t token_begin = 0;
    std::uint32_t token_end = 0;
    std::uint32_t words = 0;
};

struct Tokens {
    std::string lower;  // NormalText::bytes in lower case, digits as '0': what the n-grams read. Same positions.
    std::vector<Token> tokens;
    std::vector<Sentence> sentences;
    std::uint32_t words = 0;

    void clear();
};

/// Reuses the memory of `out`.
void tokenise(const NormalText& normal, Tokens& out);

}  // namespace tidegate::provenance::text
