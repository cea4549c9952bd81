#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/batcher.h"
#include "model/fake_session.h"

namespace tidegate::model {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ask;
using ::testing::ElementsAre;
using testing::eventually;
using testing::FakeSession;
using testing::floats;
using ::testing::HasSubstr;
using testing::is_ready;

class BatcherLimits : public ::testing::Test {
  protected:
    void make(BatcherOptions options = {}) {
        auto made = Batcher::create("m", std::move(options), {session_}, clock_);
        ASSERT_TRUE(made) << made.error().message;
        batcher_ = *std::move(made);
    }
    std::future<Answer> occupy() {
        session_->hold();
        auto answer = ask(*batcher_, floats({0}, 1));
        EXPECT_TRUE(eventually([&] { return session_->running == 1; }));
        return answer;
    }
    /// Passes of one row take 100 ms of the clock, and the batcher knows it.
    void learn_pace() {
        session_->clock = &clock_;
        session_->takes_ns = Duration(milliseconds(100)).count();
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(ask(*batcher_, floats({1}, 1)).get());
    }
    static BatchRequest with_deadline(SteadyTime deadline) {
        BatchRequest request = floats({1}, 1);
        request.deadline = deadline;
        return request;
    }
    static ErrorCode code_of(const Answer& answer) { return answer ? ErrorCode::kInternal : answer.error().code; }

