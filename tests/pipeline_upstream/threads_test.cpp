// Everything that loops share, used by several threads at once: run under ThreadSanitizer by ./dev test.
#include <atomic>
#include <thread>

#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/memory_ceiling.h"
#include "pipeline/upstream/micro_batcher.h"
#include "pipeline/upstream/retry.h"
#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 3000;

template <class Work>
void on_threads(Work work) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back([&work, t] { work(t); });
    for (std::thread& thread : threads) thread.join();
}

TEST(ThreadsTest, APoolLosesNoCallAndNoPlace) {
    for (const bool in_turn : {false, true}) {
        PoolOptions options;
        options.balance.round_robin = in_turn;
        SeededRandom random(1);
        std::atomic<std::uint64_t> events{0};
        Pool pool("app", make_targets({1, 2, 3, 4, 5, 6}), options, random, start_time(),
                  [&](const TargetEvent&) { events.fetch_add(1); });
        std::atomic<std::uint64_t> picked{0};
        std::atomic<std::uint64_t> refused{0};
        on_threads([&](int t) {
            SeededRandom dice(static_cast<std::uint64_t>(t) + 10);
            SteadyTime now = start_time();
            for (int i = 0; i < kRounds; ++i) {
                now += milliseconds(dice.next_u64() % 40);
                auto lease = pool.pick(0, now);
                if (!lease) {
                    ++refused;
                    continue;
                }
                ++picked;
                const bool bad = lease->target() < 2 && dice.next_u64() % 2 == 0;
                if (i % 7 == 0) continue;  // Dropped.
                if (i % 3 == 0) lease->report(Outcome::kSuccess, milliseconds(3), now);
                lease->end(bad ? Outcome::kReset : Outcome::kSuccess, milliseconds(5), now);
                if (i % 500 == 0) pool.set_health(static_cast<std::size_t>(t), i % 1000 != 0, "test", now);
                if (i % 100 == 0) {
                    EXPECT_EQ(pool.snapshot(now).targets.size(), 6U);
                }
            }
        });
        const auto shot = pool.snapshot(start_time() + minutes(10));
        EXPECT_EQ(shot.picked, picked);
        EXPECT_EQ(shot.no_target, refused);
        EXPECT_GT(events, 0U);
        for (const auto& target : shot.targets) EXPECT_EQ(target.outstanding, 0U);
    }
}

TEST(ThreadsTest, ABreakerAdmitsNoMoreProbesThanItsTrialHas) {
    BreakerOptions options;
    options.open_for = seconds(1);
    SeededRandom random(2);
    Breaker breaker(options, random, {});
    for (int i = 0; i < 5; ++i) breaker.record(*breaker.admit(start_time()), Outcome::kReset, start_time());
    std::atomic<int> probes{0};
    on_threads([&](int) {
        for (int i = 0; i < 100; ++i) {
            if (breaker.admit(start_time() + seconds(2))) ++probes;
        }
    });
    EXPECT_EQ(probes, 3);
}

TEST(ThreadsTest, TheRetryBudgetHoldsForAllThreadsTogether) {
    RetryBudget budget{RetryOptions{}};
    std::vector<RetryBudget::Place> requests;
    for (int i = 0; i < 50; ++i) requests.push_back(budget.begin_request());
    std::atomic<int> held{0};
    on_threads([&](int) {
        for (int i = 0; i < kRounds; ++i) {
            auto place = budget.begin_retry();
            if (!place) continue;
            EXPECT_LE(held.fetch_add(1) + 1, 10);
            held.fetch_sub(1);
        }
    });
    EXPECT_EQ(budget.retries(), 0U);
}

