#include "performance/recorder.h"

#include <gtest/gtest.h>

#include <atomic>

#include "store/temporary_folder.h"

namespace tidegate::performance {
namespace {

class RecorderTest : public ::testing::Test {
  protected:
    RecorderTest() {
        settings_.interval = std::chrono::seconds(60);
        store_ = *SampleStore::open(
            {.path = folder_.file("p.db"), .keep_fine_ms = 3'600'000, .keep_ms = 86'400'000, .bytes_max = 1ULL << 30U},
            clock_);
    }
    Sources sources() {
        Sources out;
        out.series.push_back({.name = "counted", .unit = "", .is_total = true, .read = [this] {
                                  return static_cast<double>(counted_.load());
                              }});
        return out;
    }
    /// Of all that is stored.
    double stored() {
        Sample all;
        const UnixMillis now = clock_.unix_ms();
        EXPECT_TRUE(store_->scan(now - 1000, now, 0, [&](Sample&& sample) {
            all.merge(sample);
            return true;
        }));
        const Value* const value = all.find("counted");
        return value == nullptr ? -1 : value->sum;
    }

    store::TemporaryFolder folder_;
    ManualClock clock_;
    std::atomic<std::uint64_t> counted_{0};
    std::unique_ptr<observe::Logger> log_ =
        *observe::Logger::open({.level = observe::Level::kOff, .path = "/dev/null"}, clock_);
    Actions actions_{clock_, *log_};
    PerformanceSettings settings_;
    std::unique_ptr<SampleStore> store_;
};

// The clock stands still: all samples end in one millisecond, and none may take another's place.
TEST_F(RecorderTest, BegunAnewTheWindowIsEmptyAndEverythingThatWasCountedIsStored) {
    Recorder recorder(
        {.clock = clock_, .log = *log_, .settings = settings_, .store = *store_, .actions = actions_, .slow = {}});
    EXPECT_EQ(recorder.begin_anew().error().code, ErrorCode::kUnavailable) << "it has not begun";
    recorder.start(sources());
    counted_ = 5;
    const auto since = recorder.begin_anew();
    ASSERT_TRUE(since) << since.error().message;
    EXPECT_EQ(*since, clock_.unix_ms());
    EXPECT_TRUE(recorder.window().empty());
    EXPECT_EQ(stored(), 5);
    counted_ = 8;
    ASSERT_TRUE(recorder.begin_anew());
    EXPECT_TRUE(recorder.window().empty());
    counted_ = 9;
    recorder.stop();
    ASSERT_EQ(recorder.window().size(), 1U);
    EXPECT_EQ(recorder.window()[0].find("counted")->sum, 1) << "what came after it";
    EXPECT_EQ(stored(), 9);
    EXPECT_EQ(recorder.taken(), 3U);
    EXPECT_EQ(recorder.failed(), 0U);
    EXPECT_EQ(recorder.begin_anew().error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace tidegate::performance
