#include "pipeline/upstream/micro_batcher.h"

#include <deque>
#include <map>

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct MicroBatcherTest : testing::Test {
    BatchOptions options{
        .items_max = 4, .bytes_max = 100, .wait_max = milliseconds(5), .calls_max = 2, .waiting_max = 20};
    SteadyTime now = start_time();
    std::shared_ptr<runtime::Mailbox> mailbox = make_mailbox();
    struct Call {
        Batch batch;
        BatchDone done;
    };
    std::deque<Call> calls;
    std::map<std::string, std::string> answers;  // By item: its answer, or `error: ...`.
    std::map<std::string, MicroBatcher::ItemId> ids;
    std::unique_ptr<MicroBatcher> batcher;

    void TearDown() override {
        while (!calls.empty()) calls.pop_front();
        mailbox->drain();
    }
    void make() {
        batcher = std::make_unique<MicroBatcher>(
            options, [this](Batch batch, BatchDone done) { calls.push_back({std::move(batch), std::move(done)}); });
    }
    Result<MicroBatcher::ItemId> submit(const std::string& json, const std::string& group = "",
                                        SteadyTime deadline = SteadyTime::max()) {
        auto id = batcher->submit({group, json, deadline, mailbox,
                                   [this, json](const ItemAnswer& answer, const Attachment&) {
                                       EXPECT_FALSE(answers.contains(json)) << "told twice";
                                       answers[json] = answer ? *answer : "error: " + answer.error().message;
                                   }},
                                  now);
        if (id) ids[json] = *id;
        return id;
    }
    void put(const std::string& json, const std::string& group = "", SteadyTime deadline = SteadyTime::max()) {
        EXPECT_TRUE(submit(json, group, deadline));
    }
    /// The first call under way comes back with each item in angle brackets.
    void answer_first() {
        Call call = std::move(calls.front());
        calls.pop_front();
        std::vector<ItemAnswer> results;
        for (const std::string& item : call.batch.items) results.emplace_back("<" + item + ">");
        call.done(std::move(results), now);
        mailbox->drain();
    }
    using Items = std::vector<std::string>;
};

TEST_F(MicroBatcherTest, NobodyWaitsWhileNothingIsUnderWay) {
    make();
    ASSERT_TRUE(submit("1"));
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(calls[0].batch.items, Items{"1"});
    EXPECT_EQ(calls[0].batch.cut, Cut::kIdle);
    EXPECT_TRUE(answers.empty());
    answer_first();
    EXPECT_EQ(answers["1"], "<1>");
}

TEST_F(MicroBatcherTest, WhatComesMeanwhileGoesTogetherWhenTheCallIsBack) {
    make();
    for (const char* item : {"1", "2", "3"}) put(item);
    ASSERT_EQ(calls.size(), 1U);
    answer_first();
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(calls[0].batch.items, (Items{"2", "3"}));
    EXPECT_EQ(calls[0].batch.cut, Cut::kIdle);
    answer_first();
    EXPECT_EQ(answers, (std::map<std::string, std::string>{{"1", "<1>"}, {"2", "<2>"}, {"3", "<3>"}}));
}

TEST_F(MicroBatcherTest, AFullBatchAndOneThatWaitedGoAtOnceWhileThereIsRoom) {
    make();
    put("1");
    for (const char* item : {"2", "3", "4", "5"}) put(item);
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[1].batch.items, (Items{"2", "3", "4", "5"}));
    EXPECT_EQ(calls[1].batch.cut, Cut::kFull);
    put("6");
    now += milliseconds(50);
    EXPECT_EQ(batcher->tick(now), SteadyTime::max()) << "no room: a call has to come back first";
    EXPECT_EQ(calls.size(), 2U);
    answer_first();
    EXPECT_EQ(calls.back().batch.items, Items{"6"});
    EXPECT_EQ(calls.back().batch.cut, Cut::kTime);
    while (!calls.empty()) answer_first();
    put("7");
    put("8");
    EXPECT_EQ(batcher->next_due(), now + milliseconds(5));
    now += milliseconds(5);
    batcher->tick(now);
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[1].batch.cut, Cut::kTime);
    const auto shot = batcher->snapshot();
    EXPECT_EQ(shot.items, 8U);
    EXPECT_EQ(shot.batches, 5U);
    EXPECT_EQ(shot.cuts, (std::array<std::uint64_t, kCuts>{1, 2, 2, 0}));
    EXPECT_EQ(shot.sizes[0], 4U);
    EXPECT_EQ(shot.sizes[2], 1U) << "the one of four";
    EXPECT_EQ(shot.wait_ns, 55'000'000U);
}