TEST(ThreadsTest, AdmissionTellsEverybodyOnItsOwnLoopAndHoldsItsLimit) {
    Admission admission(
        {.concurrency_max = 3, .waiting_max = 64, .wait_max = seconds(60), .wait_interval = seconds(600)});
    std::atomic<int> inside{0};
    std::atomic<int> told{0};
    std::atomic<int> waited{0};
    on_threads([&](int t) {
        const auto mailbox = make_mailbox();
        mailbox->adopt();
        int open = 0;
        std::vector<Permit> permits;
        const auto leave = [&] {
            inside.fetch_sub(1);
            permits.back().end(milliseconds(1), false, start_time());
            permits.pop_back();
        };
        for (int i = 0; i < kRounds; ++i) {
            auto answer = admission.ask({.priority = t % 2 == 0 ? Priority::kInteractive : Priority::kBatch,
                                         .mailbox = mailbox,
                                         .told =
                                             [&](Admitted a, SteadyTime) {
                                                 EXPECT_TRUE(mailbox->on_loop_thread());
                                                 --open;
                                                 ++told;
                                                 auto* permit = std::get_if<Permit>(&a);
                                                 if (permit == nullptr) return;
                                                 EXPECT_LE(inside.fetch_add(1) + 1, 3);
                                                 permits.push_back(std::move(*permit));
                                             }},
                                        start_time());
            if (auto* permit = std::get_if<Permit>(&answer)) {
                EXPECT_LE(inside.fetch_add(1) + 1, 3);
                permits.push_back(std::move(*permit));
            } else if (std::holds_alternative<Admission::WaiterId>(answer)) {
                ++open;
                ++waited;
            }
            mailbox->drain();
            while (!permits.empty()) leave();
            if (i % 50 == 0) admission.tick(start_time());
        }
        while (open > 0) {
            mailbox->drain();
            while (!permits.empty()) leave();
            std::this_thread::yield();
        }
    });
    EXPECT_EQ(told, waited);
    EXPECT_EQ(admission.snapshot(start_time()).in_flight, 0U);
}

TEST(ThreadsTest, TheMicroBatcherGivesEachThreadItsOwnAnswers) {
    MicroBatcher batcher({.items_max = 8, .wait_max = Duration(0), .calls_max = 3}, [](Batch batch, BatchDone done) {
        // The upstream answers on a thread of its own.
        std::thread([batch = std::move(batch), done = std::move(done)]() mutable {
            std::vector<ItemAnswer> answers;
            for (const std::string& item : batch.items) answers.emplace_back(item + "!");
            done(std::move(answers), start_time());
        }).detach();
    });
    std::atomic<int> heard{0};
    constexpr int kItems = 200;
    on_threads([&](int t) {
        const auto mailbox = make_mailbox();
        mailbox->adopt();
        int open = 0;
        for (int i = 0; i < kItems; ++i) {
            const std::string item = std::to_string(t) + ":" + std::to_string(i);
            const auto id = batcher.submit({.json = item,
                                            .mailbox = mailbox,
                                            .told =
                                                [&, item](ItemAnswer answer, const Attachment&) {
                                                    EXPECT_TRUE(mailbox->on_loop_thread());
                                                    EXPECT_EQ(answer.value_or("error"), item + "!");
                                                    --open;
                                                    ++heard;
                                                }},
                                           start_time());
            if (id) ++open;
            mailbox->drain();
        }
        while (open > 0) {
            batcher.tick(start_time());
            mailbox->drain();
            std::this_thread::yield();
        }
    });
    EXPECT_EQ(heard, kThreads * kItems);
    while (batcher.snapshot().under_way > 0) std::this_thread::yield();
}

TEST(ThreadsTest, MemoryIsReadOnceAnInterval) {
    std::atomic<int> readings{0};
    MemoryCeiling ceiling({.bytes_max = 1000}, std::nullopt, [&] {
        ++readings;
        return std::optional<std::uint64_t>(2000);
    });
    on_threads([&](int) {
        for (int i = 0; i < kRounds; ++i) ceiling.refuses(start_time());
    });
    EXPECT_EQ(readings, 1);
}

}  // namespace
}  // namespace tidegate::upstream
