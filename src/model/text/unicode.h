// What the tokenizer asks of a code point, in one look-up: white space, letter, punctuation, accent, control, ideograph.
//
// Position    Under everything else in this room. ICU is asked once, when the table is made; the hot path reads a page of it.
// Guarantee   The answers of the Python package `tokenizers` 0.23 for every code point that Unicode 15.0 assigns
//             (tests/model_text compares all of them). That package mixes editions: its controls, punctuation and accents are those
//             of Unicode 8.0, its normal forms those of 9.0, and what came later is left alone there.
//             Code points of later editions than 15.0 count as unassigned here.
// Memory      About 100 KB for the process: pages of 128 code points, equal pages shared.
// Threads     Made on first use, then read only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tidegate::model::unicode {

enum Flag : std::uint16_t {
    kSpace = 1U << 0U,        // White_Space.
    kLetter = 1U << 1U,       // L*, Rust's and Oniguruma's \p{L}.
    kNumber = 1U << 2U,       // N*.
    kWord = 1U << 3U,         // \w: Alphabetic, M*, Nd, Pc, Join_Control.
    kPunctuation = 1U << 4U,  // What BERT splits at: P* of Unicode 8 and every ASCII sign.
    kControl = 1U << 5U,      // What BERT's clean_text removes: Cc, Cf, Co of Unicode 8, U+FFFD, not tab and line ends.
    kAccent = 1U << 6U,       // What BERT's strip_accents removes: Mn of Unicode 8.
    kMark = 1U << 7U,         // What StripAccents removes: M* of Unicode 9.
    kIdeograph = 1U << 8U,    // What BERT puts spaces around.
    kDecomposes = 1U << 9U,   // Has a canonical decomposition.
    kCompatible = 1U << 10U,  // Has a compatibility decomposition.
    kHasLower = 1U << 11U,    // Changes when it is put into lower case.
    kCombining = 1U << 12U,   // Combining class other than 0: may change places with its neighbours.
};

class Table {
  public:
    /// Flags of a code point up to U+10FFFF.
    std::uint16_t flags(char32_t c) const noexcept { return pages_[index_[c >> 7U] + (c & 127U)]; }
    bool is(char32_t c, std::uint16_t wanted) const noexcept { return (flags(c) & wanted) != 0; }

  private:
    friend const Table& table();
    Table();
    void share_pages(const std::vector<std::uint16_t>& flat);
    std::array<std::uint32_t, 0x110000 / 128> index_{};
    std::vector<std::uint16_t> pages_;
};

/// The one table of the process.
const Table& table();

/// A decomposition of at most this many code points (U+FDFA has 18).
inline constexpr std::size_t kDecompositionMax = 18;
using Decomposition = std::array<char32_t, kDecompositionMax>;

/// Full decomposition of `c` into `out`, canonical or compatible; its length, 1 where there is none.
std::size_t decompose(char32_t c, bool compatible, Decomposition& out);
/// The composition of two code points (NFC), 0 where there is none.
char32_t compose(char32_t first, char32_t second);
/// Canonical combining class, as Unicode 9 has it.
std::uint8_t combining_class(char32_t c);
/// Lower case without context; two code points for U+0130 alone.
std::size_t lower(char32_t c, std::array<char32_t, 2>& out);

/// The code point at `at` of valid UTF-8, and `at` moved past it.
inline char32_t next(std::string_view text, std::size_t& at) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
    const char32_t lead = byte(at);
    if (lead < 0x80) {
        ++at;
        return lead;
    }
    if (lead < 0xE0) {
        at += 2;
        return (lead & 0x1FU) << 6U | (byte(at - 1) & 0x3FU);
    }
    if (lead < 0xF0) {
        at += 3;
        return (lead & 0x0FU) << 12U | (byte(at - 2) & 0x3FU) << 6U | (byte(at - 1) & 0x3FU);
    }
    at += 4;
    return (lead & 0x07U) << 18U | (byte(at - 3) & 0x3FU) << 12U | (byte(at - 2) & 0x3FU) << 6U |
           (byte(at - 1) & 0x3FU);
}

inline bool is_continuation(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// No byte above 0x7F.
bool is_ascii(std::string_view text) noexcept;

}  // namespace tidegate::model::unicode
