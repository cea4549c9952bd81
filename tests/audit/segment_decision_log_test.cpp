// The log with its followers: each record once and in order, a follower that fails, what a failing disk makes of records.
#include "audit/segment_decision_log.h"

#include <gtest/gtest.h>

#include <future>

#include "audit_segments/segments_fixture.h"
#include "support/log_recorder.h"

namespace tidegate::audit {
namespace {

using segments::TestDisk;
using segments::TestFolder;

Decision decision_number(std::uint64_t n, Random& random) {
    const ManualClock clock(1'772'366'400'000 + static_cast<UnixMillis>(n));
    Decision decision;
    decision.id = make_uuid7(clock, random);
    decision.request_id = std::to_string(n);
    decision.service = "test";
    decision.operation = "count";
    return decision;
}

class SegmentDecisionLogTest : public ::testing::Test {
  protected:
    std::unique_ptr<SegmentDecisionLog> open(WhenFailing when = WhenFailing::kRefuse) {
        SegmentDecisionLogOptions options;
        options.segments = segments::small_options();
        options.when_failing = when;
        options.follower_retry = Duration(0);
        auto log = SegmentDecisionLog::open(std::make_unique<TestFolder>(disk_), options, clock_, random_);
        EXPECT_TRUE(log) << log.error().message;
        return log ? *std::move(log) : nullptr;
    }
    Result<void> put(DecisionLog& log, std::uint64_t n) {
        std::promise<Result<void>> promise;
        log.append(decision_number(n, random_), [&](Result<void> done) { promise.set_value(std::move(done)); });
        return promise.get_future().get();
    }
    std::vector<std::string> numbers(std::uint64_t from, std::uint64_t to) {
        std::vector<std::string> all;
        for (std::uint64_t n = from; n < to; ++n) all.push_back(std::to_string(n));
        return all;
    }

    TestDisk disk_;
    SystemClock clock_;
    SeededRandom random_{7};
};

TEST_F(SegmentDecisionLogTest, AFollowerHasEachRecordBeforeItIsAcknowledgedAndAgainAfterAStart) {
    {
        const auto log = open();
        Recorder recorder;
        ASSERT_TRUE(log->follow({&recorder}));
        for (std::uint64_t n = 0; n < 300; ++n) {
            ASSERT_TRUE(put(*log, n));
            ASSERT_EQ(recorder.position(), n + 1);
        }
        EXPECT_EQ(recorder.seen(), numbers(0, 300));
        log->close();
    }
    const auto log = open();
    Recorder whole;
    Recorder late(299);
    ASSERT_TRUE(log->follow({&whole, &late}));
    EXPECT_EQ(whole.seen(), numbers(0, 300));
    EXPECT_EQ(late.seen(), numbers(299, 300));
    ASSERT_TRUE(put(*log, 300));
    EXPECT_EQ(whole.seen(), numbers(0, 301));
    EXPECT_EQ(late.seen(), numbers(299, 301));
}

TEST_F(SegmentDecisionLogTest, AFollowerThatHoldsMoreThanTheLogIsNotBelieved) {
    const auto log = open();
    Recorder recorder(1);
    const auto followed = log->follow({&recorder});
    ASSERT_FALSE(followed);
    EXPECT_EQ(followed.error().code, ErrorCode::kDataLoss);
}

TEST_F(SegmentDecisionLogTest, AFollowerThatFailedGetsWhatItMissedAndTheOthersDoNotWait) {
    const auto log = open();
    Recorder sick;
    Recorder well;
    ASSERT_TRUE(log->follow({&sick, &well}));
    ASSERT_TRUE(put(*log, 0));
    sick.failing = true;
    for (std::uint64_t n = 1; n < 200; ++n) ASSERT_TRUE(put(*log, n));
    EXPECT_EQ(well.seen(), numbers(0, 200));
    EXPECT_EQ(sick.seen(), numbers(0, 1));
    LogHealth health = log->health();
    ASSERT_EQ(health.followers.size(), 2U);
    EXPECT_TRUE(health.followers[0].behind);
    EXPECT_EQ(health.followers[0].reason, "the recorder is full");
    EXPECT_FALSE(health.followers[1].behind);
    EXPECT_FALSE(health.degraded);
    sick.failing = false;
    ASSERT_TRUE(put(*log, 200));
    EXPECT_EQ(sick.seen(), numbers(0, 201));
    EXPECT_FALSE(log->health().followers[0].behind);
}

TEST_F(SegmentDecisionLogTest, WithAFailingDiskAnAppendIsRefused) {
    const auto log = open();
    ASSERT_TRUE(log->follow({}));
    ASSERT_TRUE(put(*log, 0));
    disk_.fail_when([](TestDisk::Step, const std::string&) { return true; });
    const auto refused = put(*log, 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(log->health().gap_records, 0U);
    disk_.fail_when({});
}

TEST_F(SegmentDecisionLogTest, GoingOnWithoutTheDiskLeavesAnEventThatSaysHowManyAreMissing) {
    const auto log = open(WhenFailing::kGoOn);
    Recorder recorder;
    ASSERT_TRUE(log->follow({&recorder}));
    ASSERT_TRUE(put(*log, 0));
    disk_.fail_when([](TestDisk::Step, const std::string&) { return true; });
    for (std::uint64_t n = 1; n < 4; ++n) EXPECT_TRUE(put(*log, n));
    EXPECT_EQ(log->health().gap_unlogged, 3U);
    EXPECT_TRUE(log->health().degraded);
    disk_.fail_when({});
    while (log->health().degraded) std::this_thread::yield();
    ASSERT_TRUE(put(*log, 4));
    log->flush();
    while (log->health().gap_unlogged > 0) std::this_thread::yield();
    log->flush();
    ASSERT_EQ(recorder.position(), 3U);
    const auto event = log->reader().read(2);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->decision.kind, RecordKind::kEvent);
    EXPECT_FALSE(event->decision.latency_stated) << "nobody asked for it";
    EXPECT_EQ(event->decision.operation, "gap");
    EXPECT_NE(event->decision.output.find("\"records_lost\":3"), std::string::npos) << event->decision.output;
    EXPECT_EQ(log->health().gap_records, 3U);
}

TEST_F(SegmentDecisionLogTest, WhatIsSubmittedIsTakenAtOnceAndLossesAreToldLater) {
    const auto log = open();
    Recorder recorder;
    ASSERT_TRUE(log->follow({&recorder}));
    const auto submit = [&](std::uint64_t n) {
        std::optional<Result<void>> taken;
        log->submit({decision_number(n, random_)}, [&](Result<void> done) { taken = std::move(done); });
        // Before submit() returns: nobody waits for the disk.
        EXPECT_TRUE(taken.has_value());
        return taken.value_or(Result<void>{});
    };
    EXPECT_TRUE(submit(0));
    log->flush();
    EXPECT_EQ(recorder.seen(), numbers(0, 1));
    disk_.fail_when([](TestDisk::Step, const std::string&) { return true; });
    EXPECT_TRUE(submit(1)) << "that the disk fails nobody knows yet";
    log->flush();
    EXPECT_EQ(log->health().gap_unlogged, 1U);
    EXPECT_FALSE(submit(2)) << "now it is known, and the caller is told";
    disk_.fail_when({});
    while (log->health().degraded) std::this_thread::yield();
    EXPECT_TRUE(submit(3));
    log->flush();
    log->flush();
    EXPECT_EQ(log->health().gap_unlogged, 0U);
    EXPECT_EQ(recorder.position(), 3U);
}

}  // namespace
}  // namespace tidegate::audit
