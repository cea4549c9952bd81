// The index never says "new" of what it has seen, says it of nearly all else, and finds itself again.
#include "services/compliance/ingest/ingest_index.h"

#include "services/compliance_ingest/ingest_fixture.h"

namespace tidegate::compliance::ingest {
namespace {

TEST(KeyFilterTest, HoldsEveryKeyAndAboutOneInAThousandOfTheOthers) {
    KeyFilter filter(100'000);
    for (std::uint64_t n = 0; n < 100'000; ++n) filter.add(mix64(n + 1));
    std::uint64_t wrong = 0;
    for (std::uint64_t n = 0; n < 100'000; ++n) ASSERT_TRUE(filter.may_contain(mix64(n + 1)));
    for (std::uint64_t n = 200'000; n < 400'000; ++n) wrong += filter.may_contain(mix64(n + 1)) ? 1U : 0U;
    RecordProperty("perhaps_of_200000", static_cast<int>(wrong));
    EXPECT_LT(wrong, 400U);
    EXPECT_EQ(filter.bytes(), 200'000U);
    const auto loaded = KeyFilter::load(filter.save());
    ASSERT_NE(loaded, nullptr);
    EXPECT_EQ(loaded->save(), filter.save());
    std::string damaged = filter.save();
    damaged[5000] = static_cast<char>(damaged[5000] ^ 1);
    EXPECT_EQ(KeyFilter::load(damaged), nullptr);
    EXPECT_EQ(KeyFilter::load(filter.save().substr(0, 1000)), nullptr);
}

TEST(RequestKeyTest, TheFilterFindsTheKeyInTheIdAndTheIdKeepsTheTime) {
    const audit::segments::LogId log{1, 2, 3};
    for (const char* request : {"a", "b", "request-17"}) {
        const RequestKey key = request_key(log, "north", request);
        const Uuid id = decision_id(key, 1'772'366'400'123);
        EXPECT_EQ(filter_key(key), filter_key(id));
        EXPECT_EQ(unix_ms_of(id), 1'772'366'400'123);
        EXPECT_EQ(id.bytes[6] >> 4U, 7);
        EXPECT_EQ(id.bytes[8] >> 6U, 2);
        EXPECT_EQ(decision_id(request_key(log, "north", request), 1'772'366'400'123), id);
    }
    EXPECT_NE(request_key(log, "a", "bc"), request_key(log, "ab", "c"));
    EXPECT_NE(request_key(log, "a", "b"), request_key({9}, "a", "b"));
}

class IngestIndexTest : public IngestFixture {
  protected:
    void record(std::uint64_t from, std::uint64_t to) {
        std::vector<Incoming> many;
        for (std::uint64_t n = from; n < to; ++n) many.push_back(incoming(decision(n)));
        for (const Outcome& outcome : take(std::move(many))) ASSERT_EQ(outcome.kind, Kind::kRecorded);
    }
    bool knows(std::uint64_t n) const {
        return !index_->surely_new(filter_key(request_key(log_->segments().log_id(), {}, fmt::format("r-{}", n))));
    }
};

TEST_F(IngestIndexTest, GrowsAndKnowsAllOverAnyRestart) {
    record(0, 500);
    EXPECT_EQ(index_->health().keys, 500U);
    close();
    const auto after_first = index_disk_.copy();
    open();
    EXPECT_EQ(index_->health().saved, 500U);
    record(500, 900);
    close();
    // As it is after a kill: the files of the first stop, the log of the second.
    index_disk_.restore(after_first);
    open();
    EXPECT_EQ(index_->position(), 900U);
    for (std::uint64_t n = 0; n < 900; ++n) ASSERT_TRUE(knows(n)) << n;
    std::uint64_t wrong = 0;
    for (std::uint64_t n = 10'000; n < 20'000; ++n) wrong += knows(n) ? 1U : 0U;
    EXPECT_LT(wrong, 100U);
}

TEST_F(IngestIndexTest, WhatIsDamagedIsMadeAgainFromTheLog) {
    record(0, 200);
    close();
    for (const char* name : {"ingest-state", "ingest-0", "ingest-1"}) {
        const auto sound = index_disk_.copy();
        ASSERT_TRUE(sound.contains(name));
        index_disk_.bytes(name)[20] ^= 1U;
        auto damaged = index_disk_.copy();
        index_disk_.restore(damaged);
        open();
        EXPECT_EQ(index_->position(), 200U);
        for (std::uint64_t n = 0; n < 200; ++n) ASSERT_TRUE(knows(n)) << name << n;
        close();
        index_disk_.restore(sound);
    }
}

TEST_F(IngestIndexTest, AnIndexOfAnotherLogIsNotBelieved) {
    record(0, 50);
    close();
    disk_.restore({});
    random_.next_u64();
    open();
    EXPECT_EQ(index_->position(), 0U);
    EXPECT_EQ(index_->health().keys, 0U);
}

}  // namespace
}  // namespace tidegate::compliance::ingest
