// Many who ask the same at once cost one execution; nobody is left waiting, whoever fails or leaves.
#include "recall_fixture.h"

namespace tidegate::pipeline {
namespace {

class RecallHerd : public RecallFixture {
  protected:
    static constexpr const char* kHeld = R"({"hold":1})";

    std::vector<std::shared_ptr<Fake>> herd(int count, const std::string& body = kHeld) {
        std::vector<std::shared_ptr<Fake>> all;
        for (int i = 0; i < count; ++i) all.push_back(post(body));
        EXPECT_TRUE(until_held());
        EXPECT_TRUE(driver_.until([&] { return flights_.stats().waiting == static_cast<std::uint64_t>(count - 1); }));
        return all;
    }
};

TEST_F(RecallHerd, OneIsRunAndAllGetItsAnswerAndADecision) {
    for (const std::string& body : {std::string(kHeld), "{\"hold\":\"" + std::string(30'000, 'x') + "\"}"}) {
        const int before = runs_;
        const std::size_t decisions = log_.kept.size();
        const auto all = herd(20, body);
        release();
        int coalesced = 0;
        for (const auto& one : all) {
            const http::Response& answer = wait(one);
            EXPECT_EQ(answer.status, 200);
            EXPECT_EQ(body_of(answer), body_of(all.front()->answer()));
            coalesced += field(answer, "X-Cache") == "COALESCED" ? 1 : 0;
        }
        EXPECT_EQ(coalesced, 19);
        EXPECT_EQ(runs_, before + 1);
        EXPECT_EQ(log_.kept.size(), decisions + 20);
        const Lock lock(mutex_);
        released_ = false;
        held_ = 0;
    }
}

TEST_F(RecallHerd, ALeadersFailureIsToldAndNotKept) {
    const auto all = herd(5, R"({"hold":1,"fail":1})");
    release();
    for (const auto& one : all) {
        const http::Response& answer = wait(one);
        EXPECT_EQ(answer.status, 503);
        EXPECT_NE(body_of(answer).find("the model is away"), std::string::npos);
    }
    EXPECT_EQ(runs_, 1);
    EXPECT_EQ(ask(R"({"hold":1,"fail":1})").status, 503);
    EXPECT_EQ(runs_, 2);
    EXPECT_EQ(store_.stats().entries, 0U);
}

TEST_F(RecallHerd, WhatCannotBeSharedIsAskedByEachForItself) {
    const auto all = herd(4, R"({"hold":1,"status":1})");
    release();
    for (const auto& one : all) EXPECT_EQ(wait(one).status, 207);
    EXPECT_EQ(runs_, 4);
}

TEST_F(RecallHerd, ALeaderThatDropsItsRequestLeavesNobodyWaiting) {
    const auto all = herd(3, R"({"hold":1,"drop":1})");
    release();
    for (const auto& one : all) EXPECT_EQ(wait(one).status, 500);
}

TEST_F(RecallHerd, AnAnswerThatCouldNotBeRecordedIsGivenToNobody) {
    const auto all = herd(3);
    log_.failing = true;
    release();
    for (const auto& one : all) EXPECT_EQ(wait(one).status, 503);
    EXPECT_EQ(store_.stats().entries, 0U);
}

TEST_F(RecallHerd, ALeaderWhoseClientHasLeftStillAnswersTheOthers) {
    const auto all = herd(3);
    all.front()->hang_up();
    release();
    EXPECT_EQ(wait(all[1]).status, 200);
    EXPECT_EQ(wait(all[2]).status, 200);
    EXPECT_EQ(runs_, 1);
}

TEST_F(RecallHerd, ALeaderThatLeftInTheQueueIsRunForThoseWhoWait) {
    std::vector<std::shared_ptr<Fake>> busy;
    for (int i = 0; i < 4; ++i) busy.push_back(post(R"({"hold":)" + std::to_string(i + 10) + "}"));
    ASSERT_TRUE(until_held(4));  // Every thread of the pool.
    const auto leader = post(R"({"n":1})");
    const auto waiter = post(R"({"n":1})");
    leader->hang_up();
    release();
    EXPECT_EQ(wait(waiter).status, 200);
    EXPECT_EQ(field(waiter->answer(), "X-Cache"), "COALESCED");
    EXPECT_EQ(runs_, 5);
    for (const auto& one : busy) wait(one);
}

TEST_F(RecallHerd, AWaiterThatLeavesIsLetGoOf) {
    auto all = herd(3);
    const std::weak_ptr<Fake> left = all[1];
    all[1]->hang_up();
    EXPECT_EQ(flights_.stats().waiting, 1U);
    all.erase(all.begin() + 1);
    EXPECT_TRUE(left.expired());
    release();
    for (const auto& one : all) EXPECT_EQ(wait(one).status, 200);
}

TEST_F(RecallHerd, WhoWaitsTooLongHearsIt) {
    const auto all = herd(2);
    EXPECT_EQ(flights_.expire(driver_.clock().now() + std::chrono::seconds(31)), 1U);
    EXPECT_EQ(wait(all[1]).status, 504);
    release();
    EXPECT_EQ(wait(all[0]).status, 200);
}

TEST_F(RecallHerd, WhatWasInvalidatedMeanwhileIsNotKeptAndNotShared) {
    const auto all = herd(3);
    store_.invalidate_tag(cache::tag_hash("model:m"));
    release();
    for (const auto& one : all) EXPECT_EQ(wait(one).status, 200);
    EXPECT_EQ(field(all[0]->answer(), "X-Cache"), "MISS");
    EXPECT_EQ(runs_, 3) << "who waits may have asked after the invalidation";
}

TEST_F(RecallHerd, AFullPoolIsToldToAllAndForgotten) {
    std::vector<std::shared_ptr<Fake>> busy;
    for (int i = 0; i < 4; ++i) busy.push_back(post(R"({"hold":)" + std::to_string(i + 10) + "}"));
    ASSERT_TRUE(until_held(4));
    while (cpu_.submit([] {})) {
    }
    EXPECT_EQ(ask(R"({"n":1})").status, 503);
    EXPECT_EQ(flights_.stats().under_way, 4U);
    release();
    for (const auto& one : busy) EXPECT_EQ(wait(one).status, 200);
    EXPECT_EQ(ask(R"({"n":1})").status, 200);
}

}  // namespace
}  // namespace tidegate::pipeline
