#include "services/provenance/text/code_points.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tidegate::provenance::text {
namespace {

// Base letters of U+00C0..U+017F and U+1E00..U+1EFF, from the decompositions of Unicode 15.
constexpr std::string_view kLatin1AndExtendedA =
    "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo-ouuuuyty"
    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
constexpr std::string_view kLatinExtendedAdditional =
    "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMm"
    "MmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVv"
    "WwWwWwWwWwXxXxYyZzZzZzhtwyas????AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEe"
    "EeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy??????";
static_assert(kLatin1AndExtendedA.size() == 0x180 - 0xC0);
static_assert(kLatinExtendedAdditional.size() == 0x1F00 - 0x1E00);

struct Lookalike {
    char32_t code_point;
    char latin;
};

// Letters that a common font draws like a Latin one (Unicode confusables, the part used in practice), sorted.
constexpr std::array kLookalikes = {
    Lookalike{0x0391, 'A'}, Lookalike{0x0392, 'B'}, Lookalike{0x0395, 'E'}, Lookalike{0x0396, 'Z'},
    Lookalike{0x0397, 'H'}, Lookalike{0x0399, 'I'}, Lookalike{0x039A, 'K'}, Lookalike{0x039C, 'M'},
    Lookalike{0x039D, 'N'}, Lookalike{0x039F, 'O'}, Lookalike{0x03A1, 'P'}, Lookalike{0x03A4, 'T'},
    Lookalike{0x03A5, 'Y'}, Lookalike{0x03A7, 'X'}, Lookalike{0x03BD, 'v'}, Lookalike{0x03BF, 'o'},
    Lookalike{0x03F3, 'j'}, Lookalike{0x0405, 'S'}, Lookalike{0x0406, 'I'}, Lookalike{0x0408, 'J'},
    Lookalike{0x0410, 'A'}, Lookalike{0x0412, 'B'}, Lookalike{0x0415, 'E'}, Lookalike{0x041A, 'K'},
    Lookalike{0x041C, 'M'}, Lookalike{0x041D, 'H'}, Lookalike{0x041E, 'O'}, Lookalike{0x0420, 'P'},
    Lookalike{0x0421, 'C'}, Lookalike{0x0422, 'T'}, Lookalike{0x0425, 'X'}, Lookalike{0x0430, 'a'},
    Lookalike{0x0435, 'e'}, Lookalike{0x043E, 'o'}, Lookalike{0x0440, 'p'}, Lookalike{0x0441, 'c'},
    Lookalike{0x0443, 'y'}, Lookalike{0x0445, 'x'}, Lookalike{0x0455, 's'}, Lookalike{0x0456, 'i'},
    Lookalike{0x0458, 'j'}, Lookalike{0x04BB, 'h'}, Lookalike{0x0501, 'd'}, Lookalike{0x051B, 'q'},
    Lookalike{0x051D, 'w'}, Lookalike{0x0570, 'h'}, Lookalike{0x0578, 'n'}, Lookalike{0x057D, 'u'},
    Lookalike{0x0585, 'o'},
};
static_assert(std::ranges::is_sorted(kLookalikes, {}, &Lookalike::code_point));

struct FoldRange {
    char32_t first;
    char32_t last;
    FoldKind kind;
};

// Sorted; code points in no range are symbols. Checked after the special cases below.
constexpr std::array kRanges = {
    FoldRange{0x0180, 0x02AF, FoldKind::kForeign},   FoldRange{0x02B0, 0x02FF, FoldKind::kSymbol},
    FoldRange{0x0300, 0x036F, FoldKind::kCombining}, FoldRange{0x0370, 0x0482, FoldKind::kForeign},
    FoldRange{0x0483, 0x0489, FoldKind::kCombining}, FoldRange{0x048A, 0x0590, FoldKind::kForeign},
    FoldRange{0x0591, 0x05BD, FoldKind::kCombining}, FoldRange{0x05BE, 0x0609, FoldKind::kForeign},
    FoldRange{0x0610, 0x061A, FoldKind::kCombining}, FoldRange{0x061D, 0x064A, FoldKind::kForeign},
    FoldRange{0x064B, 0x065F, FoldKind::kCombining}, FoldRange{0x0660, 0x10FF, FoldKind::kForeign},
    FoldRange{0x1100, 0x11FF, FoldKind::kIdeograph}, FoldRange{0x1200, 0x1AAF, FoldKind::kForeign},
    FoldRange{0x1AB0, 0x1AFF, FoldKind::kCombining}, FoldRange{0x1B00, 0x1DBF, FoldKind::kForeign},
    FoldRange{0x1DC0, 0x1DFF, FoldKind::kCombining}, FoldRange{0x1F00, 0x1FFF, FoldKind::kForeign},
    FoldRange{0x20D0, 0x20FF, FoldKind::kCombining}, FoldRange{0x2C00, 0x2DFF, FoldKind::kForeign},
    FoldRange{0x2E80, 0x2FFF, FoldKind::kIdeograph}, FoldRange{0x3003, 0x3029, FoldKind::kIdeograph},
    FoldRange{0x302A, 0x302F, FoldKind::kCombining}, FoldRange{0x3031, 0xA4CF, FoldKind::kIdeograph},
    FoldRange{0xA4D0, 0xABFF, FoldKind::kForeign},   FoldRange{0xAC00, 0xD7FF, FoldKind::kIdeograph},
    FoldRange{0xF900, 0xFAFF, FoldKind::kIdeograph}, FoldRange{0xFB13, 0xFDFF, FoldKind::kForeign},
    FoldRange{0xFE20, 0xFE2F, FoldKind::kCombining}, FoldRange{0xFE70, 0xFEFE, FoldKind::kForeign},
    FoldRange{0xFF66, 0xFFDC, FoldKind::kIdeograph}, FoldRange{0x10000, 0x1CFFF, FoldKind::kForeign},
    FoldRange{0x1E000, 0x1EFFF, FoldKind::kForeign}, FoldRange{0x20000, 0x3FFFF, FoldKind::kIdeograph},
};
static_assert(std::ranges::is_sorted(kRanges, {}, &FoldRange::first));

constexpr bool between(char32_t c, char32_t first, char32_t last) {
    return c >= first && c <= last;
}

Folded fold_general_punctuation(char32_t c) noexcept {
    if (c <= 0x200A || c == 0x202F || c == 0x205F) return {FoldKind::kSpace, ' '};
    if (between(c, 0x200B, 0x200F) || between(c, 0x202A, 0x202E) || c >= 0x2060) return {FoldKind::kInvisible, 0};
    if (c == 0x2010 || c == 0x2011) return {FoldKind::kPlain, '-'};
    if (between(c, 0x2012, 0x2015)) return {FoldKind::kDash, '-'};
    if (between(c, 0x2018, 0x201B) || c == 0x2032 || c == 0x2039 || c == 0x203A) return {FoldKind::kPlain, '\''};
    if (between(c, 0x201C, 0x201F) || c == 0x2033) return {FoldKind::kPlain, '"'};
    if (c == 0x2022 || c == 0x2023 || c == 0x2043) return {FoldKind::kBullet, 0};
    if (c == 0x2024) return {FoldKind::kPlain, '.'};
    if (c == 0x2026) return {FoldKind::kEllipsis, '.'};
    if (c == 0x2028 || c == 0x2029) return {FoldKind::kNewline, '\n'};
    if (c == 0x203C) return {FoldKind::kPlain, '!'};
    if (c == 0x203D || c == 0x2047) return {FoldKind::kPlain, '?'};
    if (c == 0x2044) return {FoldKind::kPlain, '/'};
    return {FoldKind::kSymbol, 0};
}

Folded fold_latin1(char32_t c) noexcept {
    switch (c) {
        case 0x85:
            return {FoldKind::kEllipsis, '.'};  // Windows-1252 read as Latin-1, as are the next six.
        case 0x91:
        case 0x92:
            return {FoldKind::kPlain, '\''};
        case 0x93:
        case 0x94:
            return {FoldKind::kPlain, '"'};
        case 0x96:
        case 0x97:
            return {FoldKind::kDash, '-'};
        case 0xA0:
            return {FoldKind::kSpace, ' '};
        case 0xAB:
        case 0xBB:
            return {FoldKind::kPlain, '"'};
        case 0xAD:
            return {FoldKind::kInvisible, 0};
        case 0xB4:
            return {FoldKind::kPlain, '\''};
        case 0xB7:
            return {FoldKind::kBullet, 0};
        case 0xB9:
            return {FoldKind::kPlain, '1'};
        case 0xB2:
            return {FoldKind::kPlain, '2'};
        case 0xB3:
            return {FoldKind::kPlain, '3'};
        case 0xA2:
        case 0xA3:
        case 0xA5:
            return {FoldKind::kSymbol, '$'};
        case 0xAA:
            return {FoldKind::kPlain, 'a'};
        case 0xBA:
            return {FoldKind::kPlain, 'o'};
        default:
            return {c < 0xA0 ? FoldKind::kControl : FoldKind::kSymbol, 0};
    }
}

Folded fold_wide_forms(char32_t c) noexcept {
    if (between(c, 0xFE00, 0xFE0F) || between(c, 0xE0100, 0xE01EF) || between(c, 0xE0000, 0xE007F)) {
        return {FoldKind::kSelector, 0};
    }
    if (between(c, 0xFF01, 0xFF5E)) return {FoldKind::kPlain, static_cast<char>(c - 0xFF01 + '!')};
    if (between(c, 0x1D400, 0x1D6A3)) {
        const auto letter = static_cast<int>((c - 0x1D400) % 52);
        return {FoldKind::kStyled, static_cast<char>(letter < 26 ? 'A' + letter : 'a' + letter - 26)};
    }
    if (between(c, 0x1D7CE, 0x1D7FF)) {
        return {FoldKind::kStyled, static_cast<char>('0' + static_cast<int>((c - 0x1D7CE) % 10))};
    }
    if (between(c, 0x24B6, 0x24E9)) {
        const auto letter = static_cast<int>(c - 0x24B6);
        return {FoldKind::kStyled, static_cast<char>(letter < 26 ? 'A' + letter : 'a' + letter - 26)};
    }
    if (between(c, 0xFB00, 0xFB06)) return {FoldKind::kPlain, 'f'};  // Ligatures: their first letter is enough.
    return {FoldKind::kSymbol, 0};
}

Folded fold_special(char32_t c) noexcept {
    if (c == 0x1680 || c == 0x3000) return {FoldKind::kSpace, ' '};
    if (c == 0x034F || c == 0x061C || c == 0x115F || c == 0x1160 || c == 0x17B4 || c == 0x17B5 || c == 0x180E ||
        c == 0x3164 || c == 0xFEFF || c == 0xFFA0) {
        return {FoldKind::kInvisible, 0};
    }
    if (c == 0x02BC || c == 0x02B9 || c == 0x02BB) return {FoldKind::kPlain, '\''};
    if (c == 0x2212) return {FoldKind::kDash, '-'};
    if (c == 0x20AC) return {FoldKind::kSymbol, '$'};
    if (c == 0x3001) return {FoldKind::kPlain, ','};
    if (c == 0x3002) return {FoldKind::kPlain, '.'};
    if (between(c, 0x2500, 0x25FF)) return {FoldKind::kBullet, 0};  // Box drawing and geometric shapes.
    const auto* const twin = std::ranges::lower_bound(kLookalikes, c, {}, &Lookalike::code_point);
    if (twin != kLookalikes.end() && twin->code_point == c) return {FoldKind::kLookalike, twin->latin};
    return fold_wide_forms(c);
}

}  // namespace

