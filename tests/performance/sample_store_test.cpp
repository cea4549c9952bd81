#include "performance/sample_store.h"

#include <gtest/gtest.h>

#include <array>

#include "performance/samples.h"
#include "store/migrations.h"
#include "store/temporary_folder.h"

namespace tidegate::performance {
namespace {

using testing::sample_of;

constexpr UnixMillis kBegin = 1'700'000'100'000;  // A whole number of five minutes.
static_assert(kBegin % SampleStore::kRolledMs == 0);
constexpr UnixMillis kHour = 1'700'002'800'000;
static_assert(kHour % SampleStore::kHourMs == 0);

class SampleStoreTest : public ::testing::Test {
  protected:
    std::unique_ptr<SampleStore> open(std::int64_t fine_ms = 3'600'000, std::uint64_t bytes_max = 1ULL << 30U) {
        auto store = SampleStore::open(
            {.path = folder_.file("p.db"), .keep_fine_ms = fine_ms, .keep_ms = 86'400'000, .bytes_max = bytes_max},
            clock_);
        EXPECT_TRUE(store.has_value()) << store.error().message;
        return store ? *std::move(store) : nullptr;
    }
    static Sample read(SampleStore& store, UnixMillis from, UnixMillis to, std::size_t* samples = nullptr,
                       std::int64_t step_ms = 0) {
        Sample all;
        const auto done = store.scan(from, to, step_ms, [&](Sample&& sample) {
            all.merge(sample);
            if (samples != nullptr) ++*samples;
            return true;
        });
        EXPECT_TRUE(done.has_value()) << done.error().message;
        return all;
    }
    /// Samples of ten seconds each, looked after as the recorder does.
    static void fill(SampleStore& store, UnixMillis from, int count) {
        for (int i = 1; i <= count; ++i) {
            const UnixMillis to = from + i * 10'000;
            ASSERT_TRUE(store.append(sample_of(to, {1, 2, static_cast<double>(i)})).has_value());
            const auto done = store.look_after(to);
            ASSERT_TRUE(done.has_value()) << done.error().message;
        }
    }

