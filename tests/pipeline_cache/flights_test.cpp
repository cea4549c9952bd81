#include "pipeline/cache/flights.h"

#include <gtest/gtest.h>

#include <thread>

#include "draft.h"

namespace tidegate::cache {
namespace {

using Role = Flights::Joined::Role;
using Outcome = Landing::Outcome;
using std::chrono::seconds;

// One loop's side: what it joined and what it heard.
class Loop {
  public:
    explicit Loop(Flights& flights) : flights_(flights), mailbox_(*runtime::Mailbox::create()) { mailbox_->adopt(); }

    Flights::Joined join(const Key& key, SteadyTime now = {}, Duration wait = seconds(10)) {
        return flights_.join(key, now, now + wait, mailbox_,
                             [this](const Landing& landing) { heard.push_back(landing); });
    }
    /// What came in by mailbox is heard.
    std::vector<Landing>& listen() {
        mailbox_->drain();
        return heard;
    }
    std::vector<Landing> heard;

  private:
    Flights& flights_;
    std::shared_ptr<runtime::Mailbox> mailbox_;
};

class FlightsTest : public testing::Test {
  protected:
    Flights flights{FlightOptions{.waiters_max = 100}};
    Loop loop{flights}, other{flights};
    const Key key = key_of("/a");
    EntryPtr entry = Entry::make(key, draft_of("answer"));
};

TEST_F(FlightsTest, OneLeadsAndTheOthersHearWhatItKept) {
    auto leader = loop.join(key);
    ASSERT_EQ(leader.role, Role::kLeader);
    EXPECT_FALSE(leader.leader.others_wait());
    std::vector<Flights::Joined> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back((i % 2 == 0 ? loop : other).join(key));
    for (const auto& joined : waiting) EXPECT_EQ(joined.role, Role::kWaiter);
    EXPECT_TRUE(leader.leader.others_wait());
    leader.leader.kept(entry);
    EXPECT_TRUE(loop.heard.empty()) << "never from inside the call";
    ASSERT_EQ(loop.listen().size(), 10U);
    ASSERT_EQ(other.listen().size(), 10U);
    for (const Landing& landing : loop.heard) {
        EXPECT_EQ(landing.outcome, Outcome::kKept);
        EXPECT_EQ(landing.entry.get(), entry.get());
    }
    EXPECT_EQ(loop.join(key).role, Role::kLeader) << "the flight has ended";
    EXPECT_EQ(flights.stats().waiters, 20U);
}

TEST_F(FlightsTest, TwoKeysAreTwoFlightsEvenWithOneHash) {
    const KeyHash same{.low = 1, .high = 1};
    const Key first("GET a/1", same);
    const Key second("GET a/2", same);
    auto leader = loop.join(first);
    EXPECT_EQ(leader.role, Role::kLeader);
    EXPECT_EQ(loop.join(second).role, Role::kAlone);
    EXPECT_EQ(loop.join(first).role, Role::kWaiter);
}

TEST_F(FlightsTest, UncacheableFreesAllAtOnceAndNobodyQueuesForAWhile) {
    auto leader = loop.join(key);
    const auto waiting = loop.join(key);
    leader.leader.uncacheable(true, SteadyTime{});
    ASSERT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(loop.heard[0].outcome, Outcome::kUncacheable);
    const auto next = loop.join(key, SteadyTime{} + seconds(119));
    EXPECT_EQ(next.role, Role::kAlone);
    EXPECT_TRUE(next.marked);
    EXPECT_EQ(loop.join(key, SteadyTime{} + seconds(121)).role, Role::kLeader);
    EXPECT_EQ(flights.stats().alone_marked, 1U);
}

TEST_F(FlightsTest, WhatIsKeptLiftsTheMark) {
    loop.join(key).leader.uncacheable(true, SteadyTime{});
    EXPECT_TRUE(flights.marked(key, SteadyTime{}));
    EXPECT_FALSE(flights.marked(key_of("/b"), SteadyTime{}));
    auto refresh = flights.lead(key, SteadyTime{});
    refresh.kept(entry);
    EXPECT_FALSE(flights.marked(key, SteadyTime{}));
}

TEST_F(FlightsTest, MarksAreBoundedAndTheOldestGiveWay) {
    for (int i = 0; i < 50'000; ++i) {
        loop.join(key_of(i)).leader.uncacheable(true, SteadyTime{} + std::chrono::milliseconds(i));
    }
    int marked = 0;
    int newest = 0;
    for (int i = 0; i < 50'000; ++i) {
        const bool is = flights.marked(key_of(i), SteadyTime{} + seconds(51));
        marked += is ? 1 : 0;
        newest += is && i >= 49'000 ? 1 : 0;
    }
    EXPECT_LE(marked, 8192);
    EXPECT_GT(newest, 950);
}

TEST_F(FlightsTest, AFailureIsToldToThoseWhoWaitAndKeptNowhere) {
    auto leader = loop.join(key);
    const auto waiting = loop.join(key);
    leader.leader.failed({.status = 504, .error = "upstream_timeout"});
    ASSERT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(loop.heard[0].outcome, Outcome::kFailed);
    EXPECT_EQ(loop.heard[0].failure->status, 504);
    EXPECT_EQ(loop.join(key).role, Role::kLeader);
    EXPECT_FALSE(flights.marked(key, SteadyTime{}));
}

TEST_F(FlightsTest, ALeaderThatGoesAwayWithoutAWordHasFailed) {
    auto leader = std::make_unique<Flights::Joined>(loop.join(key));
    const auto waiting = loop.join(key);
    leader.reset();
    ASSERT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(loop.heard[0].outcome, Outcome::kFailed);
    EXPECT_EQ(loop.heard[0].failure->error, "abandoned");
    EXPECT_EQ(flights.stats().failed, 1U);
}

TEST_F(FlightsTest, WhoLeavesHearsNothing) {
    auto leader = loop.join(key);
    auto waiting = loop.join(key);
    {
        const auto gone = loop.join(key);
    }
    EXPECT_EQ(flights.stats().waiting, 1U);
    leader.leader.kept(entry);
    waiting.waiter = {};
    EXPECT_TRUE(loop.listen().empty()) << "it left after the landing was posted and before it was heard";
}

TEST_F(FlightsTest, TheDeadlineOfAWaiterHolds) {
    auto leader = loop.join(key);
    const auto hasty = loop.join(key, SteadyTime{}, seconds(1));
    const auto patient = other.join(key, SteadyTime{}, seconds(9));
    EXPECT_EQ(flights.expire(SteadyTime{} + std::chrono::milliseconds(999)), 0U);
    EXPECT_EQ(flights.expire(SteadyTime{} + seconds(1)), 1U);
    ASSERT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(loop.heard[0].outcome, Outcome::kOverdue);
    leader.leader.kept(entry);
    EXPECT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(other.listen().size(), 1U);
}

TEST_F(FlightsTest, OverTheCapWhoComesGoesAlone) {
    auto leader = loop.join(key);
    std::vector<Flights::Joined> waiting;
    for (int i = 0; i < 100; ++i) waiting.push_back(loop.join(key));
    const auto next = loop.join(key);
    EXPECT_EQ(next.role, Role::kAlone);
    EXPECT_FALSE(next.marked);
    EXPECT_EQ(flights.stats().alone_full, 1U);
}

TEST_F(FlightsTest, BehindALeaderThatTakesTooLongANewOneLeads) {
    auto old = loop.join(key);
    const auto waiting = loop.join(key, SteadyTime{} + seconds(29), seconds(100));
    auto young = loop.join(key, SteadyTime{} + seconds(31));
    ASSERT_EQ(young.role, Role::kLeader);
    young.leader.kept(entry);
    EXPECT_TRUE(loop.listen().empty());
    EXPECT_EQ(flights.expire(SteadyTime{} + seconds(129)), 1U) << "also behind the old one deadlines hold";
    EXPECT_EQ(loop.listen().size(), 1U);
    old.leader.kept(entry);
    EXPECT_EQ(loop.listen().size(), 1U);
    EXPECT_EQ(loop.join(key).role, Role::kLeader) << "the old one's landing leaves nothing behind";
}

TEST_F(FlightsTest, WhenTheAnswerVariesOneLeadsAVariant) {
    auto leader = loop.join(key);
    std::vector<Flights::Joined> waiting;
    for (int i = 0; i < 6; ++i) waiting.push_back(loop.join(key));
    leader.leader.varies("accept-language", "de");
    ASSERT_EQ(loop.listen().size(), 6U);
    std::vector<Flights::Joined> again;
    for (const char* const language : {"de", "fr", "fr", "it", "de", "fr"}) {
        EXPECT_EQ(loop.heard[0].outcome, Outcome::kVaries);
        again.push_back(loop.join(variant_key(key, loop.heard[0].vary, language)));
    }
    const std::vector<Role> roles{Role::kWaiter, Role::kLeader, Role::kWaiter,
                                  Role::kLeader, Role::kWaiter, Role::kWaiter};
    for (std::size_t i = 0; i < roles.size(); ++i) EXPECT_EQ(again[i].role, roles[i]) << i;
    loop.heard.clear();
    leader.leader.kept(entry);
    EXPECT_EQ(loop.listen().size(), 2U) << "the two others that want de";
    again[1].leader.kept(entry);
    EXPECT_EQ(loop.listen().size(), 4U);
}

TEST_F(FlightsTest, ARefreshLeadsOnlyWhereNobodyDoes) {
    auto refresh = flights.lead(key, SteadyTime{});
    EXPECT_TRUE(refresh);
    EXPECT_FALSE(flights.lead(key, SteadyTime{}));
    EXPECT_EQ(loop.join(key).role, Role::kWaiter);
}

TEST_F(FlightsTest, AWakeForALoopThatHasEndedIsDropped) {
    auto leader = loop.join(key);
    auto mailbox = *runtime::Mailbox::create();
    bool heard = false;
    auto waiting = flights.join(key, {}, SteadyTime::max(), mailbox, [&](const Landing&) { heard = true; });
    mailbox->close();
    leader.leader.kept(entry);
    mailbox->drain();
    EXPECT_FALSE(heard);
}

// One thread's questions: each is led, waited for, or asked alone, and each is answered once.
class Asker {
  public:
    Asker(Flights& flights, int seed) : flights_(flights), seed_(seed) {}

