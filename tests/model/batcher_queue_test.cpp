#include "model/batcher_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/fake_session.h"

namespace tidegate::model {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr SteadyTime kStart{seconds(1000)};

/// A request that its number tells from others: FP32 [rows, width].
BatchRequest request(std::uint32_t rows, std::int64_t width = 4) {
    return testing::floats(std::vector<float>(static_cast<std::size_t>(rows * width)), rows);
}

BatchRequest text(std::uint32_t tokens, std::uint32_t rows = 1) {
    BatchRequest made = request(rows, tokens);
    made.tokens = tokens;
    return made;
}

BatcherOptions text_options() {
    BatcherOptions options;
    options.pad_inputs = {{.pads = true}};
    return options;
}

class Queue {
  public:
    explicit Queue(BatcherOptions options = {}) : options_(std::move(options)), queue_(options_) {}
    Waiting& push(BatchRequest what, Duration at = {}) { return queue_.push(std::move(what), false, kStart + at); }
    const Batch& cut(Duration at = {}) {
        dropped.clear();
        queue_.cut(kStart + at, times, batch, dropped);
        return batch;
    }
    std::vector<std::uint32_t> tokens(Duration at = {}) {
        std::vector<std::uint32_t> found;
        for (const Waiting* member : cut(at).members) found.push_back(member->request.tokens);
        return found;
    }
    RunTimes times;
    Batch batch;
    std::vector<Dropped> dropped;
    BatchQueue& operator*() { return queue_; }
    BatchQueue* operator->() { return &queue_; }

