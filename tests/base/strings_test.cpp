#include "base/strings.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

using Parts = std::vector<std::string_view>;

TEST(Strings, TrimTakesBlanksOffBothEnds) {
    EXPECT_EQ(trim(" \t a b \r\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim(""), "");
    EXPECT_EQ(trim("\v"), "\v");
}

TEST(Strings, CaseIsFoldedInAsciiOnly) {
    EXPECT_EQ(to_lower("AZaz[@\xc3\x89"), "azaz[@\xc3\x89");
    EXPECT_TRUE(iequals("Content-Type", "content-type"));
    EXPECT_FALSE(iequals("a", "ab"));
    EXPECT_FALSE(iequals("[", "{"));
}

TEST(Strings, SplitKeepsEmptyParts) {
    EXPECT_EQ(split("a,b,,c,", ','), (Parts{"a", "b", "", "c", ""}));
    EXPECT_EQ(split("", ','), (Parts{""}));
    EXPECT_EQ(split("abc", ','), (Parts{"abc"}));
}

TEST(Strings, NumbersAreTakenWholeOrNotAtAll) {
    EXPECT_EQ(parse_i64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(parse_u64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(parse_double("-1.5e3"), -1500.0);
    for (const char* bad : {"", " 1", "1 ", "+1", "1x", "0x10", "--1", "9223372036854775808"})
        EXPECT_FALSE(parse_i64(bad)) << bad;
    for (const char* bad : {"", "-1", "+1", "1.0", "18446744073709551616"}) EXPECT_FALSE(parse_u64(bad)) << bad;
    for (const char* bad : {"", " 1", "1e", "1,5", "0x1p3", "1e999"}) EXPECT_FALSE(parse_double(bad)) << bad;
}

TEST(Strings, EditDistanceCountsChanges) {
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("sitting", "kitten"), 3U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("abc", "abc"), 0U);
    EXPECT_EQ(edit_distance("port", "prot"), 2U);
}

TEST(Strings, PercentDecodingIsStrict) {
    EXPECT_EQ(percent_decode("a%20b+c%2B", false), "a b+c+");
    EXPECT_EQ(percent_decode("a%20b+c%2b", true), "a b c+");
    EXPECT_EQ(percent_decode("%00", false), std::string(1, '\0'));
    EXPECT_EQ(percent_decode("", true), "");
    for (const char* bad : {"%", "a%", "%4", "%4g", "%g4", "%%41", "% 41", "%-1"})
        EXPECT_FALSE(percent_decode(bad, false)) << bad;
}

TEST(Strings, PercentDecodingDecodesOnce) {
    EXPECT_EQ(percent_decode("%2541", false), "%41");
}

}  // namespace
}  // namespace tidegate
