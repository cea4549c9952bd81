#include "settings/value.h"

#include <gtest/gtest.h>

namespace tidegate::settings {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, TakesAPlainNumberInTheGivenUnit) {
    EXPECT_EQ(parse_duration("60", 1s), 60s);
    EXPECT_EQ(parse_duration("0", 1ms), 0ms);
    EXPECT_EQ(parse_duration("0.25", 1s), 250ms);
    EXPECT_EQ(parse_duration("-1", 1s), -1s);
}

TEST(ParseDuration, AUnitOfItsOwnWins) {
    EXPECT_EQ(parse_duration("250us", 1s), 250us);
    EXPECT_EQ(parse_duration("250ms", 1s), 250ms);
    EXPECT_EQ(parse_duration("1.5s", 1ms), 1500ms);
    EXPECT_EQ(parse_duration("10m", 1ms), 10min);
    EXPECT_EQ(parse_duration("10min", 1ms), 10min);
    EXPECT_EQ(parse_duration("2h", 1ms), 2h);
    EXPECT_EQ(parse_duration("7 d", 1ms), 168h);
}

TEST(ParseDuration, RefusesWhatIsNoTimeOrTooLong) {
    for (const char* bad : {"", "s", "ms", "1x", "1 2", "inf", "nan", "1e300s", "9223372036854775807s", "0x10"}) {
        EXPECT_FALSE(parse_duration(bad, 1s)) << bad;
    }
}

TEST(ParseBytes, TakesBinaryAndDecimalUnits) {
    EXPECT_EQ(parse_bytes("0"), 0U);
    EXPECT_EQ(parse_bytes("65536"), 65536U);
    EXPECT_EQ(parse_bytes("64KiB"), 65536U);
    EXPECT_EQ(parse_bytes("10MB"), 10'000'000U);
    EXPECT_EQ(parse_bytes("10 MiB"), 10U << 20U);
    EXPECT_EQ(parse_bytes("1GiB"), 1U << 30U);
    EXPECT_EQ(parse_bytes("5b"), 5U);
}

TEST(ParseBytes, RefusesSignsFractionsAndOverflow) {
    for (const char* bad : {"", "KiB", "-1", "1.5KiB", "1TBs", "18446744073709551615KiB", "1 2", "0x10"}) {
        EXPECT_FALSE(parse_bytes(bad)) << bad;
    }
}

TEST(UnitOfName, IsTheLastWordInEitherCase) {
    EXPECT_EQ(unit_of_name("server.idle_max_s")->size, 1s);
    EXPECT_EQ(unit_of_name("server.window_ms")->size, 1ms);
    EXPECT_EQ(unit_of_name("APT_RATE_LIMIT_WINDOW_SECONDS")->size, 1s);
    EXPECT_FALSE(unit_of_name("server.connections"));
    EXPECT_FALSE(unit_of_name("CACHE_TTL_NOWCAST"));
}

}  // namespace
}  // namespace tidegate::settings
