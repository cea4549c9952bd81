#include "performance/actions.h"

#include <gtest/gtest.h>

namespace tidegate::performance {
namespace {

class ActionsTest : public ::testing::Test {
  protected:
    ActionsTest() {
        actions_.add({.name = "halve",
                      .group = "memory",
                      .what = "Halves it.",
                      .measure = [this] { return std::vector<Figure>{{"bytes", "bytes", bytes_}}; },
                      .run = [this]() -> Result<std::string> {
                          if (fails_) return fail(ErrorCode::kUnavailable, "it is stuck");
                          if (bytes_ == 0) return std::string();
                          bytes_ = bytes_ > 1 ? bytes_ / 2 : 0;
                          return std::string("halved");
                      },
                      .needed = [this]() -> std::optional<std::string> {
                          return bytes_ > 10 ? std::optional<std::string>("too many") : std::nullopt;
                      }});
    }
    std::uint64_t count(std::string_view outcome) const {
        std::uint64_t found = 0;
        actions_.each_count([&](const std::string&, std::string_view name, std::uint64_t n) {
            if (name == outcome) found += n;
        });
        return found;
    }

    ManualClock clock_;
    std::unique_ptr<observe::Logger> log_ =
        *observe::Logger::open({.level = observe::Level::kOff, .path = "/dev/null"}, clock_);
    Actions actions_{clock_, *log_};
    double bytes_ = 64;
    bool fails_ = false;
};

TEST_F(ActionsTest, AResultTellsWhatWasMeasuredBeforeAndAfter) {
    const auto results = actions_.run("all", "request");
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].outcome, "done");
    ASSERT_EQ(results[0].changes.size(), 1U);
    EXPECT_EQ(results[0].changes[0].before, 64);
    EXPECT_EQ(results[0].changes[0].after, 32);
    EXPECT_EQ(count("done"), 1U);
    EXPECT_TRUE(actions_.run("cache", "request").empty());
    EXPECT_FALSE(actions_.has_group("cache"));
}

TEST_F(ActionsTest, OneThatFailsOrFindsNothingSaysSo) {
    fails_ = true;
    EXPECT_EQ(actions_.run("memory", "request")[0].outcome, "failed");
    EXPECT_EQ(actions_.results()[0].detail, "it is stuck");
    fails_ = false;
    bytes_ = 0;
    EXPECT_EQ(actions_.run("memory", "request")[0].outcome, "nothing_to_do");
    EXPECT_EQ(count("failed"), 1U);
    EXPECT_EQ(count("nothing_to_do"), 1U);
}

TEST_F(ActionsTest, ByItselfItRunsOnlyWhatIsNeededAndNotTooOften) {
    ASSERT_EQ(actions_.needed().size(), 1U);
    EXPECT_EQ(actions_.run_needed(std::chrono::seconds(60)).size(), 1U);
    clock_.advance(std::chrono::seconds(59));
    EXPECT_TRUE(actions_.run_needed(std::chrono::seconds(60)).empty());
    clock_.advance(std::chrono::seconds(2));
    EXPECT_EQ(actions_.run_needed(std::chrono::seconds(60)).size(), 1U);
    bytes_ = 5;
    clock_.advance(std::chrono::seconds(61));
    EXPECT_TRUE(actions_.run_needed(std::chrono::seconds(60)).empty());
    EXPECT_EQ(actions_.results()[0].by, "auto_apply");
}

}  // namespace
}  // namespace tidegate::performance
