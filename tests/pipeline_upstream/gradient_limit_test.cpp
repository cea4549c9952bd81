#include "pipeline/upstream/gradient_limit.h"

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

struct GradientTest : testing::Test {
    GradientLimit limit{GradientOptions{}};
    SteadyTime now = start_time();
    void windows(int count, Duration first_byte, std::uint32_t in_flight) {
        for (int i = 0; i < count * 10; ++i) {
            now += milliseconds(10);
            limit.sample(first_byte, in_flight, now);
        }
    }
};

TEST_F(GradientTest, BeginsAtItsStartAndStaysWhileUnused) {
    EXPECT_EQ(limit.limit(), 20U);
    windows(100, milliseconds(50), 5);
    EXPECT_EQ(limit.limit(), 20U) << "a quarter of it is used: nothing shows that more would go";
}

TEST_F(GradientTest, GrowsByTheQueueTimesTheSmoothingAWindow) {
    windows(51, milliseconds(50), 200);
    // 0.2 * 4 = 0.8 a window from 20.
    EXPECT_NEAR(limit.limit(), 60, 2);
    windows(400, milliseconds(50), 200);
    EXPECT_EQ(limit.limit(), 200U);
}

TEST_F(GradientTest, ToleratesHalfAgainAsSlowAndShrinksBeyond) {
    windows(400, milliseconds(50), 200);
    windows(20, milliseconds(70), 200);
    EXPECT_EQ(limit.limit(), 200U);
    windows(10, milliseconds(200), 200);
    EXPECT_LT(limit.limit(), 150U);
}

TEST_F(GradientTest, NeverLeavesItsBounds) {
    SeededRandom dice(6);
    for (int i = 0; i < 50000; ++i) {
        now += milliseconds(dice.next_u64() % 30);
        if (dice.next_u64() % 50 == 0) {
            limit.dropped(now);
        } else {
            limit.sample(Duration(static_cast<Duration::rep>(dice.next_u64() % 1'000'000'000)),
                         static_cast<std::uint32_t>(dice.next_u64() % 500), now);
        }
        ASSERT_GE(limit.limit(), 20U);
        ASSERT_LE(limit.limit(), 200U);
    }
}

TEST_F(GradientTest, TheLongMeanComesDownAfterAnOverload) {
    windows(200, milliseconds(1000), 200);
    EXPECT_NEAR(limit.long_ms(), 1000, 1);
    windows(60, milliseconds(50), 200);
    EXPECT_LT(limit.long_ms(), 200);
}

TEST_F(GradientTest, ALongPauseIsNoWindow) {
    windows(51, milliseconds(50), 200);
    const auto before = limit.limit();
    now += std::chrono::hours(5);
    windows(1, milliseconds(50), 200);
    EXPECT_NEAR(limit.limit(), before, 2);
}

}  // namespace
}  // namespace tidegate::upstream
