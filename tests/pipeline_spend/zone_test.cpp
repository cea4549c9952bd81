// Zones against the system's own C library, over every change of the clock from 2026 to 2036, and the odd midnights.
#include "pipeline/spend/zone.h"

#include <gmock/gmock.h>
#include <time.h>

#include <array>
#include <cstdlib>
#include <filesystem>

namespace tidegate::pipeline::spend {
namespace {

constexpr std::int64_t kHourS = 3600;
constexpr std::int64_t k2026 = 1'767'225'600;
constexpr std::int64_t k2037 = 2'114'380'800;

#define NEED_ZONEINFO()                                                \
    if (!std::filesystem::exists("/usr/share/zoneinfo/Europe/Berlin")) \
    GTEST_SKIP() << "the package tzdata is not installed"

Zone zone_of(const std::string& name) {
    const SystemDisk disk;
    auto zone = load_zone(name, disk);
    EXPECT_TRUE(zone) << (zone ? "" : zone.error().message);
    return zone ? *std::move(zone) : Zone();
}

/// The C library's clock in a zone.
class LibraryZone {
  public:
    explicit LibraryZone(const std::string& name) {
        ::setenv("TZ", (":" + name).c_str(), 1);
        ::tzset();
    }
    ~LibraryZone() {
        ::unsetenv("TZ");
        ::tzset();
    }
    tm at(std::int64_t unix_s) const {
        const time_t time = unix_s;
        tm out{};
        ::localtime_r(&time, &out);
        return out;
    }
};

UnixMillis at(const char* text) {
    return parse_rfc3339(text).value();
}

class EveryZone : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryZone, HasTheOffsetsOfTheCLibraryFrom2026To2036) {
    NEED_ZONEINFO();
    const Zone zone = zone_of(GetParam());
    const LibraryZone library(GetParam());
    for (std::int64_t t = k2026; t < k2037; t += kHourS / 2) {
        ASSERT_EQ(zone.offset_at(t), library.at(t).tm_gmtoff) << GetParam() << " at " << t;
        ASSERT_EQ(zone.offset_at(t - 1), library.at(t - 1).tm_gmtoff) << GetParam() << " at " << t - 1;
    }
}

TEST_P(EveryZone, DaysFollowOneAnotherAndAreThoseOfTheCLibrary) {
    NEED_ZONEINFO();
    const Zone zone = zone_of(GetParam());
    const LibraryZone library(GetParam());
    Day day = zone.day_at(k2026 * 1000);
    int seen = 0;
    for (; day.begin < k2037 * 1000; ++seen) {
        const Day next = zone.day_at(day.end);
        ASSERT_EQ(next.begin, day.end) << GetParam();
        ASSERT_GT(next.end, next.begin) << GetParam();
        ASSERT_EQ(zone.day_at(day.begin), day) << GetParam() << " begins at " << day.begin;
        ASSERT_EQ(zone.day_at(day.end - 1), day) << GetParam() << " ends at " << day.end;
        ASSERT_NE(library.at(day.end / 1000 - 1).tm_mday, library.at(day.end / 1000).tm_mday)
            << GetParam() << " " << day.end;
        day = next;
    }
    EXPECT_NEAR(seen, 11 * 365 + 3, 2);
}

INSTANTIATE_TEST_SUITE_P(Zones, EveryZone,
                         ::testing::Values("UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York",
                                           "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo",
                                           "America/Santiago", "America/Havana", "America/Nuuk", "Africa/Cairo",
                                           "Africa/Casablanca", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu",
                                           "Asia/Kolkata", "Asia/Tehran", "Asia/Tokyo", "Australia/Adelaide",
                                           "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham",
                                           "Pacific/Kiritimati", "Pacific/Pago_Pago", "Antarctica/Troll"));

TEST(Zones, ADayOfTwentyThreeAndOneOfTwentyFiveHours) {
    NEED_ZONEINFO();
    const Zone berlin = zone_of("Europe/Berlin");
    const Day spring = berlin.day_at(at("2026-03-29T12:00:00Z"));
    EXPECT_EQ(spring.begin, at("2026-03-29T00:00:00+01:00"));
    EXPECT_EQ(spring.end, at("2026-03-30T00:00:00+02:00"));
    const Day autumn = berlin.day_at(at("2036-10-26T12:00:00Z"));
    EXPECT_EQ(autumn.end - autumn.begin, 25 * kHourS * 1000);
    EXPECT_EQ(berlin.format(spring.begin), "2026-03-29T00:00:00+01:00");
    EXPECT_EQ(Zone().format(spring.begin), "2026-03-28T23:00:00Z");
}

TEST(Zones, WhereMidnightIsSkippedTheDayBeginsAfterTheGap) {
    NEED_ZONEINFO();
    // Chile puts the clock forward at midnight: September 6 2026 begins at one o'clock.
    const Day day = zone_of("America/Santiago").day_at(at("2026-09-06T12:00:00-03:00"));
    EXPECT_EQ(day.begin, at("2026-09-06T01:00:00-03:00"));
    EXPECT_EQ(day.end - day.begin, 23 * kHourS * 1000);
}

TEST(Zones, AClockPutBackOverMidnightBeginsTheDayOnce) {
    // From 00:01 back to 23:01, as Newfoundland did until 2011: the day that began for one minute has begun.
    NEED_ZONEINFO();
    const Zone zone = zone_of("America/St_Johns");
    const Day day = zone.day_at(at("2010-11-07T12:00:00-03:30"));
    EXPECT_EQ(day.begin, at("2010-11-07T00:00:00-02:30"));
    EXPECT_EQ(zone.day_at(at("2010-11-06T23:30:00-03:30")), day) << "the hour that came twice is no second day";
    EXPECT_EQ(zone.day_at(day.begin - 1).end, day.begin);
}

TEST(Zones, ADayThatTheCalendarLeftOutIsNoDay) {
    NEED_ZONEINFO();
    // Samoa went from December 29 to December 31 in 2011.
    const Zone zone = zone_of("Pacific/Apia");
    const Day last = zone.day_at(at("2011-12-29T12:00:00-10:00"));
    const Day next = zone.day_at(last.end);
    EXPECT_EQ(last.end, at("2011-12-30T00:00:00-10:00"));
    EXPECT_EQ(next.end, at("2012-01-01T00:00:00+14:00"));
    EXPECT_EQ(next.end - next.begin, 24 * kHourS * 1000);
}

TEST(Zones, ANameThatIsNoneIsRefused) {
    NEED_ZONEINFO();
    const SystemDisk disk;
    for (const char* name :
         {"", "/etc/passwd", "../passwd", "Europe/../UTC", "Europe/Nowhere", "Europe", "zone.tab", "a b"}) {
        EXPECT_FALSE(load_zone(name, disk)) << name;
    }
    const auto missing = load_zone("Europe/Berlin", disk, "/nonexistent");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, ::testing::HasSubstr("tzdata"));
}

