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

}  // namespace
}  // namespace tidegate::runtime
