#include "pipeline/cache/hot_keys.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "draft.h"

namespace tidegate::cache {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

std::string path_of_item(int i) {
    return "GET /item/" + std::to_string(i);
}

TEST(HotKeys, FindsTheHottestAmongMany) {
    HotKeys hot;
    std::uint64_t random = 1;
    int asked_for_first = 0;
    for (int i = 0; i < 300'000; ++i) {
        random = mix64(random + 0x9e3779b97f4a7c15ULL);
        // Half of the requests go to ten keys, the lower the number the more; the rest to 50,000.
        const int key = random % 2 == 0 ? static_cast<int>((random >> 8U) % 10 * ((random >> 20U) % 10) / 10)
                                        : 100 + static_cast<int>((random >> 8U) % 50'000);
        asked_for_first += key == 0 ? 1 : 0;
        hot.note(key_of(key), {}, [key] { return path_of_item(key); });
    }
    const auto top = hot.top(5, {});
    ASSERT_EQ(top.size(), 5U);
    EXPECT_EQ(top[0].replay, "GET /item/0");
    for (const HotKey& key : top) EXPECT_LT(key.replay.size(), std::string("GET /item/10").size()) << key.replay;
    EXPECT_NEAR(static_cast<double>(top[0].count - top[0].error), asked_for_first, asked_for_first * 0.1);
    EXPECT_EQ(hot.top(100'000, {}).size(), HotKeys::kKeysMax);
}

TEST(HotKeys, ForgetsWhatIsOlderThanTwoPeriods) {
    HotKeys hot(hours(1));
    const auto ask = [&](int key, SteadyTime now) {
        for (int i = 0; i < 1000; ++i) hot.note(key_of(key), now, [key] { return path_of_item(key); });
    };
    ask(1, SteadyTime{});
    EXPECT_EQ(hot.top(10, SteadyTime{} + minutes(90)).size(), 1U) << "of the last period";
    ask(2, SteadyTime{} + minutes(100));
    EXPECT_EQ(hot.top(10, SteadyTime{} + minutes(100)).size(), 2U);
    const auto later = hot.top(10, SteadyTime{} + minutes(151));
    ASSERT_EQ(later.size(), 1U);
    EXPECT_EQ(later[0].replay, "GET /item/2");
    EXPECT_TRUE(hot.top(10, SteadyTime{} + hours(5)).empty());
}

TEST(HotKeys, WhatIsTooLongToReplayIsNotNoted) {
    HotKeys hot;
    for (int i = 0; i < 1000; ++i) {
        hot.note(key_of(1), {}, [] { return std::string(HotKeys::kReplayBytesMax + 1, 'x'); });
    }
    EXPECT_TRUE(hot.top(10, {}).empty());
}

}  // namespace
}  // namespace tidegate::cache