TEST_F(MicroBatcherTest, ABatchIsFullByBytesToo) {
    make();
    put("0");
    const std::string big(60, '1');
    put(big);
    put(std::string(60, '2'));
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[1].batch.items, Items{big}) << "the second would not fit";
    const auto refused = submit(std::string(101, '3'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

TEST_F(MicroBatcherTest, GroupsDoNotMix) {
    make();
    put("0");
    put("a1", "a");
    put("b1", "b");
    put("a2", "a");
    answer_first();
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(calls[0].batch.group, "a");
    EXPECT_EQ(calls[0].batch.items, (Items{"a1", "a2"}));
    answer_first();
    EXPECT_EQ(calls[0].batch.group, "b");
}

TEST_F(MicroBatcherTest, AnotherNumberOfResultsIsAnErrorForAll) {
    make();
    put("0");
    put("1");
    put("2");
    answer_first();
    Call call = std::move(calls.front());
    calls.pop_front();
    call.done(std::vector<ItemAnswer>(3, ItemAnswer("x")), now);
    mailbox->drain();
    EXPECT_TRUE(answers["1"].starts_with("error: "));
    EXPECT_TRUE(answers["2"].starts_with("error: "));
    EXPECT_EQ(batcher->snapshot().mismatches, 1U);
    EXPECT_EQ(batcher->snapshot().items_failed, 2U);
}

TEST_F(MicroBatcherTest, AnItemsErrorIsItsOwnAndACallsErrorIsEverybodys) {
    make();
    for (const char* item : {"0", "1", "2"}) put(item);
    answer_first();
    Call call = std::move(calls.front());
    calls.pop_front();
    std::vector<ItemAnswer> results;
    results.emplace_back("good");
    results.emplace_back(fail(ErrorCode::kFailedValidation, "bad"));
    call.done(std::move(results), now);
    mailbox->drain();
    EXPECT_EQ(answers["1"], "good");
    EXPECT_EQ(answers["2"], "error: bad");
    put("3");
    calls.front().done(fail(ErrorCode::kUnavailable, "down"), now);
    calls.pop_front();
    mailbox->drain();
    EXPECT_EQ(answers["3"], "error: down");
}

TEST_F(MicroBatcherTest, ADroppedCallFailsItsItems) {
    make();
    put("1");
    calls.clear();
    mailbox->drain();
    EXPECT_EQ(answers["1"], "error: the call was dropped");
    EXPECT_EQ(batcher->snapshot().under_way, 0U);
}

TEST_F(MicroBatcherTest, ACancelledItemIsNotSentNorTold) {
    make();
    for (const char* item : {"0", "1", "2", "3"}) put(item);
    EXPECT_TRUE(batcher->cancel(ids["2"]));
    EXPECT_TRUE(batcher->cancel(ids["0"])) << "under way: only not told";
    EXPECT_FALSE(batcher->cancel(ids["2"]));
    answer_first();
    EXPECT_EQ(calls[0].batch.items, (Items{"1", "3"}));
    answer_first();
    EXPECT_EQ(answers.size(), 2U);
    EXPECT_EQ(batcher->snapshot().cancelled, 2U);
    put("4");
    put("5");
    EXPECT_TRUE(batcher->cancel(ids["5"]));
    EXPECT_EQ(batcher->snapshot().waiting, 0U);
    answer_first();
    EXPECT_TRUE(calls.empty()) << "an empty batch is not sent";
}

TEST_F(MicroBatcherTest, AnItemIsToldWhenItsDeadlinePasses) {
    make();
    put("0", "", now + milliseconds(3));
    put("1", "", now + milliseconds(2));
    put("2", "", now + milliseconds(90));
    EXPECT_EQ(batcher->next_due(), now + milliseconds(2));
    now += milliseconds(3);
    batcher->tick(now);
    mailbox->drain();
    EXPECT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers["0"], "error: no answer before the deadline") << "though its call is still under way";
    answer_first();
    EXPECT_EQ(calls[0].batch.items, Items{"2"});
    EXPECT_EQ(calls[0].batch.deadline, now + milliseconds(87));
    EXPECT_EQ(batcher->snapshot().expired, 2U);
    EXPECT_EQ(submit("3", "", now).error().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(MicroBatcherTest, TooManyWaitersAreRefused) {
    make();
    put("a");
    put("b");
    now += milliseconds(5);
    batcher->tick(now);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(submit(std::to_string(i)));
    const auto refused = submit("x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(batcher->snapshot().refused, 1U);
    while (!calls.empty()) answer_first();
    EXPECT_EQ(answers.size(), 22U);
}

TEST_F(MicroBatcherTest, AnIsolatedBatchGoesOutItemByItemBeforeWhoeverWaits) {
    make();
    for (const char* item : {"0", "1", "2", "3"}) put(item);
    answer_first();
    ASSERT_EQ(calls[0].batch.items, (Items{"1", "2", "3"}));
    put("later");
    EXPECT_TRUE(batcher->cancel(ids["2"])) << "it has left while its call was under way";
    Call refused = std::move(calls.front());
    calls.pop_front();
    refused.done.isolate(std::move(refused.batch.items), now);
    ASSERT_EQ(calls.size(), 2U) << "calls_max holds for single ones too";
    EXPECT_EQ(calls[0].batch.items, Items{"1"});
    EXPECT_EQ(calls[1].batch.items, Items{"3"});
    EXPECT_TRUE(calls[0].batch.alone);
    EXPECT_EQ(calls[0].batch.cut, Cut::kAlone);
    answer_first();
    answer_first();
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_EQ(calls[0].batch.items, Items{"later"});
    EXPECT_FALSE(calls[0].batch.alone);
    answer_first();
    EXPECT_EQ(answers["1"], "<1>");
    EXPECT_EQ(answers["3"], "<3>");
    EXPECT_FALSE(answers.contains("2"));
    EXPECT_EQ(batcher->snapshot().isolated, 2U);
    EXPECT_EQ(batcher->snapshot().waiting, 0U);
}

TEST_F(MicroBatcherTest, RowsCountNotRequests) {
    make();
    const auto put_rows = [this](const std::string& json, std::uint32_t count) {
        EXPECT_TRUE(batcher->submit(
            {.json = json, .mailbox = mailbox, .told = [](const ItemAnswer&, const Attachment&) {}, .count = count},
            now));
    };
    put_rows("0", 1);
    put_rows("a", 3);
    put_rows("b", 2);
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[1].batch.items, Items{"a"}) << "five rows are more than four";
    EXPECT_EQ(calls[1].batch.counts, std::vector<std::uint32_t>{3});
    while (!calls.empty()) answer_first();
    put_rows("0", 1);
    put_rows("big", 9);
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[1].batch.items, Items{"big"}) << "more than a batch by itself: alone";
}

TEST_F(MicroBatcherTest, ClosedItSendsNothingMore) {
    make();
    for (const char* item : {"0", "1", "2"}) put(item);
    batcher->close();
    mailbox->drain();
    EXPECT_EQ(answers["1"], "error: shutting down");
    EXPECT_FALSE(submit("3"));
    answer_first();
    EXPECT_EQ(answers["0"], "<0>");
    EXPECT_TRUE(calls.empty());
    EXPECT_EQ(batcher->snapshot().waiting, 0U);
}

// Any order of submitting, answering, cancelling and time: each hears once, its own answer, and limits hold.
TEST_F(MicroBatcherTest, EverybodyHearsItsOwnAnswerOnce) {
    make();
    SeededRandom dice(17);
    std::size_t accepted = 0;
    std::size_t cancelled = 0;
    MicroBatcher::ItemId newest = 0;
    for (int step = 0; step < 30000; ++step) {
        const std::uint64_t luck = dice.next_u64();
        now += Duration(static_cast<Duration::rep>(luck % 2'000'000));
        if (luck % 8 < 5) {
            const auto deadline = luck % 11 == 0 ? now + milliseconds(1 + luck % 10) : SteadyTime::max();
            const auto id = submit(std::to_string(step), std::to_string(luck % 3), deadline);
            if (id) ++accepted;
            if (id) newest = *id;
        } else if (luck % 8 == 5) {
            batcher->tick(now);
        } else if (luck % 8 == 6 && newest != 0 && luck % 5 == 0) {
            cancelled += batcher->cancel(newest) ? 1 : 0;
        } else if (!calls.empty()) {
            answer_first();
        }
        ASSERT_LE(calls.size(), options.calls_max);
        ASSERT_LE(batcher->snapshot().waiting, options.waiting_max);
        for (const Call& call : calls) ASSERT_LE(call.batch.items.size(), options.items_max);
    }
    while (!calls.empty()) answer_first();
    mailbox->drain();
    EXPECT_EQ(answers.size() + cancelled, accepted);
    EXPECT_GT(cancelled, 10U);
    for (const auto& [item, answer] : answers) {
        if (answer.starts_with("error")) continue;
        ASSERT_EQ(answer, "<" + item + ">");
    }
}

}  // namespace
}  // namespace tidegate::upstream
