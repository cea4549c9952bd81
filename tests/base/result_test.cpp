#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "base/assert.h"

namespace tidegate {
namespace {

Result<int> half(int number) {
    if (number % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
    return number / 2;
}

Result<int> quarter(int number) {
    TG_TRY(const int first, half(number));
    TG_TRY(const int second, half(first));
    return second;
}

Result<void> check_even(int number, int& reached) {
    TG_CHECK(half(number));
    ++reached;
    return {};
}

Result<std::unique_ptr<int>> make(bool works) {
    if (!works) return fail(ErrorCode::kUnavailable, "none left");
    return std::make_unique<int>(7);
}

TEST(Result, TryGivesTheValueOrReturnsTheFirstError) {
    EXPECT_EQ(quarter(12), 3);
    const auto odd = quarter(6);
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(odd.error().message, "odd");
}

TEST(Result, CheckStopsAtAnErrorAndGoesOnWithoutOne) {
    int reached = 0;
    EXPECT_TRUE(check_even(2, reached));
    EXPECT_FALSE(check_even(3, reached));
    EXPECT_EQ(reached, 1);
}

TEST(Result, TryMovesWhatCannotBeCopied) {
    const auto use = [](bool works) -> Result<int> {
        TG_TRY(const std::unique_ptr<int> number, make(works));
        return *number;
    };
    EXPECT_EQ(use(true), 7);
    EXPECT_EQ(use(false).error().code, ErrorCode::kUnavailable);
}

TEST(Result, TryTakesACommaInItsExpression) {
    const auto use = []() -> Result<std::size_t> {
        TG_TRY(const auto pair, Result<std::pair<int, int>>(std::pair<int, int>{1, 2}));
        return static_cast<std::size_t>(pair.first + pair.second);
    };
    EXPECT_EQ(use(), 3U);
}

TEST(ErrorCode, EveryCodeHasItsOwnName) {
    std::set<std::string_view> names;
    const auto last = static_cast<int>(ErrorCode::kInternal);
    for (int code = 0; code <= last; ++code) names.insert(to_string(static_cast<ErrorCode>(code)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(last) + 1);
    EXPECT_FALSE(names.contains(""));
}

TEST(AssertDeathTest, ABrokenInvariantEndsTheProcessWithItsPlace) {
    const int number = 1;
    TG_ASSERT(number == 1);
    EXPECT_DEATH(TG_ASSERT(number == 2), "broken invariant: number == 2 .*result_test.cpp");
}

}  // namespace
}  // namespace tidegate