Folded fold(char32_t c) noexcept {
    if (c < 0x80) {
        if (c >= 0x20 && c != 0x7F) return {c == ' ' ? FoldKind::kSpace : FoldKind::kPlain, static_cast<char>(c)};
        if (c == '\n' || c == 0x0B || c == 0x0C) return {FoldKind::kNewline, '\n'};
        if (c == '\t' || c == '\r') return {FoldKind::kSpace, ' '};
        return {FoldKind::kControl, 0};
    }
    if (c < 0xC0) return fold_latin1(c);
    if (c < 0x180) return {FoldKind::kPlain, kLatin1AndExtendedA[c - 0xC0]};
    if (between(c, 0x1E00, 0x1EFF)) return {FoldKind::kPlain, kLatinExtendedAdditional[c - 0x1E00]};
    if (between(c, 0x2000, 0x206F)) return fold_general_punctuation(c);
    const Folded special = fold_special(c);
    if (special.kind != FoldKind::kSymbol || special.ascii != 0) return special;
    const auto* const after = std::ranges::upper_bound(kRanges, c, {}, &FoldRange::first);
    if (after == kRanges.begin()) return {FoldKind::kSymbol, 0};
    const FoldRange& range = *(after - 1);
    return {c <= range.last ? range.kind : FoldKind::kSymbol, 0};
}

}  // namespace tidegate::provenance::text
