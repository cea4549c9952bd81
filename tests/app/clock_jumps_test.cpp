// Wall time that jumps: the spend day goes forward only, so no jump gives anybody a second allowance for the same day.
#include <gtest/gtest.h>

#include "base/random.h"
#include "pipeline/spend/book.h"

namespace tidegate::app {
namespace {

using pipeline::spend::Book;
using pipeline::spend::Day;
using pipeline::spend::Zone;

constexpr UnixMillis kHour = 3'600'000;
constexpr UnixMillis kDay = 24 * kHour;
constexpr UnixMillis kNoon = 19'700 * kDay + 12 * kHour;

TEST(ClockJumps, ADayBackIsStillTheDayThatWasReached) {
    SystemRandom random;
    Book book(Zone(), 1000, kNoon, random);
    const Day today = book.day(kNoon);
    EXPECT_EQ(today.begin, kNoon - 12 * kHour);
    EXPECT_EQ(book.day(kNoon - kDay), today) << "yesterday's allowance would be given twice";
    EXPECT_EQ(book.day(kNoon - 400 * kDay), today);
    EXPECT_EQ(book.day(kNoon + kHour), today);
    EXPECT_EQ(book.ahead_ms(kNoon + kHour), 0);
    EXPECT_EQ(book.day(kNoon + kDay).begin, today.end) << "the next midnight comes as if nothing had been";
}

TEST(ClockJumps, AYearForwardIsOneNewDayAndTheWayBackGivesNothing) {
    SystemRandom random;
    Book book(Zone(), 1000, kNoon, random);
    const Day next_year = book.day(kNoon + 365 * kDay);
    EXPECT_LE(next_year.begin, kNoon + 365 * kDay);
    EXPECT_GT(next_year.end, kNoon + 365 * kDay);
    // What is spent until then counts for that day: a clock that was wrong ahead wants a restart, never a free day.
    EXPECT_EQ(book.day(kNoon), next_year);
    EXPECT_EQ(book.day(kNoon + kDay), next_year);
    // And it is said: the day that is counted for begins in a year.
    EXPECT_EQ(book.ahead_ms(kNoon), 365 * kDay - 12 * kHour);
    EXPECT_EQ(book.ahead_ms(kNoon + 365 * kDay), 0);
}

}  // namespace
}  // namespace tidegate::app
