#include "model/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/batcher_times.h"
#include "model/fake_session.h"

namespace tidegate::model {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ask;
using ::testing::ElementsAre;
using testing::eventually;
using testing::expected_of;
using testing::FakeSession;
using testing::floats;
using testing::is_ready;
using testing::values_of;

class BatcherTest : public ::testing::Test {
  protected:
    void make(BatcherOptions options = {}) {
        auto made = Batcher::create("m", std::move(options), {session_}, clock_);
        ASSERT_TRUE(made) << made.error().message;
        batcher_ = *std::move(made);
    }
    /// A pass that an instance is held up in.
    std::future<Answer> occupy(std::uint32_t tokens = 0) {
        const int before = session_->running;
        session_->hold();
        BatchRequest request = floats({0}, 1);
        request.tokens = tokens;
        auto answer = ask(*batcher_, std::move(request));
        EXPECT_TRUE(eventually([&] { return session_->running == before + 1; }));
        return answer;
    }
    std::uint32_t waiting() { return batcher_->stats().rows_waiting; }

    ManualClock clock_;
    std::shared_ptr<FakeSession> session_ = std::make_shared<FakeSession>();
    std::unique_ptr<Batcher> batcher_;
};

TEST_F(BatcherTest, ARequestAloneIsComputedAtOnceFromItsOwnBytes) {
    make();
    BatchRequest request = floats({1, 2, 3}, 1);
    const void* bytes = request.inputs[0].bytes.data();
    const Answer answer = ask(*batcher_, std::move(request)).get();
    ASSERT_TRUE(answer);
    EXPECT_EQ(session_->last_input, bytes) << "no copy";
    EXPECT_EQ(values_of(answer->outputs.at(0)), (std::vector<float>{3, 5, 7}));
    EXPECT_EQ(answer->outputs[0].shape, (Shape{1, 3}));
    EXPECT_EQ(answer->batch_rows, 1U);
    EXPECT_EQ(answer->cut, Cut::kIdle);
    EXPECT_NE(answer->owner, nullptr);
}

TEST_F(BatcherTest, WhatComesWhileTheInstanceIsBusySharesItsNextPass) {
    make();
    auto first = occupy();
    std::vector<std::future<Answer>> answers;
    for (int i = 1; i <= 5; ++i) {
        const auto value = static_cast<float>(i);
        answers.push_back(ask(*batcher_, floats({value, value * 10, -value, 0}, 2)));
    }
    EXPECT_EQ(waiting(), 10U);
    session_->let_all();
    const void* owner = nullptr;
    for (int i = 1; i <= 5; ++i) {
        const auto value = static_cast<float>(i);
        const Answer answer = answers[static_cast<std::size_t>(i - 1)].get();
        ASSERT_TRUE(answer);
        EXPECT_EQ(values_of(answer->outputs.at(0)), expected_of({value, value * 10, -value, 0}));
        EXPECT_EQ(answer->outputs[0].shape, (Shape{2, 2}));
        EXPECT_EQ(answer->batch_rows, 10U);
        if (owner == nullptr) owner = answer->owner.get();
        EXPECT_EQ(answer->owner.get(), owner) << "views of one result";
    }
    EXPECT_TRUE(first.get());
    EXPECT_THAT(session_->rows(), ElementsAre(1, 10));
}

TEST_F(BatcherTest, NoPassTakesMoreThanItsRows) {
    make({.rows_max = 4});
    auto first = occupy();
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 9; ++i) answers.push_back(ask(*batcher_, floats({static_cast<float>(i)}, 1)));
    session_->let_all();
    for (auto& answer : answers) EXPECT_TRUE(answer.get());
    EXPECT_THAT(session_->rows(), ElementsAre(1, 4, 4, 1));
    EXPECT_EQ(batcher_->stats().cuts(Cut::kFull), 2U);
    EXPECT_EQ(batcher_->stats().cuts(Cut::kIdle), 2U);
}

TEST_F(BatcherTest, SeveralInstancesWorkSideBySide) {
    make({.rows_max = 1, .instances = 3});
    session_->hold();
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 3; ++i) answers.push_back(ask(*batcher_, floats({1}, 1)));
    EXPECT_TRUE(eventually([&] { return session_->running == 3; }));
    session_->let_all();
    for (auto& answer : answers) EXPECT_TRUE(answer.get());
}

