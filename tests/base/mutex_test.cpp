#include "base/mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

struct Box {
    Mutex mutex;
    Condition changed;
    int value TG_GUARDED_BY(mutex) = 0;
};

TEST(Mutex, NoIncrementIsLost) {
    Box box;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&box] {
            for (int i = 0; i < 5000; ++i) {
                const Lock lock(box.mutex);
                ++box.value;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    const Lock lock(box.mutex);
    EXPECT_EQ(box.value, 20'000);
}

TEST(Mutex, TryLockFailsWhileAnotherThreadHoldsIt) {
    Mutex mutex;
    mutex.lock();
    bool got = true;
    std::thread([&] {
        if (mutex.try_lock()) {
            mutex.unlock();
        } else {
            got = false;
        }
    }).join();
    mutex.unlock();
    EXPECT_FALSE(got);
}

std::atomic<int> waits{0};
std::atomic<std::int64_t> waited{0};
void count_wait(std::int64_t waited_ns) noexcept {
    waited += waited_ns;
    ++waits;
}

TEST(Mutex, OnlyAWaitIsToldToTheHook) {
    set_contention_hook(&count_wait);
    Box box;
    for (int i = 0; i < 1000; ++i) {
        const Lock lock(box.mutex);
        ++box.value;
    }
    EXPECT_EQ(waits, 0);
    // The second thread may come late and find the lock free: again, until it did not.
    for (int i = 0; i < 1000 && waits == 0; ++i) {
        std::atomic<bool> there{false};
        box.mutex.lock();
        std::thread other([&] {
            there = true;
            const Lock lock(box.mutex);
        });
        while (!there) std::this_thread::yield();
        for (int yields = 0; yields < 100; ++yields) std::this_thread::yield();
        box.mutex.unlock();
        other.join();
    }
    set_contention_hook(nullptr);
    EXPECT_GT(waits, 0);
    EXPECT_GT(waited, 0);
}

TEST(Condition, AWaiterSeesWhatTheNotifierWrote) {
    Box box;
    std::thread answer([&box] {
        const Lock lock(box.mutex);
        while (box.value != 1) box.changed.wait(box.mutex);
        box.value = 2;
        box.changed.notify_all();
    });
    {
        const Lock lock(box.mutex);
        box.value = 1;
        box.changed.notify_all();
        while (box.value != 2) box.changed.wait(box.mutex);
        EXPECT_EQ(box.value, 2);
    }
    answer.join();
}

TEST(Condition, AWaitWithoutANotificationEnds) {
    Box box;
    const Lock lock(box.mutex);
    bool notified = true;
    while (notified) notified = box.changed.wait_for(box.mutex, 1ms);
    EXPECT_FALSE(notified);
}

}  // namespace
}  // namespace tidegate
