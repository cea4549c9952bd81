#include "base/utf8.h"

#include <gtest/gtest.h>

namespace tidegate::utf8 {
namespace {

using namespace std::string_view_literals;

struct BadCase {
    const char* what;
    std::string_view bytes;
};

// The classes of RFC 3629, section 10, and Unicode's table 3-7.
constexpr BadCase kBad[] = {
    {"lone continuation", "\x80"sv},
    {"overlong slash, 2 bytes", "\xc0\xaf"sv},
    {"overlong NUL, 2 bytes", "\xc0\x80"sv},
    {"overlong, C1", "\xc1\xbf"sv},
    {"overlong, 3 bytes", "\xe0\x9f\xbf"sv},
    {"overlong, 4 bytes", "\xf0\x8f\xbf\xbf"sv},
    {"first surrogate", "\xed\xa0\x80"sv},
    {"last surrogate", "\xed\xbf\xbf"sv},
    {"above U+10FFFF", "\xf4\x90\x80\x80"sv},
    {"F5", "\xf5\x80\x80\x80"sv},
    {"FE", "\xfe"sv},
    {"FF", "\xff"sv},
    {"cut, 2 bytes", "\xc3"sv},
    {"cut, 3 bytes", "\xe2\x82"sv},
    {"cut, 4 bytes", "\xf0\x9f\x98"sv},
    {"ASCII in a sequence", "\xe2\x28\xa1"sv},
};

TEST(Utf8, BadSequencesAreInvalidAloneAndInText) {
    for (const auto& [what, bytes] : kBad) {
        EXPECT_FALSE(is_valid(bytes)) << what;
        EXPECT_FALSE(is_valid("some text before it, and long enough for a block of 64 bytes " + std::string(bytes) +
                              " and after"))
            << what;
    }
}

TEST(Utf8, TheFirstByteOfABadSequenceIsReplacedAndSkipped) {
    for (const auto& [what, bytes] : kBad) {
        std::size_t position = 0;
        EXPECT_EQ(next(bytes, position), kReplacement) << what;
        EXPECT_EQ(position, 1U) << what;
    }
}

TEST(Utf8, EveryCodePointIsEncodedAndDecoded) {
    std::string text;
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        text.clear();
        append(text, c);
        std::size_t position = 0;
        ASSERT_EQ(next(text, position), c);
        ASSERT_EQ(position, text.size());
        ASSERT_TRUE(is_valid(text));
        ASSERT_EQ(length(text), 1U);
    }
}

TEST(Utf8, TheLengthsOfTheEncodingChangeWhereTheyShould) {
    const auto size = [](char32_t c) {
        std::string text;
        append(text, c);
        return text.size();
    };
    EXPECT_EQ(size(0x7F), 1U);
    EXPECT_EQ(size(0x80), 2U);
    EXPECT_EQ(size(0x7FF), 2U);
    EXPECT_EQ(size(0x800), 3U);
    EXPECT_EQ(size(0xFFFF), 3U);
    EXPECT_EQ(size(0x10000), 4U);
    EXPECT_EQ(size(0x10FFFF), 4U);
}

TEST(Utf8, LengthCountsCodePointsNotBytes) {
    EXPECT_EQ(length(""), 0U);
    EXPECT_EQ(length("abc"), 3U);
    EXPECT_EQ(length("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), 3U);
}

TEST(Utf8, NulIsACharacter) {
    EXPECT_TRUE(is_valid("a\0b"sv));
    EXPECT_EQ(length("a\0b"sv), 3U);
}

}  // namespace
}  // namespace tidegate::utf8