    ManualClock clock_;
    std::shared_ptr<FakeSession> session_ = std::make_shared<FakeSession>();
    std::unique_ptr<Batcher> batcher_;
};

TEST_F(BatcherLimits, AFullQueueRefusesAtOnceByRows) {
    make({.rows_max = 4, .queue_rows_max = 6});
    auto first = occupy();
    auto four = ask(*batcher_, floats({1, 2, 3, 4}, 4));
    auto three = ask(*batcher_, floats({1, 2, 3}, 3));
    ASSERT_TRUE(is_ready(three));
    const Answer refused = three.get();
    EXPECT_EQ(code_of(refused), ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("full"));
    EXPECT_GE(batcher_->retry_after(), milliseconds(1));
    auto two = ask(*batcher_, floats({1, 2}, 2));
    session_->let_all();
    EXPECT_TRUE(four.get());
    EXPECT_TRUE(two.get());
    EXPECT_EQ(batcher_->stats().ended(Ended::kQueueFull), 1U);
}

TEST_F(BatcherLimits, WhoHasGoneMakesRoomInAFullQueue) {
    make({.rows_max = 4, .queue_rows_max = 4});
    auto first = occupy();
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    BatchRequest request = floats({1, 2, 3, 4}, 4);
    request.gone = gone;
    auto left = ask(*batcher_, std::move(request));
    clock_.advance(seconds(1));
    *gone = true;
    auto next = ask(*batcher_, floats({1}, 1));
    EXPECT_EQ(code_of(left.get()), ErrorCode::kCancelled);
    session_->let_all();
    EXPECT_TRUE(next.get());
}

TEST_F(BatcherLimits, TenThousandWaitAndAllHaveGone) {
    make({.queue_rows_max = 20'000});
    auto first = occupy();
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 10'000; ++i) {
        BatchRequest request = floats({1}, 1);
        request.gone = gone;
        answers.push_back(ask(*batcher_, std::move(request)));
    }
    *gone = true;
    session_->let_all();
    ASSERT_TRUE(first.get());
    for (auto& answer : answers) ASSERT_EQ(code_of(answer.get()), ErrorCode::kCancelled);
    EXPECT_EQ(session_->passes().size(), 1U) << "nothing is computed for nobody";
    EXPECT_EQ(batcher_->stats().ended(Ended::kGone), 10'000U);
    EXPECT_TRUE(ask(*batcher_, floats({1}, 1)).get());
}

TEST_F(BatcherLimits, APassThatNobodyWaitsForIsCancelled) {
    make();
    session_->hold();
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    BatchRequest request = floats({1}, 1);
    request.gone = gone;
    auto answer = ask(*batcher_, std::move(request));
    ASSERT_TRUE(eventually([&] { return session_->running == 1; }));
    batcher_->tick();
    EXPECT_FALSE(is_ready(answer));
    *gone = true;
    batcher_->tick();
    EXPECT_EQ(code_of(answer.get()), ErrorCode::kCancelled);
    EXPECT_EQ(batcher_->stats().cancelled, 1U);
    EXPECT_EQ(batcher_->stats().ended(Ended::kGone), 1U);
}

TEST_F(BatcherLimits, APassGoesOnWhileOneOfItsClientsIsThere) {
    make();
    auto first = occupy();
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    BatchRequest leaves = floats({1}, 1);
    leaves.gone = gone;
    auto a = ask(*batcher_, std::move(leaves));
    auto b = ask(*batcher_, floats({2}, 1));
    session_->let();
    ASSERT_TRUE(first.get());
    ASSERT_TRUE(eventually([&] { return session_->rows().size() == 2; }));
    *gone = true;
    batcher_->tick();
    session_->let_all();
    EXPECT_TRUE(b.get());
    EXPECT_EQ(batcher_->stats().cancelled, 0U);
}

TEST_F(BatcherLimits, WhoWaitsTooLongHearsOfItWhileTheModelIsBusy) {
    make({.queue_time_max = milliseconds(50)});
    auto first = occupy();
    auto late = ask(*batcher_, floats({1}, 1));
    clock_.advance(milliseconds(49));
    batcher_->tick();
    EXPECT_FALSE(is_ready(late));
    clock_.advance(milliseconds(1));
    batcher_->tick();
    const Answer answer = late.get();
    EXPECT_EQ(code_of(answer), ErrorCode::kDeadlineExceeded);
    EXPECT_THAT(answer.error().message, HasSubstr("waited 50 ms"));
    session_->let_all();
    EXPECT_EQ(batcher_->stats().ended(Ended::kExpired), 1U);
}

TEST_F(BatcherLimits, TheKeeperFindsTheLateByItself) {
    static const SystemClock real;  // Outlives the batcher, which the fixture holds.
    batcher_ = *Batcher::create("m", {.queue_time_max = milliseconds(5)}, {session_}, real);
    // Again where its thread was not there within those milliseconds.
    session_->hold();
    std::future<Answer> first;
    ASSERT_TRUE(eventually([&] {
        first = ask(*batcher_, floats({0}, 1));
        return eventually([&] { return session_->running == 1 || is_ready(first); }) && session_->running == 1;
    }));
    EXPECT_EQ(code_of(ask(*batcher_, floats({1}, 1)).get()), ErrorCode::kDeadlineExceeded);
    session_->let_all();
}

TEST_F(BatcherLimits, WhatCannotBeInTimeIsRefusedWhenItComes) {
    make({.rows_max = 1});
    learn_pace();
    auto first = occupy();
    std::vector<std::future<Answer>> waiting;
    for (int i = 0; i < 8; ++i) waiting.push_back(ask(*batcher_, floats({1}, 1)));
    // 100 ms of the pass that runs, eight before it, its own: a second.
    auto hopeless = ask(*batcher_, with_deadline(clock_.now() + milliseconds(500)));
    ASSERT_TRUE(is_ready(hopeless));
    EXPECT_EQ(code_of(hopeless.get()), ErrorCode::kUnavailable);
    auto patient = ask(*batcher_, with_deadline(clock_.now() + seconds(10)));
    EXPECT_FALSE(is_ready(patient));
    EXPECT_EQ(batcher_->retry_after(), milliseconds(1000));
    session_->let_all();
    EXPECT_TRUE(patient.get());
    EXPECT_EQ(batcher_->stats().ended(Ended::kTooLate), 1U);
    for (auto& answer : waiting) EXPECT_TRUE(answer.get());
}

TEST_F(BatcherLimits, TheUrgentAreJudgedByTheUrgentBeforeThem) {
    make({.rows_max = 1, .priorities = 2});
    learn_pace();
    auto first = occupy();
    std::vector<std::future<Answer>> waiting;
    for (int i = 0; i < 8; ++i) {
        BatchRequest request = floats({1}, 1);
        request.priority = 1;
        waiting.push_back(ask(*batcher_, std::move(request)));
    }
    auto urgent = ask(*batcher_, with_deadline(clock_.now() + milliseconds(500)));
    EXPECT_FALSE(is_ready(urgent));
    session_->let_all();
    EXPECT_TRUE(urgent.get());
    for (auto& answer : waiting) EXPECT_TRUE(answer.get());
}

TEST_F(BatcherLimits, AnIdleModelTakesARequestWhateverItsPaceWas) {
    make({.rows_max = 1});
    learn_pace();
    EXPECT_TRUE(ask(*batcher_, with_deadline(clock_.now() + milliseconds(10))).get()) << "it measures the pace again";
    EXPECT_EQ(code_of(ask(*batcher_, with_deadline(clock_.now())).get()), ErrorCode::kDeadlineExceeded);
}

TEST_F(BatcherLimits, TooManyRowsOrTokensForOneRequest) {
    make({.rows_max = 4, .tokens_max = 64, .queue_rows_max = 8, .pad_inputs = {{.pads = true}}});
    const auto text = [](std::uint32_t rows, std::uint32_t tokens) {
        BatchRequest request = floats(std::vector<float>(static_cast<std::size_t>(rows) * tokens, 1), rows);
        request.tokens = tokens;
        return request;
    };
    EXPECT_EQ(code_of(ask(*batcher_, text(9, 1)).get()), ErrorCode::kTooLarge);
    EXPECT_EQ(code_of(ask(*batcher_, text(1, 65)).get()), ErrorCode::kTooLarge);
    const Answer answer = ask(*batcher_, text(3, 30)).get();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->outputs[0].shape, (Shape{3, 30}));
    for (const Shape& pass : session_->passes()) EXPECT_LE(pass[0] * pass[1], 64);
    make({.rows_max = 4, .oversize = Oversize::kRefuse});
    EXPECT_EQ(code_of(ask(*batcher_, floats({1, 2, 3, 4, 5}, 5)).get()), ErrorCode::kTooLarge);
}

TEST_F(BatcherLimits, DrainingAnswersWhatWaitsAndRefusesWhatComes) {
    make({.rows_max = 2});
    auto first = occupy();
    std::vector<std::future<Answer>> waiting;
    for (int i = 0; i < 7; ++i) waiting.push_back(ask(*batcher_, floats({1}, 1)));
    std::jthread closer([&] { batcher_->close(Batcher::Close::kDrain); });
    std::vector<std::future<Answer>> more;
    ASSERT_TRUE(eventually([&] {
        more.push_back(ask(*batcher_, floats({1}, 1)));
        return batcher_->stats().ended(Ended::kClosed) > 0;
    }));
    session_->let_all();
    closer.join();
    EXPECT_TRUE(first.get());
    for (auto& answer : waiting) {
        ASSERT_TRUE(is_ready(answer)) << "close() returns when all have their answer";
        EXPECT_TRUE(answer.get());
    }
    EXPECT_EQ(code_of(ask(*batcher_, floats({1}, 1)).get()), ErrorCode::kUnavailable);
}

TEST_F(BatcherLimits, RefusingAnswersWhatWaitsWithoutComputingIt) {
    make({.rows_max = 2});
    auto first = occupy();
    std::vector<std::future<Answer>> waiting;
    for (int i = 0; i < 7; ++i) waiting.push_back(ask(*batcher_, floats({1}, 1)));
    std::jthread closer([&] { batcher_->close(Batcher::Close::kRefuse); });
    for (auto& answer : waiting) EXPECT_EQ(code_of(answer.get()), ErrorCode::kUnavailable);
    session_->let_all();
    EXPECT_TRUE(first.get()) << "the pass that runs comes to its end";
    closer.join();
    EXPECT_EQ(session_->passes().size(), 1U);
    batcher_->close(Batcher::Close::kDrain);
}

TEST_F(BatcherLimits, TheLastAnswerMayLetTheBatcherGo) {
    std::promise<void> over;
    auto is_over = over.get_future();
    {
        make({.instances = 2});
        auto shared = std::make_shared<std::unique_ptr<Batcher>>(std::move(batcher_));
        session_->hold();
        BatchRequest request = floats({1}, 1);
        request.done = [shared, &over](Answer) mutable {
            shared.reset();
            over.set_value();
        };
        Batcher& batcher = **shared;
        batcher.submit(std::move(request));
        shared.reset();
        session_->let_all();
    }
    is_over.get();
    // Its thread goes on for a moment: it holds the session so long.
    EXPECT_TRUE(eventually([&] { return session_.use_count() == 1; }));
}

}  // namespace
}  // namespace tidegate::model
