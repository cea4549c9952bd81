#include "pipeline/upstream/admission.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct AdmissionTest : testing::Test {
    AdmissionOptions options{.concurrency_max = 2, .waiting_max = 4};
    SteadyTime now = start_time();
    std::shared_ptr<runtime::Mailbox> mailbox = make_mailbox();
    std::unique_ptr<Admission> admission;
    std::deque<Permit> permits;
    std::map<int, std::string> told;  // By the asker's number: `permit` or why it was shed.
    std::vector<int> order;
    std::map<int, Admission::WaiterId> ids;

    void TearDown() override {
        do {
            permits.clear();
        } while (mailbox->drain() > 0);
    }
    Admission& make() {
        admission = std::make_unique<Admission>(options);
        return *admission;
    }
    void note(int asker, Admitted answer) {
        order.push_back(asker);
        if (auto* permit = std::get_if<Permit>(&answer)) {
            told[asker] = "permit";
            permits.push_back(std::move(*permit));
        } else {
            told[asker] = to_string(std::get<Shed>(answer).why);
        }
    }
    /// `permit`, `waits`, or why it was shed.
    std::string ask(int asker, Priority priority = Priority::kInteractive, SteadyTime deadline = SteadyTime::max(),
                    Shed* shed = nullptr) {
        auto answer = admission->ask(
            {priority, deadline, mailbox, [this, asker](Admitted a, SteadyTime) { note(asker, std::move(a)); }}, now);
        if (auto* permit = std::get_if<Permit>(&answer)) {
            permits.push_back(std::move(*permit));
            return "permit";
        }
        if (auto* refused = std::get_if<Shed>(&answer)) {
            if (shed != nullptr) *shed = *refused;
            return std::string(to_string(refused->why));
        }
        ids[asker] = std::get<Admission::WaiterId>(answer);
        return "waits";
    }
    void end_one(Duration first_byte = milliseconds(5), bool overloaded = false) {
        permits.front().end(first_byte, overloaded, now);
        permits.pop_front();
        mailbox->drain();
    }
    /// Teaches it that a permit is held for so long.
    void learn(Duration held) {
        for (int i = 0; i < 200; ++i) {
            ASSERT_EQ(ask(-1), "permit");
            now += held;
            end_one(held);
        }
    }
};

TEST_F(AdmissionTest, NeverMoreThanTheLimitThenAQueueThenARefusal) {
    make();
    EXPECT_EQ(ask(1), "permit");
    EXPECT_EQ(ask(2), "permit");
    for (int i = 3; i < 7; ++i) EXPECT_EQ(ask(i), "waits");
    Shed shed;
    EXPECT_EQ(ask(7, Priority::kInteractive, SteadyTime::max(), &shed), "full");
    EXPECT_GE(shed.retry_after, seconds(1));
    EXPECT_TRUE(told.empty()) << "nobody is told from within";
    while (!permits.empty()) {
        EXPECT_LE(admission->snapshot(now).in_flight, 2U);
        end_one();
    }
    EXPECT_EQ(order, (std::vector<int>{3, 4, 5, 6}));
    for (int i = 3; i < 7; ++i) EXPECT_EQ(told[i], "permit");
    const auto shot = admission->snapshot(now);
    EXPECT_EQ(shot.admitted, 6U);
    EXPECT_EQ(shot.queued, 4U);
    EXPECT_EQ(shot.shed[static_cast<std::size_t>(Shed::Why::kFull)], 1U);
}

TEST_F(AdmissionTest, InteractiveGoesFirstAndBatchGetsEveryEighthPlace) {
    options.concurrency_max = 1;
    options.waiting_max = 100;
    make();
    ask(0);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(100 + i, Priority::kBatch), "waits");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(i + 1), "waits");
    while (!permits.empty()) end_one();
    ASSERT_EQ(order.size(), 40U);
    const auto batch_among = [&](std::size_t from, std::size_t to) {
        return std::count_if(order.begin() + static_cast<std::ptrdiff_t>(from),
                             order.begin() + static_cast<std::ptrdiff_t>(to), [](int asker) { return asker >= 100; });
    };
    EXPECT_EQ(batch_among(0, 7), 0);
    EXPECT_EQ(batch_among(0, 8), 1);
    EXPECT_EQ(batch_among(0, 16), 2);
}

