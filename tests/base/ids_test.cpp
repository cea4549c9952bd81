#include "base/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace tidegate {
namespace {

TEST(Uuid7, CarriesVersionVariantAndTime) {
    const ManualClock clock(0x0123'4567'89AB);
    SeededRandom random(1);
    const Uuid uuid = make_uuid7(clock, random);
    const std::string text = to_string(uuid);
    EXPECT_EQ(text.substr(0, 15), "01234567-89ab-7");
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
    EXPECT_EQ(unix_ms_of(uuid), 0x0123'4567'89AB);
}

TEST(Uuid7, LaterIdsSortAfterEarlierOnes) {
    ManualClock clock;
    SeededRandom random(2);
    Uuid before = make_uuid7(clock, random);
    for (int i = 0; i < 1000; ++i) {
        clock.advance(std::chrono::milliseconds(1));
        const Uuid after = make_uuid7(clock, random);
        ASSERT_LT(before, after);
        ASSERT_LT(to_string(before), to_string(after));
        before = after;
    }
}

TEST(Uuid7, IdsOfOneMillisecondDiffer) {
    const ManualClock clock;
    SystemRandom random;
    std::set<Uuid> ids;
    for (int i = 0; i < 10'000; ++i) ids.insert(make_uuid7(clock, random));
    EXPECT_EQ(ids.size(), 10'000U);
}

TEST(Uuid, TextComesBackInEitherCase) {
    const auto uuid = parse_uuid("0190b6f2-9c1e-7abc-8def-0123456789ab");
    ASSERT_TRUE(uuid);
    EXPECT_EQ(to_string(*uuid), "0190b6f2-9c1e-7abc-8def-0123456789ab");
    EXPECT_EQ(parse_uuid("0190B6F2-9C1E-7ABC-8DEF-0123456789AB"), uuid);
}

TEST(Uuid, WhatIsNoUuidIsRefused) {
    for (const char* bad : {"", "0190b6f2-9c1e-7abc-8def-0123456789a", "0190b6f2-9c1e-7abc-8def-0123456789abc",
                            "0190b6f29c1e7abc8def0123456789abcdef", "0190b6f2-9c1e-7abc-8def-0123456789ag",
                            "0190b6f2-9c1e-7abc-8def_0123456789ab", "{190b6f2-9c1e-7abc-8def-0123456789a}",
                            "0190b6f-29c1e-7abc-8def-0123456789ab"}) {
        EXPECT_FALSE(parse_uuid(bad)) << bad;
    }
}

TEST(RequestId, IsOneTo128VisibleAsciiCharacters) {
    EXPECT_TRUE(is_valid_request_id("a"));
    EXPECT_TRUE(is_valid_request_id("!~trace/1:2"));
    EXPECT_TRUE(is_valid_request_id(std::string(128, 'x')));
    EXPECT_FALSE(is_valid_request_id(""));
    EXPECT_FALSE(is_valid_request_id(std::string(129, 'x')));
    for (const char* bad : {"a b", "a\tb", "a\nb", "a\x7f", "\xc3\xa9"}) EXPECT_FALSE(is_valid_request_id(bad)) << bad;
    EXPECT_FALSE(is_valid_request_id(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace tidegate
