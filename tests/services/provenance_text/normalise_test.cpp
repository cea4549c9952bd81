#include "services/provenance/text/normalise.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "base/utf8.h"
#include "services/provenance/text/code_points.h"
#include "services/provenance_text/texts.h"

namespace tidegate::provenance::text {
namespace {

NormalText normal(std::string_view utf8) {
    NormalText out;
    normalise(utf8, out);
    return out;
}

std::string bytes_of(std::string_view utf8) {
    return normal(utf8).bytes;
}

TEST(Normalise, PlainProseStaysWhatItIs) {
    EXPECT_EQ(bytes_of("It's a test, isn't it? Yes (of course)."), "It's a test, isn't it? Yes (of course).");
}

TEST(Normalise, LayoutThatGivesTheLabelAwayIsGone) {
    EXPECT_EQ(bytes_of("one\ntwo\r\n three\n\n\nfour"), "one two three four");
    EXPECT_EQ(bytes_of("# Title\n\n- **bold** item\n2. `code` item\n> quote"), "Title bold item 'code' item quote");
    EXPECT_EQ(bytes_of("a  b\t c\u00A0d\u2003e"), "a b c d e");
    EXPECT_EQ(bytes_of("tokenised , text ."), "tokenised, text.");
}

TEST(Normalise, QuotesAndDashesHaveOneForm) {
    EXPECT_EQ(bytes_of("\u201CHi\u201D \u2018he\u2019 ``x'' \u00ABy\u00BB"), "\"Hi\" 'he' \"x\" \"y\"");
    EXPECT_EQ(bytes_of("a\u2014b"), "a - b");
    EXPECT_EQ(bytes_of("a -- b"), "a - b");
    EXPECT_EQ(bytes_of("a \u2013 b"), "a - b");
    EXPECT_EQ(bytes_of("1990\u20131995"), "1990-1995");
    EXPECT_EQ(bytes_of("wait\u2026 . . . what...."), "wait... what...");
}

TEST(Normalise, AccentsFullWidthAndStyledLettersBecomeAscii) {
    EXPECT_EQ(bytes_of("caf\u00E9 na\u00EFve \u0141\u00F3d\u017A"), "cafe naive Lodz");
    EXPECT_EQ(bytes_of("\uFF21\uFF22\uFF23"), "ABC");
    const NormalText styled = normal("\U0001D400\U0001D41A");
    EXPECT_EQ(styled.bytes, "Aa");
    EXPECT_EQ(styled.traits.homoglyphs, 2U);
}

TEST(Normalise, InvisibleCharactersAreRemovedAndCounted) {
    const NormalText hidden = normal("he\u200Bl\u200Dlo\uFEFF w\u00ADorld");
    EXPECT_EQ(hidden.bytes, "hello world");
    EXPECT_EQ(hidden.traits.zero_width, 4U);
}

TEST(Normalise, VariationSelectorsOfEmojiAndTextWrappersAreNoTrick) {
    const NormalText wrapped = normal("text\uFE0F \U000E0101\U000E0102");
    EXPECT_EQ(wrapped.bytes, "text");
    EXPECT_EQ(wrapped.traits.zero_width, 0U);
}

TEST(Normalise, LookalikesInsideLatinWordsAreUndoneAndCounted) {
    const NormalText trick = normal("p\u0430ssw\u043Erd and \u0430 plain one");
    EXPECT_EQ(trick.bytes, "password and a plain one");
    EXPECT_EQ(trick.traits.homoglyphs, 3U);
}

TEST(Normalise, CyrillicTextIsForeignAndNoTrick) {
    const NormalText russian = normal("\u043E\u043D \u0441\u043A\u0430\u0437\u0430\u043B \u043D\u0435\u0442");
    EXPECT_EQ(russian.traits.homoglyphs, 0U);
    EXPECT_EQ(russian.traits.latin_letters, 0U);
    EXPECT_EQ(russian.traits.foreign_letters, 11U);
    EXPECT_TRUE(std::ranges::all_of(russian.bytes, [](char c) { return c == kForeignLetter || c == ' '; }));
}

TEST(Normalise, EntitiesAndAddressesAreResolved) {
    EXPECT_EQ(bytes_of("Tom &amp; Ann & nbsp; said &quot;no&quot; &#39;ever&#39;"), "Tom & Ann said \"no\" 'ever'");
    EXPECT_EQ(bytes_of("see https://example.org/a?b=c for more"), "see for more");
    EXPECT_EQ(bytes_of("AT&T; R & D"), "AT R & D");
}

// Any sequence of code points: the promises of the header hold.
TEST(Normalise, KeepsItsPromisesOnRandomText) {
    SeededRandom random(42);
    for (int round = 0; round < 200; ++round) {
        std::string utf8;
        const std::size_t length = random.next_u64() % 300;
        for (std::size_t i = 0; i < length; ++i) {
            constexpr char32_t kTops[] = {0x80, 0x250, 0x530, 0x2100, 0xFFFF, 0x10FFFF};
            auto c = static_cast<char32_t>(random.next_u64() % kTops[random.next_u64() % std::size(kTops)]);
            if (c >= 0xD800 && c <= 0xDFFF) c = 'x';
            utf8::append(utf8, c);
        }
        const NormalText out = normal(utf8);
        ASSERT_EQ(out.bytes.size(), out.origin.size());
        EXPECT_LE(out.bytes.size(), 3 * utf8::length(utf8));
        EXPECT_EQ(out.traits.code_points, utf8::length(utf8));
        EXPECT_TRUE(std::ranges::is_sorted(out.origin));
        EXPECT_TRUE(out.origin.empty() || out.origin.back() < out.traits.code_points);
        EXPECT_EQ(out.bytes.find("  "), std::string::npos);
        for (const char c : out.bytes) EXPECT_TRUE((c >= 0x20 && c < 0x7F) || c == kForeignLetter) << int{c};
    }
}

TEST(Normalise, TheWayBackPointsAtTheSameLetter) {
    const std::string utf8 = "\U0001F600 na\u00EFve \u2014 **bold** word";
    const NormalText out = normal(utf8);
    const std::size_t at = out.bytes.find("bold");
    ASSERT_NE(at, std::string::npos);
    std::size_t position = 0;
    char32_t c = 0;
    for (std::uint32_t i = 0; i <= out.origin[at]; ++i) c = utf8::next(utf8, position);
    EXPECT_EQ(c, U'b');
}

}  // namespace
}  // namespace tidegate::provenance::text