TEST_F(AdmissionTest, AFullQueueOfBatchMakesRoomForInteractive) {
    options.concurrency_max = 1;
    make();
    ask(0);
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(ask(i, Priority::kBatch), "waits");
    EXPECT_EQ(ask(5, Priority::kBatch), "full");
    EXPECT_EQ(ask(6), "waits");
    mailbox->drain();
    EXPECT_EQ(told[4], "made_room") << "the newest of them";
    EXPECT_EQ(told.size(), 1U);
}

TEST_F(AdmissionTest, WhoCannotBeServedInTimeIsToldAtOnceWithATrueRetryAfter) {
    options.concurrency_max = 2;
    options.waiting_max = 100;
    options.wait_max = seconds(60);
    options.wait_interval = seconds(600);
    make();
    learn(seconds(2));
    EXPECT_NEAR(admission->snapshot(now).held_ms, 2000, 1);
    ask(1);
    ask(2);
    // Two places, 2 s each: one comes free each second on average.
    EXPECT_EQ(ask(3, Priority::kInteractive, now + milliseconds(900)), "deadline");
    EXPECT_EQ(ask(4, Priority::kInteractive, now + milliseconds(1100)), "waits");
    EXPECT_EQ(ask(5, Priority::kInteractive, now + milliseconds(1900)), "deadline");
    for (int i = 0; i < 10; ++i) ask(10 + i);
    Shed shed;
    EXPECT_EQ(ask(6, Priority::kInteractive, now + seconds(5), &shed), "deadline");
    EXPECT_NEAR(std::chrono::duration<double>(shed.retry_after).count(), 12, 0.1);
    EXPECT_EQ(ask(7, Priority::kInteractive, now - seconds(1)), "deadline") << "past";
}

TEST_F(AdmissionTest, AnIdleServerAdmitsWhateverItHasMeasured) {
    make();
    learn(seconds(30));
    EXPECT_EQ(ask(1, Priority::kInteractive, now + milliseconds(1)), "permit") << "or it would never learn better";
}

TEST_F(AdmissionTest, WaitersAreToldWhenTheirTimeIsOver) {
    options.concurrency_max = 1;
    make();
    ask(0);
    EXPECT_EQ(ask(1, Priority::kInteractive, now + milliseconds(50)), "waits");
    EXPECT_EQ(ask(2), "waits");
    EXPECT_EQ(admission->tick(now), now + milliseconds(50));
    now += milliseconds(50);
    EXPECT_EQ(admission->tick(now), now + milliseconds(1950)) << "wait_max of the other";
    mailbox->drain();
    EXPECT_EQ(told[1], "expired");
    now += seconds(2);
    EXPECT_EQ(admission->tick(now), SteadyTime::max());
    mailbox->drain();
    EXPECT_EQ(told[2], "expired");
}

TEST_F(AdmissionTest, ACancelledWaiterIsNotTold) {
    options.concurrency_max = 1;
    make();
    ask(0);
    ask(1);
    ask(2);
    EXPECT_TRUE(admission->cancel(ids[1]));
    EXPECT_FALSE(admission->cancel(ids[1]));
    end_one();
    EXPECT_EQ(order, std::vector<int>{2});
    EXPECT_FALSE(admission->cancel(ids[2])) << "told already";
}

