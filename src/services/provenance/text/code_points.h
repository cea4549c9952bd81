// Folding of one code point to the small alphabet the text detector reads: ASCII, and one byte for "other script".
//
// Position    The lowest step of the normaliser; knows nothing of neighbours.
// Algorithm   A hand-made part of NFKC (Unicode 15, UAX 15): Latin letters lose their accents, full-width and
//             mathematical letters become ASCII, typographic quotes and dashes become the typewriter's.
#pragma once

#include <cstdint>

namespace tidegate::provenance::text {

/// A letter of a script other than Latin, in the normalised text.
inline constexpr char kForeignLetter = '\x80';

enum class FoldKind : std::uint8_t {
    kPlain,      // `ascii` stands for it.
    kSpace,      // Any horizontal space.
    kNewline,    // Any line or paragraph separator.
    kDash,       // En dash, em dash, minus, bar.
    kEllipsis,   // One character for three dots.
    kBullet,     // List marks and box drawing: layout.
    kInvisible,  // Zero-width: no reader sees it, so in running text it is there to mislead a machine.
    kSelector,   // Variation selectors and tags: invisible, and honest in emoji and in C2PA text wrappers.
    kCombining,  // A mark on the letter before.
    kLookalike,  // Cyrillic or Greek letter drawn like the Latin `ascii`.
    kStyled,     // Mathematical or circled form of the Latin `ascii`.
    kForeign,    // A letter of another script.
    kIdeograph,  // Han, kana, hangul: no spaces between words.
    kSymbol,     // Everything else: emoji, arrows, currency; `ascii` is 0 or a stand-in.
    kControl,    // C0 and C1 controls.
};

struct Folded {
    FoldKind kind = FoldKind::kPlain;
    char ascii = 0;
};

/// Total over all code points; constant time.
Folded fold(char32_t code_point) noexcept;

}  // namespace tidegate::provenance::text
