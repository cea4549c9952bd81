#include "performance/sample_store.h"

#include <gtest/gtest.h>

#include "performance/samples.h"
#include "store/temporary_folder.h"

namespace tidegate::performance {
namespace {

using testing::sample_of;

constexpr UnixMillis kBegin = 1'700'000'100'000;  // A whole number of five minutes.
static_assert(kBegin % SampleStore::kRolledMs == 0);

class SampleStoreTest : public ::testing::Test {
  protected:
    std::unique_ptr<SampleStore> open(std::int64_t fine_ms = 3'600'000, std::uint64_t bytes_max = 1ULL << 30U) {
        auto store = SampleStore::open(
            {.path = folder_.file("p.db"), .keep_fine_ms = fine_ms, .keep_ms = 86'400'000, .bytes_max = bytes_max},
            clock_);
        EXPECT_TRUE(store.has_value()) << store.error().message;
        return store ? *std::move(store) : nullptr;
    }
    static Sample read(SampleStore& store, UnixMillis from, UnixMillis to, std::size_t* samples = nullptr) {
        Sample all;
        const auto done = store.scan(from, to, [&](Sample&& sample) {
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
    // Three times five minutes rolled up; of the fine ones the last minute.
    EXPECT_EQ(size->rolled, 3U);
    EXPECT_LE(size->fine, 6U);
    EXPECT_LT(samples, 12U);
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