TEST_F(AdmissionTest, AStandingQueueIsShedOldestFirstAndABurstIsNot) {
    options = {.concurrency_max = 1, .waiting_max = 1000, .wait_max = seconds(60)};
    make();
    // A burst that is worked off within an interval: nobody is shed.
    ask(0);
    for (int i = 1; i <= 8; ++i) ask(i);
    while (!permits.empty()) {
        now += milliseconds(100);
        end_one();
    }
    EXPECT_EQ(admission->snapshot(now).shed[static_cast<std::size_t>(Shed::Why::kStanding)], 0U);
    // Twice as much comes as goes: the queue stands, and is shed until the wait is near the target.
    now += seconds(10);
    ask(1000);
    int asker = 1001;
    for (int step = 0; step < 600; ++step) {
        for (int i = 0; i < 2; ++i) ask(asker++);
        now += milliseconds(50);
        end_one(milliseconds(50));
    }
    const auto shot = admission->snapshot(now);
    EXPECT_GT(shot.shed[static_cast<std::size_t>(Shed::Why::kStanding)], 100U);
    EXPECT_TRUE(shot.standing);
    mailbox->drain();
}

TEST_F(AdmissionTest, NewestFirstServesTheNewestWhileTheQueueStands) {
    options = {.concurrency_max = 1, .waiting_max = 1000, .wait_max = seconds(60), .newest_first = true};
    make();
    ask(0);
    int asker = 1;
    for (int step = 0; step < 100; ++step) {
        ask(asker++);
        ask(asker++);
        now += milliseconds(50);
        end_one(milliseconds(50));
    }
    ASSERT_TRUE(admission->snapshot(now).standing);
    const int newest = asker - 1;
    ask(asker++);
    end_one(milliseconds(50));
    EXPECT_EQ(order.back(), newest + 1);
}

TEST_F(AdmissionTest, APermitForALoopThatHasEndedGoesToTheNext) {
    options.concurrency_max = 1;
    options.waiting_max = 10000;
    make();
    ask(0);
    auto ended = make_mailbox();
    std::swap(mailbox, ended);
    for (int i = 1; i <= 5000; ++i) ask(i);
    mailbox->close();
    std::swap(mailbox, ended);
    ask(9999);
    end_one();
    EXPECT_EQ(order, std::vector<int>{9999});
    EXPECT_EQ(admission->snapshot(now).in_flight, 1U);
}

TEST_F(AdmissionTest, ADroppedPermitGivesItsPlaceBack) {
    options.concurrency_max = 1;
    make();
    ask(0);
    ask(1);
    permits.clear();
    mailbox->drain();
    EXPECT_EQ(told[1], "permit");
    Permit moved = std::move(permits.front());
    permits.clear();
    EXPECT_EQ(admission->snapshot(now).in_flight, 1U);
    moved = Permit();
    EXPECT_EQ(admission->snapshot(now).in_flight, 0U);
}

TEST_F(AdmissionTest, AdaptiveFindsTheLimitOfASlowUpstreamAndRisesAgain) {
    options = {.concurrency_max = 200, .adaptive = true, .concurrency_min = 5, .waiting_max = 0};
    make();
    EXPECT_EQ(admission->snapshot(now).limit, 5U);
    // The upstream serves `capacity` at once in 50 ms; more queue up inside of it.
    const auto serve = [&](int capacity, int rounds) {
        for (int round = 0; round < rounds; ++round) {
            while (ask(1) == "permit") {
            }
            const auto in_flight = static_cast<int>(permits.size());
            const Duration first_byte = milliseconds(50) * std::max(1, (in_flight + capacity - 1) / capacity);
            now += first_byte;
            while (!permits.empty()) end_one(first_byte);
        }
        return static_cast<int>(admission->snapshot(now).limit);
    };
    const int wide = serve(1000, 600);
    EXPECT_EQ(wide, 200) << "nothing slows down: all the way up";
    const int narrow = serve(20, 20);
    EXPECT_LT(narrow, 100);
    EXPECT_GE(narrow, 5);
    EXPECT_GT(serve(1000, 600), 190);
}