TEST_F(BatcherTest, ALargeRequestIsSplitAndJoined) {
    make({.rows_max = 32});
    std::vector<float> values(200);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
    const Answer answer = ask(*batcher_, floats(values, 100)).get();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->outputs.at(0).shape, (Shape{100, 2}));
    EXPECT_EQ(values_of(answer->outputs[0]), expected_of(values));
    std::int64_t rows = 0;
    for (const std::int64_t pass : session_->rows()) {
        EXPECT_LE(pass, 32);
        rows += pass;
    }
    EXPECT_EQ(rows, 100);
    EXPECT_EQ(batcher_->stats().split, 1U);
    EXPECT_EQ(batcher_->stats().ended(Ended::kAnswered), 1U) << "one request, however many passes";
}

TEST_F(BatcherTest, ASplitRequestFailsAsAWhole) {
    make({.rows_max = 2});
    std::vector<float> values(10, 1);
    values[7] = FakeSession::kPoison;
    const Answer answer = ask(*batcher_, floats(values, 10)).get();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().message, "poison");
    EXPECT_EQ(batcher_->stats().ended(Ended::kFailed), 1U);
}

TEST_F(BatcherTest, ARequestThatBreaksItsBatchFailsAlone) {
    make();
    auto first = occupy();
    auto good = ask(*batcher_, floats({1}, 1));
    auto bad = ask(*batcher_, floats({FakeSession::kPoison}, 1));
    auto good_too = ask(*batcher_, floats({2}, 1));
    session_->let_all();
    const Answer one = good.get();
    ASSERT_TRUE(one);
    EXPECT_EQ(values_of(one->outputs[0]), (std::vector<float>{3}));
    const Answer failed = bad.get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
    const Answer two = good_too.get();
    ASSERT_TRUE(two);
    EXPECT_EQ(values_of(two->outputs[0]), (std::vector<float>{5}));
    EXPECT_EQ(batcher_->stats().isolated, 3U);
    EXPECT_EQ(batcher_->stats().ended(Ended::kFailed), 1U);
}

TEST_F(BatcherTest, AResultWithoutTheBatchDimensionIsNeverHandedOutByRows) {
    make();
    session_->loses_rows = true;
    auto first = occupy();
    auto a = ask(*batcher_, floats({1}, 1));
    auto b = ask(*batcher_, floats({2}, 1));
    session_->let_all();
    // Each alone is whole, so each gets its own.
    for (auto* future : {&a, &b}) {
        const Answer answer = future->get();
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->batch_rows, 1U);
    }
    EXPECT_EQ(batcher_->stats().isolated, 2U);
}

TEST_F(BatcherTest, SequencesAreFilledUpAndCutToTheirOwnLengthAgain) {
    make({.pad_inputs = {{.pads = true, .value = -7}}, .cut_outputs = {true}});
    session_->keeps = true;
    auto first = occupy(1);
    BatchRequest one = floats({1, 2, 3}, 1);
    one.tokens = 3;
    BatchRequest two = floats({4, 5, 6, 7}, 2);
    two.tokens = 2;
    auto a = ask(*batcher_, std::move(one));
    auto b = ask(*batcher_, std::move(two));
    session_->let_all();
    const Answer long_one = a.get();
    const Answer short_one = b.get();
    ASSERT_TRUE(long_one && short_one);
    EXPECT_EQ(session_->seen().back(), (std::vector<float>{1, 2, 3, 4, 5, -7, 6, 7, -7}));
    EXPECT_EQ(long_one->outputs[0].shape, (Shape{1, 3}));
    EXPECT_EQ(values_of(long_one->outputs[0]), (std::vector<float>{3, 5, 7}));
    EXPECT_EQ(short_one->outputs[0].shape, (Shape{2, 2}));
    EXPECT_EQ(values_of(short_one->outputs[0]), (std::vector<float>{9, 11, 13, 15}));
    EXPECT_EQ(batcher_->stats().tokens_padded - batcher_->stats().tokens_real, 2U);
}

TEST_F(BatcherTest, ASmallModelRunsOnTheThreadThatAsksOnceItsPaceIsKnown) {
    make({.inline_below = milliseconds(1)});
    for (std::uint32_t i = 0; i < RunTimes::kKnown; ++i) {
        auto answer = ask(*batcher_, floats({1}, 1));
        ASSERT_TRUE(answer.get());
    }
    EXPECT_EQ(batcher_->stats().inlined, 0U);
    std::thread::id ran_on;
    BatchRequest request = floats({4}, 1);
    std::vector<float> got;
    request.done = [&](Answer answer) {
        ran_on = std::this_thread::get_id();
        if (answer) got = values_of(answer->outputs[0]);
    };
    batcher_->submit(std::move(request));
    EXPECT_EQ(ran_on, std::this_thread::get_id());
    EXPECT_EQ(got, (std::vector<float>{9}));
    EXPECT_EQ(batcher_->stats().inlined, 1U);
    EXPECT_EQ(batcher_->stats().passes, RunTimes::kKnown + 1);
}

