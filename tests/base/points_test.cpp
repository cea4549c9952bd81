// Points: what is read, what is refused, and that a sum of prices is exact.
#include "base/points.h"

#include <gtest/gtest.h>

#include <limits>

namespace tidegate {
namespace {

TEST(Points, ReadsDecimalsOfAtMostThreePlaces) {
    EXPECT_EQ(parse_points("0"), Points{0});
    EXPECT_EQ(parse_points("0.1"), Points{100});
    EXPECT_EQ(parse_points("0.01"), Points{10});
    EXPECT_EQ(parse_points("0.001"), Points{1});
    EXPECT_EQ(parse_points("12.345"), Points{12345});
    EXPECT_EQ(parse_points("5.10"), Points{5100});
    EXPECT_EQ(parse_points("5"), Points::whole(5));
    EXPECT_EQ(parse_points("9000000000"), Points::whole(9'000'000'000));
}

TEST(Points, RefusesEverythingElse) {
    for (const char* text : {"",
                             ".",
                             ".5",
                             "5.",
                             "-1",
                             "+1",
                             "1e3",
                             "0x1",
                             "1.2345",
                             "1,5",
                             " 1",
                             "1 ",
                             "007",
                             "00.1",
                             "inf",
                             "nan",
                             "9000000000.001",
                             "9000000001",
                             "99999999999999999999999",
                             "1.-5",
                             "1.2.3"}) {
        EXPECT_EQ(parse_points(text), std::nullopt) << text;
    }
}

TEST(Points, AreShownAsTheShortestDecimal) {
    EXPECT_EQ(to_string(Points{0}), "0");
    EXPECT_EQ(to_string(Points{100}), "0.1");
    EXPECT_EQ(to_string(Points{1}), "0.001");
    EXPECT_EQ(to_string(Points{5000}), "5");
    EXPECT_EQ(to_string(Points{10000}), "10");
    EXPECT_EQ(to_string(Points{-2500}), "-2.5");
    EXPECT_EQ(to_string(Points{-1}), "-0.001");
    EXPECT_EQ(to_string(Points{std::numeric_limits<std::int64_t>::min()}), "-9223372036854775.808");
}

TEST(Points, WhatIsShownIsReadBack) {
    for (std::int64_t milli = 0; milli < 12'000; milli += 7) {
        EXPECT_EQ(parse_points(to_string(Points{milli})), Points{milli}) << milli;
    }
}

TEST(Points, FiftyTenthsAreFive) {
    Points sum;
    for (int i = 0; i < 50; ++i) sum += *parse_points("0.1");
    EXPECT_EQ(sum, Points::whole(5));
    sum -= Points{100};
    EXPECT_EQ(to_string(sum), "4.9");
}

}  // namespace
}  // namespace tidegate
