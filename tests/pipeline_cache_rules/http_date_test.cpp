// The three formats of RFC 9110, 5.6.7, and nothing else.
#include "pipeline/cache/rules/http_date.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

constexpr UnixMillis kExample = 784'111'777'000;  // Of RFC 9110.

TEST(HttpDate, ThreeFormatsSayOneTime) {
    for (const std::string_view text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
        EXPECT_EQ(parse_http_date(text, kExample), kExample) << text;
    }
}

TEST(HttpDate, NamesHaveNoCase) {
    for (const std::string_view text :
         {"THU, 18 Aug 2050 02:01:18 GMT", "Thu, 18 AUG 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 gMT"}) {
        EXPECT_TRUE(parse_http_date(text, kStart)) << text;
    }
}

TEST(HttpDate, TheDayOfTheWeekNeedNotFit) {
    EXPECT_TRUE(parse_http_date("Thu Aug  8 02:01:18 2050", kStart));
}

TEST(HttpDate, FarTimesAreRead) {
    EXPECT_EQ(parse_http_date("Tue, 19 Jan 2038 14:14:08 GMT", kStart), 2'147'523'248'000);
    EXPECT_TRUE(parse_http_date("Sun, 21 Nov 2286 04:46:39 GMT", kStart));
    EXPECT_TRUE(parse_http_date("Fri, 31 Dec 9999 23:59:60 GMT", kStart));
    EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT", kStart), 0);
}

TEST(HttpDate, AYearOfTwoDigitsIsNoMoreThanFiftyYearsAhead) {
    const auto year_2050 = parse_http_date("Thu, 18 Aug 2050 02:01:18 GMT", kStart);
    EXPECT_EQ(parse_http_date("Thursday, 18-Aug-50 02:01:18 GMT", kStart), year_2050);
    const auto year_1994 = parse_http_date("Thu, 18 Aug 1994 02:01:18 GMT", kStart);
    EXPECT_EQ(parse_http_date("Thursday, 18-Aug-94 02:01:18 GMT", kStart), year_1994);
}

TEST(HttpDate, EverythingElseIsNone) {
    for (const std::string_view text : {"",
                                        "0",
                                        "-1",
                                        "Thu, 18 Aug 2050 02:01:18 UTC",
                                        "Thu, 18 Aug 2050 02:01:18 AEST",
                                        "Thu, 18 Aug 50 02:01:18 GMT",
                                        "Thu 18 Aug 2050 02:01:18 GMT",
                                        "Thu, 18  Aug  2050 02:01:18 GMT",
                                        "Thu, 18-Aug-2050 02:01:18 GMT",
                                        "Thu, 18 Aug 2050 02.01.18 GMT",
                                        "Thu, 18 Aug 2050 2:01:18 GMT",
                                        "Thu, 18 Aug 2050 02:01:18 GMT ",
                                        " Thu, 18 Aug 2050 02:01:18 GMT",
                                        "Thu, 18 Aug 2050 02:01:18",
                                        "Thu, 31 Feb 2050 02:01:18 GMT",
                                        "Thu, 18 Aug 2050 24:01:18 GMT",
                                        "Thu, 18 Aug 2050 02:60:18 GMT",
                                        "Thu, 18 Aug 2050 02:01:61 GMT",
                                        "Thu, 00 Aug 2050 02:01:18 GMT",
                                        "Xyz, 18 Aug 2050 02:01:18 GMT",
                                        "2050-08-18T02:01:18Z",
                                        "Thu, 18 Aug 2050 02:01:18 +0000",
                                        "Thu, 18 Aug 2050 02:01:18 GMT, x"}) {
        EXPECT_EQ(parse_http_date(text, kStart), std::nullopt) << text;
    }
}

TEST(HttpDate, ReadsWhatWeWrite) {
    for (UnixMillis time = 0; time < 4'000'000'000'000; time += 86'400'000LL * 97 + 3'661'000) {
        EXPECT_EQ(parse_http_date(format_http_date(time), kStart), time);
    }
}

}  // namespace
}  // namespace tidegate::cache::rules