TEST_F(BatcherTest, AModelThatBecameSlowLeavesTheThreadsThatAsk) {
    make({.inline_below = milliseconds(1)});
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(ask(*batcher_, floats({1}, 1)).get());
    ASSERT_GT(batcher_->stats().inlined, 0U);
    session_->clock = &clock_;
    session_->takes_ns = Duration(milliseconds(50)).count();
    const std::uint64_t before = batcher_->stats().inlined;
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(ask(*batcher_, floats({1}, 1)).get());
    EXPECT_LE(batcher_->stats().inlined - before, 2U);
    const std::uint64_t then = batcher_->stats().inlined;
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(ask(*batcher_, floats({1}, 1)).get());
    EXPECT_EQ(batcher_->stats().inlined, then) << "what was measured keeps it away";
}

TEST_F(BatcherTest, ASinkHearsOfAPassOnce) {
    class Sink final : public AnswerSink {
      public:
        void deliver(std::span<Answered> answers) override {
            sizes.push_back(answers.size());
            for (Answered& one : answers) one.done(std::move(one.answer));
        }
        std::vector<std::size_t> sizes;  // Of one thread: there is one instance.
    };
    make();
    const auto sink = std::make_shared<Sink>();
    const auto other = std::make_shared<Sink>();
    auto first = occupy();
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 6; ++i) {
        BatchRequest request = floats({static_cast<float>(i)}, 1);
        if (i < 5) request.sink = i % 2 == 0 ? sink : other;
        answers.push_back(ask(*batcher_, std::move(request)));
    }
    session_->let_all();
    for (std::size_t i = 0; i < 6; ++i) {
        const Answer answer = answers[i].get();
        ASSERT_TRUE(answer);
        EXPECT_EQ(values_of(answer->outputs[0]), expected_of({static_cast<float>(i)}));
    }
    batcher_->close(Batcher::Close::kDrain);
    EXPECT_THAT(sink->sizes, ElementsAre(3));
    EXPECT_THAT(other->sizes, ElementsAre(2));
}

TEST_F(BatcherTest, TensorsThatAreNotWhatTheRequestSaysAreRefused) {
    make({.pad_inputs = {{.pads = true}}});
    const auto refused = [&](BatchRequest request) {
        const Answer answer = ask(*batcher_, std::move(request)).get();
        return answer ? std::string("taken") : answer.error().message;
    };
    BatchRequest short_bytes = floats({1, 2, 3, 4}, 2);
    short_bytes.tokens = 2;
    short_bytes.inputs[0].bytes = short_bytes.inputs[0].bytes.first(12);
    EXPECT_EQ(refused(std::move(short_bytes)), "input 0 of shape [2,2] needs 16 bytes, 12 were given");
    BatchRequest rows = floats({1, 2}, 2);
    rows.tokens = 1;
    rows.rows = 1;
    EXPECT_EQ(refused(std::move(rows)), "input 0 has the shape [2,1], the request has 1 rows");
    EXPECT_EQ(refused(floats({1, 2}, 1)), "input 0 has the shape [1,2], the request has sequences of 0 tokens");
    BatchRequest huge = floats({1, 2}, 1);
    huge.inputs[0].shape = Shape{1, std::int64_t{1} << 62};
    EXPECT_NE(refused(std::move(huge)), "taken");
    BatchRequest none = floats({1}, 1);
    none.inputs.clear();
    EXPECT_EQ(refused(std::move(none)), "0 inputs were given, the model has 1");
    BatchRequest output = floats({1}, 1);
    output.tokens = 1;
    output.wanted = {3};
    EXPECT_EQ(refused(std::move(output)), "output 3 was asked for, the model has 1");
    EXPECT_EQ(batcher_->stats().ended(Ended::kMalformed), 6U);
    EXPECT_TRUE(session_->passes().empty());
}

