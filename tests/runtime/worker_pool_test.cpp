// What a worker pool promises: every accepted task runs once, the queue is bounded, shutdown loses nothing.
#include "runtime/worker_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>

namespace tidegate::runtime {
namespace {

TEST(WorkerPool, RunsEveryAcceptedTaskExactlyOnce) {
    std::atomic<int> ran{0};
    int accepted = 0;
    {
        WorkerPool pool("test", 4, 10'000);
        for (int i = 0; i < 5'000; ++i) accepted += pool.submit([&] { ++ran; }) ? 1 : 0;
    }
    EXPECT_EQ(accepted, 5'000);
    EXPECT_EQ(ran.load(), 5'000);
}

TEST(WorkerPool, RefusesWhenTheQueueIsFullAndCountsIt) {
    std::latch started(1), release(1);
    WorkerPool pool("test", 1, 2);
    ASSERT_TRUE(pool.submit([&] {
        started.count_down();
        release.wait();
    }));
    started.wait();
    EXPECT_TRUE(pool.submit([] {}));
    EXPECT_TRUE(pool.submit([] {}));
    EXPECT_FALSE(pool.submit([] {}));
    EXPECT_EQ(pool.refused(), 1U);
    EXPECT_EQ(pool.depth(), 2U);
    release.count_down();
    pool.stop();
    EXPECT_EQ(pool.completed(), 3U);
}

TEST(WorkerPool, RefusesAfterStop) {
    WorkerPool pool("test", 1, 2);
    pool.stop();
    EXPECT_FALSE(pool.submit([] {}));
    pool.stop();
}

TEST(WorkerPool, OneThreadKeepsTheOrder) {
    std::vector<int> order;
    {
        WorkerPool pool("test", 1, 100);
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.submit([&order, i] { order.push_back(i); }));
    }
    ASSERT_EQ(order.size(), 100U);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(WorkerPool, ResizedItHasSoManyThreadsAndLosesNoTask) {
    std::atomic<int> ran{0};
    WorkerPool pool("test", 1, 10'000);
    std::latch all_at_once(3);
    ASSERT_TRUE(pool.resize(3));
    EXPECT_EQ(pool.thread_count(), 3U);
    EXPECT_EQ(pool.threads_configured(), 1U);
    // They wait for one another: with fewer threads none would go on.
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.submit([&] { all_at_once.arrive_and_wait(); }));
    all_at_once.wait();
    int accepted = 0;
    for (int i = 0; i < 200; ++i) {
        // Grown and shrunk from a thread of its own, too.
        const unsigned threads = 1 + static_cast<unsigned>(i % 4);
        accepted += pool.submit([&, threads] {
            ++ran;
            static_cast<void>(pool.resize(threads));
        })
                        ? 1
                        : 0;
        accepted += pool.submit([&] { ++ran; }) ? 1 : 0;
    }
    pool.stop();
    EXPECT_EQ(ran.load(), accepted);
    EXPECT_FALSE(pool.resize(2));
}

}  // namespace
}  // namespace tidegate::runtime