    void run(int questions) {
        mailbox_->adopt();
        for (int i = 0; i < questions; ++i) {
            ask(key_of((i + seed_) / 50 % 20));
            if (leaders_.size() >= 5) land();
            mailbox_->drain();
        }
        land();
    }
    /// After both have run.
    void finish() { mailbox_->drain(); }
    int answered() const { return answered_; }
    int executed() const { return executed_; }

  private:
    void ask(const Key& key) {
        auto joined = flights_.join(key, {}, SteadyTime::max(), mailbox_, [this](const Landing&) { ++answered_; });
        if (joined.role == Role::kWaiter) {
            waiters_.push_back(std::move(joined.waiter));
            return;
        }
        ++answered_;
        ++executed_;
        if (joined.role == Role::kLeader) leaders_.push_back(std::move(joined.leader));
    }
    void land() {
        for (std::size_t i = 0; i < leaders_.size(); ++i) {
            if (i % 3 == 0) leaders_[i].kept(Entry::make(key_of(1), draft_of("x")));
            if (i % 3 == 1) leaders_[i].uncacheable(false, {});
        }
        leaders_.clear();  // The rest fails.
    }

    Flights& flights_;
    const int seed_;
    std::shared_ptr<runtime::Mailbox> mailbox_ = *runtime::Mailbox::create();
    std::vector<Flights::Leader> leaders_;
    std::vector<Flights::Waiter> waiters_;
    int answered_ = 0, executed_ = 0;
};

TEST(FlightsThreads, EveryQuestionIsAnsweredOnceAndFewAreExecuted) {
    constexpr int kQuestions = 10'000;
    Flights flights(FlightOptions{});
    Asker first(flights, 0);
    Asker second(flights, 7);
    std::thread one([&] { first.run(kQuestions); });
    std::thread two([&] { second.run(kQuestions); });
    one.join();
    two.join();
    first.finish();
    second.finish();
    EXPECT_EQ(first.answered(), kQuestions);
    EXPECT_EQ(second.answered(), kQuestions);
    EXPECT_LT(first.executed() + second.executed(), kQuestions / 4);
    EXPECT_EQ(flights.stats().under_way, 0U);
    EXPECT_EQ(flights.stats().waiting, 0U);
}

}  // namespace
}  // namespace tidegate::cache
