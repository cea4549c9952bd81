// Who listens gets every matching record once and in order, or is told how many it missed; the log never waits.
#include <gtest/gtest.h>

#include <array>

#include "audit/views/live_feed.h"
#include "audit_views/log_history_fixture.h"

namespace tidegate::audit {
namespace {

/// The records of decision_at(), as the log hands them on.
class Records {
  public:
    DurableRecords make(std::uint64_t from, std::uint64_t to) {
        bytes_.clear();
        views_.clear();
        for (std::uint64_t n = from; n < to; ++n) {
            const Decision d = decision_at(n);
            bytes_.emplace_back(segments::encoded_size(d));
            segments::encode(d, d.time(), bytes_.back());
            views_.push_back(segments::decode(bytes_.back()).value());
        }
        leaves_.resize(views_.size());
        return {.first_leaf = from, .records = views_, .leaves = leaves_};
    }

  private:
    std::vector<std::vector<std::uint8_t>> bytes_;
    std::vector<segments::RecordView> views_;
    std::vector<Sha256> leaves_;
};

TEST(LiveFeed, ListenersGetWhatMatchesFromWhereTheyBegan) {
    LiveFeed feed(100, {});
    Records records;
    ASSERT_TRUE(feed.follow(records.make(100, 200)).has_value());
    int woken = 0;
    const auto all = feed.subscribe({}, [&] { ++woken; });
    const auto north = feed.subscribe({.tenant = "north"}, {});
    EXPECT_EQ(all->begin(), 200U);
    ASSERT_TRUE(feed.follow(records.make(200, 300)).has_value());
    ASSERT_TRUE(feed.follow(records.make(300, 400)).has_value());
    EXPECT_EQ(woken, 1) << "an empty queue got something once";
    const auto check = [](LiveFeed::Subscription& listener, const HistoryFilter& filter) {
        auto expected = naive(filter, 400);
        std::erase_if(expected, [](std::uint64_t n) { return n < 200; });
        const auto taken = listener.take(1000);
        EXPECT_EQ(taken.missed, 0U);
        std::vector<std::uint64_t> seen;
        for (const LiveItem& item : taken.items) {
            EXPECT_EQ(*item.decision, decision_at(item.leaf));
            seen.push_back(item.leaf);
        }
        EXPECT_EQ(seen, expected);
    };
    check(*all, {});
    check(*north, {.tenant = "north"});
    EXPECT_EQ(feed.position(), 400U);
}

TEST(LiveFeed, ASlowListenerIsToldHowManyItMissedAndHoldsUpNobody) {
    LiveFeed feed(0, {.queue_records = 10, .queue_bytes = 1U << 20U});
    Records records;
    const auto slow = feed.subscribe({}, {});
    const auto quick = feed.subscribe({}, {});
    ASSERT_TRUE(feed.follow(records.make(0, 8)).has_value());
    EXPECT_EQ(quick->take(100).items.size(), 8U);
    ASSERT_TRUE(feed.follow(records.make(8, 16)).has_value());
    EXPECT_EQ(quick->take(100).items.size(), 8U);
    auto first = slow->take(4);
    EXPECT_EQ(first.items.size(), 4U);
    EXPECT_EQ(first.missed, 0U) << "not before the hole";
    ASSERT_TRUE(feed.follow(records.make(16, 18)).has_value()) << "after a hole nothing comes until it was told";
    auto rest = slow->take(100);
    ASSERT_EQ(rest.items.size(), 6U);
    EXPECT_EQ(rest.items.back().leaf, 9U);
    EXPECT_EQ(rest.missed, 8U);
    ASSERT_TRUE(feed.follow(records.make(18, 20)).has_value());
    const auto on = slow->take(100);
    ASSERT_EQ(on.items.size(), 2U);
    EXPECT_EQ(on.items.front().leaf, 18U);
    EXPECT_EQ(on.missed, 0U);
}

TEST(LiveFeed, LongRecordsFillAQueueByTheirBytes) {
    LiveFeed feed(0, {.queue_records = 1000, .queue_bytes = 4096});
    Records records;
    const auto listener = feed.subscribe({}, {});
    ASSERT_TRUE(feed.follow(records.make(0, 40)).has_value());
    const auto taken = listener->take(1000);
    EXPECT_LE(taken.items.size(), 4U);
    EXPECT_EQ(taken.items.size() + taken.missed, 40U);
}

TEST(LiveFeed, WhoHasLeftIsForgotten) {
    LiveFeed feed(0, {});
    Records records;
    auto listener = feed.subscribe({}, {});
    EXPECT_EQ(feed.subscribers(), 1U);
    listener.reset();
    ASSERT_TRUE(feed.follow(records.make(0, 10)).has_value());
    EXPECT_EQ(feed.subscribers(), 0U);
}

}  // namespace
}  // namespace tidegate::audit