  private:
    const BatcherOptions options_;
    BatchQueue queue_;
};

TEST(BatchQueue, RequestsOfOneShapeShareAPassInTheOrderTheyCame) {
    Queue queue;
    const Waiting& a = queue.push(request(1));
    const Waiting& b = queue.push(request(3));
    const Waiting& c = queue.push(request(2));
    const Batch& batch = queue.cut();
    EXPECT_THAT(batch.members, ElementsAre(&a, &b, &c));
    EXPECT_EQ(batch.rows, 6U);
    EXPECT_EQ(batch.cut, Cut::kIdle);
    EXPECT_TRUE(queue->empty());
    EXPECT_TRUE(queue.cut().members.empty());
}

TEST(BatchQueue, OtherShapesAndOtherOutputsNeverShareAPass) {
    Queue queue;
    const Waiting& a = queue.push(request(1, 4));
    const Waiting& b = queue.push(request(1, 5));
    const Waiting& c = queue.push(request(1, 4));
    BatchRequest other = request(1, 4);
    other.wanted = {0, 0};
    const Waiting& d = queue.push(std::move(other));
    EXPECT_THAT(queue.cut().members, ElementsAre(&a, &c));
    EXPECT_THAT(queue.cut().members, ElementsAre(&b));
    EXPECT_THAT(queue.cut().members, ElementsAre(&d));
}

TEST(BatchQueue, WithoutABatchDimensionEachIsAlone) {
    Queue queue({.batches = false});
    queue.push(request(1));
    queue.push(request(1));
    EXPECT_EQ(queue.cut().members.size(), 1U);
    EXPECT_EQ(queue.batch.cut, Cut::kIdle);
    EXPECT_EQ(queue.cut().members.size(), 1U);
}

TEST(BatchQueue, AFullBatchSaysSoAndWhoDoesNotFitBeginsTheNext) {
    Queue queue({.rows_max = 8});
    const Waiting& a = queue.push(request(5));
    const Waiting& large = queue.push(request(6), milliseconds(1));
    const Waiting& small = queue.push(request(2), milliseconds(2));
    EXPECT_THAT(queue.cut(milliseconds(3)).members, ElementsAre(&a, &small)) << "the small one fills the room";
    EXPECT_EQ(queue.batch.cut, Cut::kFull);
    EXPECT_THAT(queue.cut(milliseconds(3)).members, ElementsAre(&large));
    EXPECT_EQ(queue.batch.cut, Cut::kIdle);
}

TEST(BatchQueue, TheMoreUrgentComeFirstAndTheOthersFillTheRoom) {
    Queue queue({.rows_max = 2, .priorities = 2, .priority_step = milliseconds(100)});
    const Waiting& later = queue.push([] {
        auto r = request(1);
        r.priority = 1;
        return r;
    }());
    const Waiting& urgent = queue.push(request(1), milliseconds(50));
    const Waiting& urgent_too = queue.push(request(1), milliseconds(60));
    EXPECT_THAT(queue.cut(milliseconds(70)).members, ElementsAre(&urgent, &urgent_too));
    EXPECT_THAT(queue.cut(milliseconds(70)).members, ElementsAre(&later));
}

TEST(BatchQueue, NobodyStarvesBehindAStreamOfMoreUrgentOnes) {
    Queue queue({.rows_max = 1, .priorities = 2, .priority_step = milliseconds(100)});
    BatchRequest patient = request(1);
    patient.priority = 1;
    const Waiting* const waits = &queue.push(std::move(patient));
    // Two urgent ones come for each that is served.
    int served_before = 0;
    for (int at = 0; at < 1000; ++at) {
        queue.push(request(1), milliseconds(at));
        queue.push(request(1), milliseconds(at));
        if (queue.cut(milliseconds(at)).members.front() == waits) break;
        ++served_before;
    }
    EXPECT_GE(served_before, 100);
    EXPECT_LE(served_before, 210) << "only those that came within 100 ms after it went first";
}

TEST(BatchQueue, TextsOfLikeLengthGoTogetherAndTheOldestGoesFirst) {
    Queue queue(text_options());
    queue.push(text(500));
    queue.push(text(10), milliseconds(1));
    queue.push(text(490), milliseconds(2));
    queue.push(text(12), milliseconds(3));
    EXPECT_THAT(queue.tokens(milliseconds(4)), ElementsAre(500, 490));
    EXPECT_EQ(queue.batch.longest, 500U);
    EXPECT_EQ(queue.batch.tokens_real, 990U);
    EXPECT_THAT(queue.tokens(milliseconds(4)), ElementsAre(10, 12));
}

TEST(BatchQueue, ANeighbouringLengthJoinsOnlyWhileAtMostAQuarterIsFilling) {
    Queue queue(text_options());
    queue.push(text(64));
    queue.push(text(48), milliseconds(1));  // 16 of 128 are filling.
    queue.push(text(33), milliseconds(2));  // Of the class of 48: 47 of 192 would be.
    queue.push(text(33), milliseconds(3));  // 78 of 256 would be.
    EXPECT_THAT(queue.tokens(milliseconds(4)), ElementsAre(64, 48, 33));
    EXPECT_THAT(queue.tokens(milliseconds(4)), ElementsAre(33));
}

TEST(BatchQueue, OfALargePassATwelfthIsFillingAtMost) {
    Queue queue(text_options());
    for (const std::uint32_t tokens : {48U, 48U, 48U}) queue.push(text(tokens));
    queue.push(text(40));  // 8 of 192 are filling.
    queue.push(text(36));  // 20 of 240.
    queue.push(text(34));  // 34 of 288 would be.
    queue.push(text(47));
    EXPECT_THAT(queue.tokens(), ElementsAre(48, 48, 48, 40, 36, 47));
    EXPECT_THAT(queue.tokens(), ElementsAre(34)) << "who was passed by begins the next";
}

TEST(BatchQueue, LengthClassesSpanAtMostHalfOfTheirLowerEnd) {
    EXPECT_EQ(length_class(1), length_class(16));
    std::uint32_t first = 17;
    for (std::uint32_t tokens = 17; tokens < 70'000; ++tokens) {
        ASSERT_GE(length_class(tokens), length_class(tokens - 1));
        ASSERT_LE(length_class(tokens), length_class(tokens - 1) + 1);
        if (length_class(tokens) != length_class(tokens - 1)) first = tokens;
        ASSERT_LE(tokens, first + first / 2);
    }
}

TEST(BatchQueue, PaddedTokensBoundAPass) {
    BatcherOptions options = text_options();
    options.tokens_max = 100;
    Queue queue(options);
    queue.push(text(30));
    queue.push(text(32), milliseconds(1));
    queue.push(text(31), milliseconds(2));
    queue.push(text(30), milliseconds(3));  // 4 x 32 = 128.
    EXPECT_THAT(queue.tokens(milliseconds(4)), ElementsAre(30, 32, 31));
    EXPECT_EQ(queue.batch.cut, Cut::kFull);
    EXPECT_EQ(queue.batch.units(), 96U);
}

TEST(BatchQueue, WhoHasGoneOrIsLateLeavesWithoutAPass) {
    Queue queue({.queue_time_max = milliseconds(10)});
    BatchRequest gone = request(1);
    gone.gone = std::make_shared<std::atomic<bool>>(true);
    const Waiting& a = queue.push(std::move(gone));
    const Waiting& late = queue.push(request(1));
    const Waiting& good = queue.push(request(1), milliseconds(5));
    EXPECT_THAT(queue.cut(milliseconds(10)).members, ElementsAre(&good));
    ASSERT_EQ(queue.dropped.size(), 2U);
    EXPECT_EQ(queue.dropped[0].waiting, &a);
    EXPECT_EQ(queue.dropped[0].how, Ended::kGone);
    EXPECT_EQ(queue.dropped[1].waiting, &late);
    EXPECT_EQ(queue.dropped[1].how, Ended::kExpired);
    EXPECT_EQ(queue->rows(), 0U);
}

TEST(BatchQueue, WhatCannotBeComputedInTimeIsNotComputedWhileOthersWait) {
    Queue queue;
    queue.times.add(1, milliseconds(50), kStart);
    BatchRequest doomed = request(1);
    doomed.deadline = kStart + milliseconds(40);
    BatchRequest alone = request(1);
    alone.deadline = doomed.deadline;
    const Waiting& first = queue.push(std::move(doomed));
    const Waiting& other = queue.push(request(1));
    EXPECT_THAT(queue.cut().members, ElementsAre(&other));
    ASSERT_EQ(queue.dropped.size(), 1U);
    EXPECT_EQ(queue.dropped[0].waiting, &first);
    const Waiting& probe = queue.push(std::move(alone));
    EXPECT_THAT(queue.cut().members, ElementsAre(&probe)) << "nobody else wants the instance: it measures the pace";
}

TEST(BatchQueue, GathersUntilTheWaitIsOverOrAPassIsFull) {
    Queue queue({.rows_max = 4, .wait_max = milliseconds(5)});
    EXPECT_EQ(queue->cut_at(kStart, false), SteadyTime::max());
    queue.push(request(1));
    EXPECT_EQ(queue->cut_at(kStart, false), kStart + milliseconds(5));
    EXPECT_EQ(queue->cut_at(kStart, true), kStart);
    EXPECT_FALSE(queue->filled());
    queue.push(request(3), milliseconds(1));
    EXPECT_TRUE(queue->filled());
    EXPECT_LE(queue->cut_at(kStart + milliseconds(1), false), kStart + milliseconds(1));
    EXPECT_EQ(queue.cut(milliseconds(1)).cut, Cut::kFull);
    queue.push(request(1), milliseconds(2));
    EXPECT_EQ(queue.cut(milliseconds(7)).cut, Cut::kTime);
}

TEST(BatchQueue, ASweepTakesOutTheLateAndNamesTheNextDue) {
    Queue queue;
    BatchRequest one = request(1);
    one.deadline = kStart + milliseconds(10);
    BatchRequest two = request(1, 7);
    two.deadline = kStart + milliseconds(30);
    queue.push(std::move(one));
    queue.push(std::move(two));
    std::vector<Dropped> dropped;
    EXPECT_EQ(queue->sweep(kStart + milliseconds(5), dropped), kStart + milliseconds(10));
    EXPECT_TRUE(dropped.empty());
    EXPECT_EQ(queue->sweep(kStart + milliseconds(10), dropped), kStart + milliseconds(30));
    EXPECT_EQ(dropped.size(), 1U);
    EXPECT_EQ(queue->rows(), 1U);
}

TEST(BatchQueue, ManyKindsComeAndGo) {
    Queue queue;
    for (int round = 0; round < 3; ++round) {
        for (std::int64_t width = 1; width <= 500; ++width) queue.push(request(1, width));
        for (int i = 0; i < 500; ++i) {
            ASSERT_EQ(queue.cut().members.size(), 1U);
            queue->release(*queue.batch.members.front());
        }
        ASSERT_TRUE(queue->empty());
    }
}

TEST(RunTimes, OneLostCoreDoesNotMoveThePaceAndASlowerModelDoes) {
    RunTimes times;
    EXPECT_EQ(times.expected(1, kStart), Duration{});
    for (int i = 0; i < 20; ++i) times.add(1, microseconds(100), kStart);
    EXPECT_TRUE(times.stays_under(1, microseconds(150)));
    EXPECT_FALSE(times.stays_under(2, microseconds(150))) << "never measured";
    times.add(1, seconds(1), kStart);
    EXPECT_LT(times.expected(1, kStart), microseconds(150));
    for (int i = 0; i < 10; ++i) times.add(1, milliseconds(10), kStart);
    EXPECT_FALSE(times.stays_under(1, microseconds(150)));
    EXPECT_GT(times.expected(1, kStart), milliseconds(1));
}

TEST(RunTimes, AnUnknownSizeTakesItsSmallerNeighbourAndOldMeansAreForgotten) {
    RunTimes times;
    times.add(4, milliseconds(4), kStart);
    times.add(32, milliseconds(20), kStart);
    EXPECT_EQ(times.expected(4, kStart), milliseconds(4));
    EXPECT_EQ(times.expected(16, kStart), milliseconds(4));
    EXPECT_EQ(times.expected(1, kStart), milliseconds(4));
    EXPECT_EQ(times.expected(1000, kStart), milliseconds(20));
    EXPECT_EQ(times.expected(32, kStart + seconds(3)), Duration{});
}

TEST(InlineGate, TwoSlowPassesShutItAndSixteenFastOnesOpenIt) {
    InlineGate gate;
    gate.ran_here(false);
    gate.ran_here(true);
    gate.ran_here(false);
    EXPECT_TRUE(gate.open()) << "one alone is a core that was lost";
    gate.ran_here(false);
    EXPECT_FALSE(gate.open());
    for (std::uint32_t i = 1; i < RunTimes::kKnown; ++i) gate.ran_on_instance(true, true);
    EXPECT_FALSE(gate.open());
    gate.ran_on_instance(false, false);
    gate.ran_on_instance(false, true);
    for (std::uint32_t i = 1; i < RunTimes::kKnown; ++i) gate.ran_on_instance(true, true);
    EXPECT_FALSE(gate.open()) << "a slow one began the count again";
    gate.ran_on_instance(true, false);
    EXPECT_TRUE(gate.open());
}

}  // namespace
}  // namespace tidegate::model
