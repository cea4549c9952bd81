#include "model/text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <cstring>
#include <map>
#include <string>

#include "base/assert.h"

namespace tidegate::model::unicode {
namespace {

constexpr std::size_t kCodePoints = 0x110000;
constexpr std::size_t kPage = 128;

const UNormalizer2* normalizer(bool compatible) {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* found = compatible ? unorm2_getNFKDInstance(&status) : unorm2_getNFDInstance(&status);
    TG_ASSERT(U_SUCCESS(status));
    return found;
}

// The edition of Unicode that brought the code point, as its major number; 0 where it is unassigned.
unsigned age(UChar32 c) {
    UVersionInfo version{};
    u_charAge(c, version);
    return version[0];
}

bool within(UChar32 c, unsigned edition) {
    const unsigned own = age(c);
    return own > 0 && own <= edition;
}

bool is_ideograph(UChar32 c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_ascii_sign(UChar32 c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

// Code points whose category changed between Unicode 8 or 9 and 15.
unsigned old_edition(UChar32 c, unsigned mask) {
    if (c == 0x166D) mask |= kPunctuation;
    if (c == 0x111C9) mask = (mask | kPunctuation) & ~unsigned{kAccent | kMark};
    if (c == 0x1734) mask |= kAccent;
    if (c == 0x1885 || c == 0x1886 || c == 0xA9BD) mask &= ~unsigned{kAccent};
    if (c == 0x1CF2 || c == 0x1CF3) mask |= kMark;
    return mask;
}

unsigned flags_of(UChar32 c, unsigned category) {
    unsigned mask = 0;
    if (u_isUWhiteSpace(c) != 0) mask |= kSpace;
    if ((category & U_GC_L_MASK) != 0) mask |= kLetter;
    if ((category & U_GC_N_MASK) != 0) mask |= kNumber;
    const bool is_joiner = u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) != 0;
    if (u_isUAlphabetic(c) != 0 || is_joiner || (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0)
        mask |= kWord;
    if (is_ideograph(c)) mask |= kIdeograph;
    if ((category & U_GC_P_MASK) != 0 && within(c, 8)) mask |= kPunctuation;
    if (is_ascii_sign(c)) mask |= kPunctuation;
    if ((category & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0 && within(c, 8)) mask |= kControl;
    if (c == 0xFFFD) mask |= kControl;
    if (c == '\t' || c == '\n' || c == '\r') mask &= ~unsigned{kControl};
    if ((category & U_GC_MN_MASK) != 0 && within(c, 8)) mask |= kAccent;
    if ((category & U_GC_M_MASK) != 0 && within(c, 9)) mask |= kMark;
    if (category != U_GC_CN_MASK && category != U_GC_CO_MASK && c >= 0x80) {
        Decomposition parts{};
        const auto code_point = static_cast<char32_t>(c);
        if (decompose(code_point, false, parts) > 1 || parts[0] != code_point) mask |= kDecomposes;
        if (decompose(code_point, true, parts) > 1 || parts[0] != code_point) mask |= kCompatible;
        if (combining_class(code_point) != 0) mask |= kCombining;
    }
    if (u_tolower(c) != c) mask |= kHasLower;
    return old_edition(c, mask);
}

struct Filling {
    std::vector<std::uint16_t>* flat;
};

UBool fill(const void* context, UChar32 begin, UChar32 end, UCharCategory category) {
    auto& flat = *static_cast<const Filling*>(context)->flat;
    for (UChar32 c = begin; c < end; ++c) {
        if (category == U_UNASSIGNED && !is_ideograph(c)) continue;
        flat[static_cast<std::size_t>(c)] = static_cast<std::uint16_t>(flags_of(c, U_MASK(category)));
    }
    return 1;
}

}  // namespace

Table::Table() {
    std::vector<std::uint16_t> flat(kCodePoints);
    const Filling filling{&flat};
    u_enumCharTypes(fill, &filling);
    share_pages(flat);
}

void Table::share_pages(const std::vector<std::uint16_t>& flat) {
    std::map<std::vector<std::uint16_t>, std::uint32_t> known;
    for (std::size_t page = 0; page < index_.size(); ++page) {
        const auto from = flat.begin() + static_cast<std::ptrdiff_t>(page * kPage);
        std::vector<std::uint16_t> content(from, from + kPage);
        const auto [place, is_new] = known.try_emplace(content, static_cast<std::uint32_t>(pages_.size()));
        if (is_new) pages_.insert(pages_.end(), content.begin(), content.end());
        index_[page] = place->second;
    }
}

const Table& table() {
    static const Table made;
    return made;
}

std::size_t decompose(char32_t c, bool compatible, Decomposition& out) {
    static const UNormalizer2* const kForms[2] = {normalizer(false), normalizer(true)};
    std::array<UChar, 2 * kDecompositionMax> units{};
    UErrorCode status = U_ZERO_ERROR;
    const auto point = static_cast<UChar32>(c);
    const int size = c < 0x80 ? -1
                              : unorm2_getDecomposition(kForms[compatible ? 1 : 0], point, units.data(),
                                                        static_cast<int>(units.size()), &status);
    if (size < 0 || U_FAILURE(status) || !within(point, 9)) {
        out[0] = c;
        return 1;
    }
    std::size_t count = 0;
    for (int at = 0; at < size && count < out.size();) {
        UChar32 part = 0;
        U16_NEXT(units.data(), at, size, part);
        out[count++] = static_cast<char32_t>(part);
    }
    return count;
}

char32_t compose(char32_t first, char32_t second) {
    static const UNormalizer2* const kForm = [] {
        UErrorCode status = U_ZERO_ERROR;
        const UNormalizer2* found = unorm2_getNFCInstance(&status);
        TG_ASSERT(U_SUCCESS(status));
        return found;
    }();
    const UChar32 made = unorm2_composePair(kForm, static_cast<UChar32>(first), static_cast<UChar32>(second));
    return made < 0 || !within(made, 9) ? 0 : static_cast<char32_t>(made);
}

std::uint8_t combining_class(char32_t c) {
    if (c < 0x300) return 0;
    const auto point = static_cast<UChar32>(c);
    const std::uint8_t own = u_getCombiningClass(point);
    return own != 0 && within(point, 9) ? own : std::uint8_t{0};
}

std::size_t lower(char32_t c, std::array<char32_t, 2>& out) {
    if (c == 0x130) {
        out = {U'i', 0x307};
        return 2;
    }
    out[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
    return 1;
}

bool is_ascii(std::string_view text) noexcept {
    std::uint64_t seen = 0;
    std::size_t at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, 8);
        seen |= word;
    }
    for (; at < text.size(); ++at) seen |= static_cast<unsigned char>(text[at]);
    return (seen & 0x8080808080808080ULL) == 0;
}

}  // namespace tidegate::model::unicode
