#include "load/shape.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "load/dice.h"
#include "load/plan.h"

namespace tidegate::load {
namespace {

TEST(Shape, AConstantRateFallsDueAtEqualDistances) {
    const Shape shape({{.seconds = 2, .from = 100, .to = 100}});
    EXPECT_DOUBLE_EQ(shape.area(), 200);
    for (int n = 0; n < 200; ++n) EXPECT_NEAR(*shape.arrival(n), n * 0.01, 1e-9);
    EXPECT_FALSE(shape.arrival(200).has_value());
}

TEST(Shape, TheScheduleIsTheInverseOfTheAreaOnEverySlope) {
    const Shape shape({{1, 0, 100}, {0, 100, 300}, {2, 300, 50}, {1, 0, 0}, {1, 10, 10}});
    double last = -1;
    for (double n = 0; n < shape.area(); n += 0.5) {
        const auto at = shape.arrival(n);
        ASSERT_TRUE(at.has_value()) << n;
        EXPECT_GE(*at, last);
        EXPECT_NEAR(shape.area(*at), n, 1e-6) << n;
        last = *at;
    }
    EXPECT_DOUBLE_EQ(shape.seconds(), 5);
    EXPECT_DOUBLE_EQ(shape.level_max(), 300);
    EXPECT_DOUBLE_EQ(shape.level(0.5), 50);
    EXPECT_DOUBLE_EQ(shape.level(1), 300);
    EXPECT_DOUBLE_EQ(shape.level(99), 0);
}

TEST(Shape, PoissonArrivalsHaveTheMeanAndTheSpreadOfPoisson) {
    const Shape shape({{.seconds = 400, .from = 50, .to = 50}});
    Dice dice(11);
    std::vector<double> by_second(400);
    double n = 0;
    while (true) {
        n += dice.exponential();
        const auto at = shape.arrival(n);
        if (!at) break;
        ++by_second[static_cast<std::size_t>(*at)];
    }
    double sum = 0;
    for (const double count : by_second) sum += count;
    const double mean = sum / 400;
    double squares = 0;
    for (const double count : by_second) squares += (count - mean) * (count - mean);
    // Both are 50; the seed is fixed, so this holds or it does not.
    EXPECT_NEAR(mean, 50, 1.5);
    EXPECT_NEAR(squares / 399, 50, 8);
}

TEST(Shape, AShareOfAShapeIsDueAsOftenInAll) {
    const Shape whole({{1, 0, 30}, {2, 30, 60}});
    EXPECT_DOUBLE_EQ(whole.scaled(0.25).area() * 4, whole.area());
}

TEST(Shape, StagesAreReadAndRefused) {
    const auto stages = parse_stages("0s:50,30s:50,500ms:500");
    ASSERT_TRUE(stages.has_value());
    ASSERT_EQ(stages->size(), 3U);
    EXPECT_DOUBLE_EQ((*stages)[1].from, 50);
    EXPECT_DOUBLE_EQ((*stages)[2].seconds, 0.5);
    EXPECT_DOUBLE_EQ((*stages)[2].to, 500);
    for (const char* wrong : {"", "30s", "30s:-1", "30:5", "30s:x", "10s:0", "0s:5", "99h:1", "1s:nan"}) {
        EXPECT_FALSE(parse_stages(wrong).has_value()) << wrong;
    }
}

TEST(Shape, TimesHaveAUnitAndAnEnd) {
    EXPECT_DOUBLE_EQ(parse_seconds("1500ms").value(), 1.5);
    EXPECT_DOUBLE_EQ(parse_seconds("2h").value(), 7200);
    for (const char* wrong : {"5", "s", "-1s", "49h", "1e9s", "nans", "1 s"}) {
        EXPECT_FALSE(parse_seconds(wrong).has_value()) << wrong;
    }
}

TEST(Plan, EveryProfileEndsAndHasTheUsersItsNameSays) {
    for (const auto& [name, users] :
         {std::pair<const char*, double>{"normal", 50}, {"stress", 200}, {"spike", 500}, {"soak", 100}}) {
        const Profile* profile = find_profile(name);
        ASSERT_NE(profile, nullptr) << name;
        EXPECT_DOUBLE_EQ(profile->plan.shape().level_max(), users) << name;
        EXPECT_GT(profile->plan.window_s(), 0) << name;
    }
    ASSERT_NE(find_profile("heavy-batch"), nullptr);
    EXPECT_TRUE(find_profile("heavy-batch")->plan.heavy);
    EXPECT_DOUBLE_EQ(find_profile("soak")->plan.window_s(), 1800);
    EXPECT_EQ(find_profile("nothing"), nullptr);
}

}  // namespace
}  // namespace tidegate::load