    /// Bytes as earlier versions packed a sample (form 1), of a name and a route: numbers 0 and 1, 2.
    static std::vector<std::uint8_t> old_bytes(UnixMillis to, std::int64_t length_ms, std::uint64_t requests) {
        Writer out;
        out.whole(1);
        out.whole(static_cast<std::uint64_t>(to - length_ms));
        out.whole(static_cast<std::uint64_t>(length_ms));
        out.whole(static_cast<std::uint64_t>(length_ms) * 1000);
        out.whole(1);  // Values.
        out.whole(0);
        out.whole(1);
        out.real(0.25);
        out.whole(0);  // Times.
        out.whole(1);  // Routes.
        for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{2}, requests, std::uint64_t{0}, requests}) {
            out.whole(number);
        }
        out.real(5e6 * static_cast<double>(requests));
        out.whole(1);
        out.whole(600);
        out.whole(requests);
        out.whole(1);  // Stages.
        for (const std::uint64_t number : {std::uint64_t{0}, requests, std::uint64_t{77}, std::uint64_t{7}}) {
            out.whole(number);
        }
        return out.bytes();
    }
    /// `count` samples from kBegin on, all of them rolled up but the last five minutes; the first 25 fine ones are gone.
    void write_old_file(int count, int in_five_minutes) {
        constexpr std::array<store::Migration, 1> kFirst{
            {{.version = 1,
              .name = "samples",
              .sql = "CREATE TABLE performance_fine(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
                     "CREATE TABLE performance_rolled(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
                     "CREATE TABLE performance_names(number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
                     "CREATE TABLE performance_slow(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, ms REAL NOT "
                     "NULL, text TEXT NOT NULL) STRICT;"}}};
        auto file = store::Database::open({.path = folder_.file("p.db"), .vfs = {}});
        ASSERT_TRUE(file.has_value());
        ASSERT_TRUE(store::migrate(*file, "performance", kFirst, clock_).has_value());
        ASSERT_TRUE(file->execute("INSERT INTO performance_names VALUES(0,'cpu_seconds'),(1,'GET'),(2,'/old')"));
        const auto put = [&](const char* table, UnixMillis to, const std::vector<std::uint8_t>& bytes) {
            auto insert = file->prepare(std::string("INSERT INTO ") + table + " VALUES(?,?)");
            insert->bind(1, std::int64_t{to}).bind(2, store::Blob(bytes));
            ASSERT_TRUE(insert->run().has_value());
        };
        for (int i = 26; i <= count; ++i) {
            put("performance_fine", kBegin + i * 10'000, old_bytes(kBegin + i * 10'000, 10'000, 1));
        }
        for (int i = in_five_minutes; i < count; i += in_five_minutes) {
            const auto requests = static_cast<std::uint64_t>(in_five_minutes);
            put("performance_rolled", kBegin + i * 10'000, old_bytes(kBegin + i * 10'000, 300'000, requests));
        }
    }

    store::TemporaryFolder folder_;
    ManualClock clock_;
};

TEST_F(SampleStoreTest, WhatWasKeptIsThereAfterItIsOpenedAgain) {
    Sample before;
    {
        const auto store = open();
        fill(*store, kBegin, 7);
        before = read(*store, kBegin, kBegin + 100'000);
        EXPECT_EQ(before.requests(), 21U);
    }
    const auto store = open();
    EXPECT_EQ(read(*store, kBegin, kBegin + 100'000), before);
    EXPECT_EQ(*store->first(), kBegin + 10'000);
}

TEST_F(SampleStoreTest, WordsOfASampleThatTheDiskDidNotTakeAreStoredWithTheNext) {
    Sample before;
    {
        const auto store = open();
        auto other = store::Database::open({.path = folder_.file("p.db"), .vfs = {}});
        ASSERT_TRUE(other.has_value()) << other.error().message;
        ASSERT_TRUE(other
                        ->execute("CREATE TRIGGER no_room BEFORE INSERT ON performance_fine BEGIN "
                                  "SELECT RAISE(ABORT, 'no room'); END")
                        .has_value());
        EXPECT_FALSE(store->append(sample_of(kBegin + 10'000, {1})).has_value());
        ASSERT_TRUE(other->execute("DROP TRIGGER no_room").has_value());
        ASSERT_TRUE(store->append(sample_of(kBegin + 20'000, {1, 2})).has_value());
        before = read(*store, kBegin, kBegin + 100'000);
        EXPECT_EQ(before.requests(), 2U);
    }
    const auto store = open();
    EXPECT_EQ(read(*store, kBegin, kBegin + 100'000), before);
    EXPECT_EQ(store->unreadable(), 0U);
}

TEST_F(SampleStoreTest, RolledUpItIsTheSameCountsAndPercentilesAlsoAfterARestartInTheMiddle) {
    {
        const auto store = open(60'000);
        fill(*store, kBegin, 40);
    }
    const auto store = open(60'000);
    fill(*store, kBegin + 400'000, 50);
    std::size_t samples = 0;
    const Sample all = read(*store, kBegin, kBegin + 900'000, &samples);
    EXPECT_EQ(all.requests(), 270U);
    EXPECT_EQ(all.covered, std::chrono::seconds(900));
    EXPECT_EQ(all.find("cpu_seconds")->samples, 90U);
    EXPECT_DOUBLE_EQ(all.find("cpu_seconds")->sum, 90);
    const auto size = store->size();
    ASSERT_TRUE(size.has_value());
    // Three times five minutes rolled up; of the fine ones those of the five minutes that the last minute lies in.
    EXPECT_EQ(size->rolled, 3U);
    EXPECT_EQ(size->fine, 30U);
    EXPECT_EQ(samples, 32U);
}

TEST_F(SampleStoreTest, WhatIsOldGoes) {
    const auto store = open();
    fill(*store, kBegin, 3);
    ASSERT_TRUE(store->look_after(kBegin + 300'000).has_value());
    ASSERT_TRUE(store->look_after(kBegin + 3 * 86'400'000LL).has_value());
    EXPECT_FALSE(store->first().has_value());
}

TEST_F(SampleStoreTest, AClockThatWasTwoHoursAheadAndIsSetBackStopsNoRollingUp) {
    const auto store = open();
    fill(*store, kBegin + 7'200'000, 31);
    EXPECT_EQ(store->size()->rolled, 1U);
    fill(*store, kBegin, 31);
    EXPECT_EQ(store->size()->rolled, 2U);
}

TEST_F(SampleStoreTest, MinutesThatAClockSetBackCountsTwiceAreTheSumOfBothInEveryStep) {
    const auto store = open(86'400'000);
    fill(*store, kHour, 361);
    ASSERT_EQ(read(*store, kHour, kHour + 3'600'000, nullptr, 10'800'000).requests(), 1080U);
    // Five seconds beside the first ones.
    for (int i = 1; i <= 361; ++i) {
        const UnixMillis to = kHour + i * 10'000 + 5'000;
        ASSERT_TRUE(store->append(sample_of(to, {1})).has_value());
        ASSERT_TRUE(store->look_after(to).has_value());
    }
    for (const std::int64_t step : {0LL, 900'000LL, 10'800'000LL}) {
        EXPECT_EQ(read(*store, kHour, kHour + 3'600'000, nullptr, step).requests(), 1080U + 359) << step;
    }
}

TEST_F(SampleStoreTest, FineSamplesOfADayAreAllThereAndTakeLessRoomThanAlone) {
    const auto store = open(86'400'000);
    std::vector<Sample> taken;
    std::uint64_t alone = 0;
    Names names;
    for (int i = 1; i <= 2000; ++i) {
        taken.push_back(sample_of(kBegin + i * 10'000, {1.0 + i % 7, 2.0 + i % 5, 3, 4}, i % 2, 0.1 * i));
        alone += pack(taken.back(), names).size();
        ASSERT_TRUE(store->append(taken.back()).has_value());
        ASSERT_TRUE(store->look_after(taken.back().to).has_value());
    }
    std::vector<Sample> back;
    ASSERT_TRUE(store->scan(kBegin, kBegin + 30'000'000, 0, [&](Sample&& sample) {
        back.push_back(std::move(sample));
        return true;
    }));
    EXPECT_EQ(back, taken);
    const auto size = store->size();
    ASSERT_TRUE(size.has_value());
    EXPECT_EQ(size->fine, 2000U);
    EXPECT_LT(size->bytes, alone);
    // From within one block into another.
    std::size_t samples = 0;
    const Sample some = read(*store, kBegin + 105'000, kBegin + 1'000'000, &samples);
    EXPECT_EQ(samples, 90U);
    EXPECT_EQ(some.from, kBegin + 100'000);
}

TEST_F(SampleStoreTest, APeriodToldByHoursAndMinutesHasTheSumsOfTheFineOnesAtBothEdgesToo) {
    const auto store = open(86'400'000);
    fill(*store, kBegin, 1500);
    for (const std::int64_t from : {kBegin - 5'000'000, kBegin, kBegin + 10'000, kBegin + 1'234'000}) {
        for (const std::int64_t to : {kBegin + 14'999'000, kBegin + 15'000'000, kBegin + 99'000'000}) {
            std::size_t fine = 0;
            std::size_t minutes = 0;
            std::size_t hours = 0;
            const Sample all = read(*store, from, to, &fine);
            const Sample by_minutes = read(*store, from, to, &minutes, 900'000);
            const Sample by_hours = read(*store, from, to, &hours, 10'800'000);
            EXPECT_EQ(by_minutes.requests(), all.requests());
            EXPECT_EQ(by_hours.requests(), all.requests());
            EXPECT_EQ(by_hours.covered, all.covered);
            EXPECT_EQ(by_hours.find("cpu_seconds")->samples, fine);
            EXPECT_EQ(by_hours.latency(), all.latency());
            EXPECT_LT(minutes, fine / 10);
            EXPECT_LT(hours, minutes);
        }
    }
}

TEST_F(SampleStoreTest, AFileOfTheVersionBeforeIsReadAsItWasAndPackedWithinMinutes) {
    write_old_file(900, 30);
    const auto store = open(86'400'000);
    EXPECT_EQ(read(*store, kBegin, kBegin + 9'000'000).requests(), 900U);
    EXPECT_EQ(store->unreadable(), 0U);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(store->look_after(kBegin + 9'000'000).has_value());
    for (const std::int64_t step : {0LL, 900'000LL, 10'800'000LL}) {
        EXPECT_EQ(read(*store, kBegin, kBegin + 9'000'000, nullptr, step).requests(), 900U) << step;
    }
    EXPECT_EQ(store->size()->fine, 870U) << "of the first five minutes the most were there rolled up alone";
    auto file = store::Database::open({.path = folder_.file("p.db"), .vfs = {}});
    ASSERT_TRUE(file.has_value());
    EXPECT_EQ(*file->integer("SELECT count(*) FROM performance_fine"), 0);
    EXPECT_EQ(*file->integer("SELECT count(*) FROM performance_packed"), 29);
}

TEST_F(SampleStoreTest, ItKeepsToItsSize) {
    const auto store = open(86'400'000, 64 * 1024);
    for (int i = 1; i <= 400; ++i) {
        std::vector<double> ms;
        for (int k = 1; k < 80; ++k) ms.push_back(k * 1.5);
        const UnixMillis to = kBegin + i * 10'000;
        ASSERT_TRUE(store->append(sample_of(to, ms)).has_value());
        ASSERT_TRUE(store->look_after(to).has_value());
    }
    const auto size = store->size();
    ASSERT_TRUE(size.has_value());
    EXPECT_LE(size->bytes, 64U * 1024);
    EXPECT_GT(size->fine, 0U);
}

TEST_F(SampleStoreTest, SlowStatementsAreKeptTheLongestFirst) {
    const auto store = open();
    ASSERT_TRUE(
        store->append(sample_of(kBegin, {}), {{kBegin, 120, "SELECT 1"}, {kBegin, 900, "SELECT 2"}}).has_value());
    const auto slow = store->slow(kBegin - 1, kBegin, 10);
    ASSERT_TRUE(slow.has_value());
    ASSERT_EQ(slow->size(), 2U);
    EXPECT_EQ((*slow)[0].text, "SELECT 2");
    EXPECT_EQ(store->slow(kBegin, kBegin + 1, 10)->size(), 0U);
}

}  // namespace
}  // namespace tidegate::performance
