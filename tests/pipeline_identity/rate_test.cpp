// Rates in words: what is read, what is refused, and that the text of a rate is read back.
#include "pipeline/identity/rate.h"

#include <gmock/gmock.h>

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;

Rate rate_of(std::string_view text) {
    const auto rate = parse_rate(text);
    EXPECT_TRUE(rate) << text << ": " << (rate ? "" : rate.error().message);
    return rate.value_or(Rate{});
}

TEST(RateText, IsACountAndAPeriod) {
    EXPECT_EQ(rate_of("100/1m"), (Rate{.count = 100, .period = 1min, .burst = 100}));
    EXPECT_EQ(rate_of("10/s"), (Rate{.count = 10, .period = 1s, .burst = 10}));
    EXPECT_EQ(rate_of("1000/1d"), (Rate{.count = 1000, .period = 24h, .burst = 1000}));
    EXPECT_EQ(rate_of("5/250ms"), (Rate{.count = 5, .period = 250ms, .burst = 5}));
    EXPECT_EQ(rate_of("1/366d"), (Rate{.count = 1, .period = 366 * 24h, .burst = 1}));
    EXPECT_EQ(rate_of("4294967295/2h burst 7"), (Rate{.count = 4294967295, .period = 2h, .burst = 7}));
}

TEST(RateText, AnythingElseIsRefusedWithTheReason) {
    for (const char* text : {"",
                             "100",
                             "/s",
                             "0/s",
                             "-1/s",
                             "1.5/s",
                             "10/",
                             "10/0s",
                             "10/x",
                             "10/1y",
                             "10/1.5s",
                             "10/367d",
                             "4294967296/s",
                             " 10/s",
                             "10/s ",
                             "10 / s",
                             "10/s burst",
                             "10/s burst 0",
                             "10/s burst x",
                             "10/s  burst 5",
                             "10/9999999999999999999d"}) {
        const auto rate = parse_rate(text);
        ASSERT_FALSE(rate) << text;
        EXPECT_THAT(rate.error().message, ::testing::HasSubstr("COUNT/PERIOD")) << text;
    }
}

TEST(RateText, TheEmptySettingIsNoRate) {
    EXPECT_TRUE(check_rate(""));
    EXPECT_TRUE(check_rate("10/s"));
    EXPECT_FALSE(check_rate("fast"));
}

TEST(RateText, WhatIsShownIsReadBack) {
    for (const char* text : {"100/1m", "10/1s", "1/1d", "1/36h", "5/250ms", "7/90s", "10/1s burst 20"}) {
        EXPECT_EQ(to_string(rate_of(text)), text);
    }
    EXPECT_EQ(to_string(rate_of("10/60s")), "10/1m");
}

}  // namespace
}  // namespace tidegate::pipeline
