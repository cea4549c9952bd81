#include "base/clock.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, KnownTimesPrintAndParse) {
    EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(format_rfc3339(1'772'366'400'123), "2026-03-01T12:00:00.123Z");
    EXPECT_EQ(format_rfc3339(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00.123Z"), 1'772'366'400'123);
    EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59.999Z"), -1);
}

TEST(Rfc3339, EveryDayOfFourCenturiesComesBack) {
    constexpr UnixMillis kDay = 86'400'000;
    // 1904 to 2304: every form of leap year, and times before 1970.
    for (UnixMillis time = -24'107 * kDay + 12'345; time < 122'000 * kDay; time += kDay) {
        const auto parsed = parse_rfc3339(format_rfc3339(time));
        ASSERT_TRUE(parsed) << time;
        ASSERT_EQ(*parsed, time);
    }
}

TEST(Rfc3339, TheTwentyNinthOfFebruaryStandsInLeapYearsOnly) {
    EXPECT_TRUE(parse_rfc3339("2024-02-29T00:00:00Z"));
    EXPECT_TRUE(parse_rfc3339("2000-02-29T00:00:00Z"));
    EXPECT_FALSE(parse_rfc3339("2023-02-29T00:00:00Z"));
    EXPECT_FALSE(parse_rfc3339("1900-02-29T00:00:00Z"));
    EXPECT_EQ(*parse_rfc3339("2024-03-01T00:00:00Z") - *parse_rfc3339("2024-02-28T00:00:00Z"), 2 * 86'400'000);
    EXPECT_EQ(*parse_rfc3339("2023-03-01T00:00:00Z") - *parse_rfc3339("2023-02-28T00:00:00Z"), 86'400'000);
}

TEST(Rfc3339, OffsetsMoveToUtc) {
    const UnixMillis noon = *parse_rfc3339("2026-03-01T12:00:00Z");
    EXPECT_EQ(parse_rfc3339("2026-03-01T14:00:00+02:00"), noon);
    EXPECT_EQ(parse_rfc3339("2026-03-01T06:30:00-05:30"), noon);
    EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00-00:00"), noon);
    EXPECT_EQ(parse_rfc3339("2026-03-01t12:00:00z"), noon);
    EXPECT_EQ(parse_rfc3339("2026-03-02T01:00:00+13:00"), noon);
}

TEST(Rfc3339, TheFractionIsCutToMilliseconds) {
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.5Z"), 500);
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.123456789Z"), 123);
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.0009Z"), 0);
}

TEST(Rfc3339, ALeapSecondIsTheNextSecond) {
    EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), *parse_rfc3339("2017-01-01T00:00:00Z"));
}

TEST(Rfc3339, WhatIsNoTimeIsRefused) {
    for (const char* bad : {"",
                            "2026-03-01",
                            "2026-03-01T12:00:00",
                            "2026-3-01T12:00:00Z",
                            "2026-13-01T12:00:00Z",
                            "2026-00-01T12:00:00Z",
                            "2026-04-31T12:00:00Z",
                            "2026-03-01T24:00:00Z",
                            "2026-03-01T12:60:00Z",
                            "2026-03-01T12:00:61Z",
                            "2026-03-01T12:00:00.Z",
                            "2026-03-01T12:00:00.1234567890Z",
                            "2026-03-01T12:00:00+2:00",
                            "2026-03-01T12:00:00+0200",
                            "2026-03-01T12:00:00+24:00",
                            "2026-03-01T12:00:00Zx",
                            " 2026-03-01T12:00:00Z",
                            "2026/03/01T12:00:00Z",
                            "2026-03-01X12:00:00Z",
                            "+026-03-01T12:00:00Z",
                            "2026-03-01T12:00:00.12 Z"}) {
        const auto parsed = parse_rfc3339(bad);
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    }
}

TEST(HttpDate, IsTheExampleOfRfc9110) {
    EXPECT_EQ(format_http_date(784'111'777'000), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_http_date(951'782'400'999), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(ManualClock, BothTimesMoveTogetherAndOnlyWhenTold) {
    ManualClock clock(1000);
    const SteadyTime start = clock.now();
    EXPECT_EQ(clock.now(), start);
    EXPECT_EQ(clock.unix_ms(), 1000);
    clock.advance(1500us);
    EXPECT_EQ(clock.now() - start, 1500us);
    EXPECT_EQ(clock.unix_ms(), 1001);
    clock.advance(500us);
    EXPECT_EQ(clock.unix_ms(), 1002);
}

TEST(SystemClock, IsMonotonicAndInThisCentury) {
    const SystemClock clock;
    const SteadyTime first = clock.now();
    EXPECT_GE(clock.now(), first);
    EXPECT_GT(clock.unix_ms(), *parse_rfc3339("2024-01-01T00:00:00Z"));
    EXPECT_LT(clock.unix_ms(), *parse_rfc3339("2100-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace tidegate