TEST(Zones, ABrokenFileIsRefusedWhereverItIsCut) {
    NEED_ZONEINFO();
    const SystemDisk disk;
    const auto whole = disk.read("/usr/share/zoneinfo/Europe/Berlin", 1U << 20U);
    ASSERT_TRUE(whole);
    ASSERT_TRUE(Zone::parse("x", *whole));
    for (std::size_t size = 0; size < whole->size(); ++size) {
        EXPECT_FALSE(Zone::parse("x", std::string_view(*whole).substr(0, size))) << size;
    }
    for (std::size_t i = 0; i < whole->size(); ++i) {
        std::string broken = *whole;
        broken[i] = static_cast<char>(broken[i] ^ 0xff);
        const auto zone = Zone::parse("x", broken);
        if (zone) {
            EXPECT_GT(zone->day_at(k2026 * 1000).end, k2026 * 1000) << "byte " << i;
        }
    }
    EXPECT_FALSE(Zone::parse("x", "TZif"));
    EXPECT_FALSE(Zone::parse("x", std::string(100'000, 'T')));
}

TEST(ZoneRules, AreThoseOfPosix) {
    const auto berlin = parse_zone_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    ASSERT_TRUE(berlin);
    EXPECT_EQ(berlin->standard_offset, 3600);
    EXPECT_EQ(berlin->summer_offset, 7200);
    EXPECT_EQ(berlin->summer_begin.in_year(2026), at("2026-03-29T02:00:00Z") / 1000);
    EXPECT_EQ(parse_zone_rule("<+0545>-5:45")->standard_offset, 20'700);
    EXPECT_EQ(parse_zone_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")->summer_begin.second, -3600);
}

TEST(ZoneRules, DaysOfTheYearCountFebruary29OnlyWithoutTheJ) {
    const auto rule = parse_zone_rule("EST5EDT,J60/0,60/0");
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->summer_begin.in_year(2028), at("2028-03-01T00:00:00Z") / 1000);
    EXPECT_EQ(rule->summer_end.in_year(2028), at("2028-03-01T00:00:00Z") / 1000);
    EXPECT_EQ(rule->summer_begin.in_year(2027), at("2027-03-01T00:00:00Z") / 1000);
    EXPECT_EQ(rule->summer_end.in_year(2027), at("2027-03-02T00:00:00Z") / 1000);
}

TEST(ZoneRules, AnythingElseIsRefused) {
    for (const char* text :
         {"", "CE-1", "CET", "CET-1CEST", "CET-1CEST,", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
          "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J366", "CET-1CEST,366,1", "CET-168",
          "CET-1:60", "<+05", "CET-1CEST,M3.5.0,M10.5.0/3x"}) {
        EXPECT_FALSE(parse_zone_rule(text)) << text;
    }
}

}  // namespace
}  // namespace tidegate::pipeline::spend
