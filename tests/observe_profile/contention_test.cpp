#include "observe/profile/contention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "observe/profile/frames.h"
#include "observe/profile/symbols.h"

namespace tidegate::profile {
namespace {

[[gnu::noinline]] void wait_in_this_function(Mutex& mutex, std::atomic<bool>& there) {
    there = true;
    const Lock lock(mutex);
    there = false;
}

TEST(Contention, AWaitIsFoundUnderTheFunctionThatWaited) {
    const SystemClock clock;
    if (!kSupported) {
        EXPECT_FALSE(start_contention(clock));
        return;
    }
    ASSERT_TRUE(start_contention(clock));
    EXPECT_TRUE(start_contention(clock));
    const SystemDisk disk;
    bool found = false;
    // The second thread may come late and find the lock free: again, until it did not.
    for (int i = 0; i < 200 && !found; ++i) {
        Mutex mutex;
        std::atomic<bool> there{false};
        mutex.lock();
        std::thread other([&] { wait_in_this_function(mutex, there); });
        while (!there) std::this_thread::yield();
        for (int yields = 0; yields < 200; ++yields) std::this_thread::yield();
        mutex.unlock();
        other.join();
        const Profile profile = contention_profile(clock);
        Symbols symbols(disk);
        for (const Sample& sample : profile.samples) {
            found = found || (sample.values[0] > 0 && sample.values[1] > 0 &&
                              std::ranges::any_of(sample.stack, [&](std::uintptr_t address) {
                                  return symbols.find(address).name.ends_with("wait_in_this_function");
                              }));
        }
    }
    EXPECT_TRUE(found);
    const Profile profile = contention_profile(clock);
    EXPECT_EQ(profile.types[0].type, "contentions");
    EXPECT_EQ(profile.types[1].type, "delay");
    EXPECT_GT(profile.duration, Duration::zero());
}

}  // namespace
}  // namespace tidegate::profile