TEST_F(AdmissionTest, TimeoutsShrinkTheAdaptiveLimitToItsLowerEnd) {
    options = {.concurrency_max = 200, .adaptive = true, .concurrency_min = 5, .waiting_max = 0};
    make();
    for (int i = 0; i < 3000; ++i) {
        while (ask(1) == "permit") {
        }
        now += milliseconds(20);
        while (!permits.empty()) end_one(milliseconds(20));
    }
    ASSERT_EQ(admission->snapshot(now).limit, 200U);
    for (int i = 0; i < 400; ++i) {
        ask(1);
        now += milliseconds(150);
        end_one(milliseconds(150), true);
    }
    EXPECT_EQ(admission->snapshot(now).limit, 5U);
}

// Any order of asking, ending, cancelling and time: limits hold, and everybody hears exactly once.
TEST_F(AdmissionTest, EverybodyHearsOnce) {
    options = {.concurrency_max = 7,
               .waiting_max = 20,
               .wait_max = milliseconds(300),
               .wait_target = milliseconds(20),
               .wait_interval = milliseconds(100),
               .newest_first = true};
    make();
    SeededRandom dice(8);
    std::set<int> waiting;
    std::set<int> cancelled;
    std::size_t heard = 0;
    for (int step = 0; step < 30000; ++step) {
        const std::uint64_t luck = dice.next_u64();
        now += milliseconds(luck % 8);
        if (luck % 5 < 2) {
            const auto priority = luck % 3 == 0 ? Priority::kBatch : Priority::kInteractive;
            const auto deadline = luck % 7 == 0 ? now + milliseconds(luck % 100) : SteadyTime::max();
            if (ask(step, priority, deadline) == "waits") waiting.insert(step);
        } else if (luck % 5 == 2 && !waiting.empty()) {
            const int one = *waiting.begin();
            if (admission->cancel(ids[one])) cancelled.insert(one);
        } else if (luck % 5 == 3) {
            admission->tick(now);
        } else if (!permits.empty()) {
            end_one();
        }
        mailbox->drain();
        for (; heard < order.size(); ++heard) ASSERT_EQ(waiting.erase(order[heard]), 1U);
        for (const int one : cancelled) waiting.erase(one);
        const auto shot = admission->snapshot(now);
        ASSERT_LE(shot.in_flight, 7U);
        ASSERT_EQ(shot.in_flight, permits.size());
        ASSERT_LE(shot.waiting[0] + shot.waiting[1], 20U);
        ASSERT_EQ(shot.waiting[0] + shot.waiting[1], waiting.size());
    }
    for (const int one : cancelled) EXPECT_FALSE(told.contains(one));
    EXPECT_GT(told.size(), 1000U);
}

TEST(PriorityTest, IsReadFromAFieldInAnyCase) {
    EXPECT_EQ(parse_priority("Interactive"), Priority::kInteractive);
    EXPECT_EQ(parse_priority("BATCH"), Priority::kBatch);
    EXPECT_EQ(parse_priority("urgent"), std::nullopt);
    EXPECT_EQ(parse_priority(""), std::nullopt);
}

TEST(CodelTest, ShedsFasterTheLongerTheQueueStands) {
    Codel codel(milliseconds(5), milliseconds(100));
    SteadyTime now = start_time();
    std::vector<SteadyTime> shed;
    for (int i = 0; i < 2000; ++i) {
        now += milliseconds(1);
        if (codel.should_shed(milliseconds(10), now)) shed.push_back(now);
    }
    ASSERT_GT(shed.size(), 10U);
    EXPECT_GE(shed[0] - start_time(), milliseconds(100));
    EXPECT_GT(shed[1] - shed[0], shed[5] - shed[4]);
    EXPECT_FALSE(codel.should_shed(milliseconds(4), now)) << "below the target it ends at once";
    EXPECT_FALSE(codel.is_standing(now));
}

}  // namespace
}  // namespace tidegate::upstream
