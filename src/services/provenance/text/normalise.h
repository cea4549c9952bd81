// Normal text: what the detector reads instead of the caller's bytes, with a way back to them.
//
// Guarantee   Only ASCII and kForeignLetter remain; spaces are single, lines are joined, markdown and list marks
//             are gone, quotes and dashes have one form. So layout, which in public data sets gives the label away,
//             cannot decide. Tricks that were removed are counted in TextTraits. Every byte of `bytes` has
//             the index of the code point of the original it came from in `origin`, which never decreases.
// Algorithm   One pass over the code points, then one over the letters that look Latin. Linear in the input.
// Memory      At most three bytes, and as many 4-byte origins, a code point.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::provenance::text {

/// Counts of what the normaliser met, in code points of the original.
struct TextTraits {
    std::uint32_t code_points = 0;
    std::uint32_t latin_letters = 0;
    std::uint32_t foreign_letters = 0;
    std::uint32_t digits = 0;
    std::uint32_t code_symbols = 0;  // { } [ ] ( ) < > = ; / \ | and friends.
    std::uint32_t zero_width = 0;
    std::uint32_t homoglyphs = 0;
    std::uint32_t combining = 0;
    std::uint32_t controls = 0;
    std::uint32_t line_breaks = 0;
};

struct NormalText {
    std::string bytes;
    std::vector<std::uint32_t> origin;      // origin.size() == bytes.size()
    std::vector<std::uint32_t> paragraphs;  // Positions in `bytes` where a paragraph after the first begins.
    TextTraits traits;

    void clear();
};

/// `utf8` must be valid UTF-8 (invalid bytes count as symbols). Reuses the memory of `out`.
void normalise(std::string_view utf8, NormalText& out);

}  // namespace tidegate::provenance::text