TEST_F(BatcherTest, OptionsThatContradictEachOtherAreRefused) {
    const auto refused = [&](BatcherOptions options) {
        const auto made = Batcher::create("m", std::move(options), {session_}, clock_);
        return made ? std::string("made") : made.error().message;
    };
    EXPECT_EQ(refused({.rows_max = 0}), "rows_max is 0; 1 to 65536 are possible");
    EXPECT_EQ(refused({.rows_max = 64, .queue_rows_max = 32}),
              "queue_rows_max (32) is less than the rows of one pass (64)");
    EXPECT_EQ(refused({.instances = 0}), "instances is 0; 1 to 256 are possible");
    EXPECT_EQ(refused({.priorities = 0}), "priorities is 0; 1 to 64 are possible");
    EXPECT_EQ(refused({.wait_max = milliseconds(-1)}), "a time of the batcher is negative");
    EXPECT_EQ(refused({.pad_inputs = {{}, {}}}), "padding is given for 2 inputs, the model has 1");
    EXPECT_EQ(refused({.cut_outputs = {true, true}}), "cut_outputs is given for 2 outputs, the model has 1");
    EXPECT_FALSE(Batcher::create("m", {}, {}, clock_));
}

TEST_F(BatcherTest, ItsCountsAddUp) {
    make({.rows_max = 4, .queue_rows_max = 8});
    auto first = occupy();
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 10; ++i) answers.push_back(ask(*batcher_, floats({1}, 1)));
    session_->let_all();
    for (auto& answer : answers) (void)answer.get();
    ASSERT_TRUE(first.get());
    batcher_->close(Batcher::Close::kDrain);
    const BatcherStats& stats = batcher_->stats();
    EXPECT_EQ(stats.ended(Ended::kAnswered), 9U);
    EXPECT_EQ(stats.ended(Ended::kQueueFull), 2U);
    EXPECT_EQ(stats.rows, 9U);
    EXPECT_EQ(stats.passes, 3U);
    EXPECT_EQ(stats.by_rows()[0].passes, 1U);
    EXPECT_EQ(stats.by_rows()[3].passes, 2U);
    EXPECT_EQ(stats.queued.snapshot().count, 9U);
    EXPECT_EQ(stats.sizes.snapshot().count, 3U);
    EXPECT_EQ(stats.rows_waiting, 0U);
    EXPECT_EQ(stats.rows_in_flight, 0U);
    EXPECT_GT(stats.last_unix_ms, 0);
}

TEST(BatcherThreads, TenThousandMixedRequestsGetWhatTheyWouldGetAlone) {
    const SystemClock clock;
    const auto session = std::make_shared<FakeSession>();
    auto batcher = *Batcher::create("m",
                                    {.rows_max = 16,
                                     .queue_rows_max = 100'000,
                                     .instances = 2,
                                     .priorities = 3,
                                     .pad_inputs = {{.pads = true}},
                                     .cut_outputs = {true},
                                     .inline_below = std::chrono::microseconds(20)},
                                    {session}, clock);
    constexpr int kThreads = 4;
    constexpr int kEach = 2500;
    std::atomic<int> wrong{0};
    std::atomic<int> answered{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::uint32_t dice = 1234567U * static_cast<std::uint32_t>(t + 1);
            const auto next = [&dice](std::uint32_t below) {
                dice = dice * 1664525U + 1013904223U;
                return (dice >> 8U) % below;
            };
            for (int i = 0; i < kEach; ++i) {
                // Some are larger than a pass.
                const std::uint32_t rows = 1 + next(i % 100 == 0 ? 40 : 6);
                const std::uint32_t tokens = 1 + next(90);
                std::vector<float> values(static_cast<std::size_t>(rows) * tokens);
                for (float& value : values) value = static_cast<float>(next(100'000)) / 7;
                BatchRequest request = floats(values, rows);
                request.tokens = tokens;
                request.priority = next(3);
                request.done = [&wrong, &answered, rows, tokens, expected = expected_of(values)](Answer answer) {
                    const bool good = answer && answer->outputs[0].shape == Shape{rows, tokens} &&
                                      values_of(answer->outputs[0]) == expected;
                    if (!good) ++wrong;
                    ++answered;
                };
                batcher->submit(std::move(request));
            }
        });
    }
    threads.clear();
    EXPECT_TRUE(eventually([&] { return answered == kThreads * kEach; }));
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(batcher->stats().ended(Ended::kAnswered), static_cast<std::uint64_t>(kThreads * kEach));
}

}  // namespace
}  // namespace tidegate::model
