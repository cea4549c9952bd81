// What the live samples say adds up to what the counters count.
#include "pipeline/live_sampler.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace tidegate::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LiveSamplerTest : public ::testing::Test {
  protected:
    LiveSampler sampler_{{.http = http_,
                          .families = {{"/api/v1/detect/text", "provenance"}},
                          .cache = [this] { return cache_; },
                          .spend_milli = [this] { return spend_milli_; },
                          .loop_lag = [] { return Duration(milliseconds(3)); }}};
    bool take(SteadyTime at) { return sampler_.take(1'700'000'000'000, at, sample_); }

    observe::Registry registry_;
    HttpMetrics http_{registry_};
    RouteMetrics detect_{http_, "POST", "/api/v1/detect/text"};
    RouteMetrics other_{http_, "GET", "/health"};
    cache::StoreStats cache_;
    std::uint64_t spend_milli_ = 0;
    LiveSample sample_;
    const SteadyTime begin_{seconds(100)};
};

TEST_F(LiveSamplerTest, TheFirstLookOnlyRemembers) {
    detect_.started();
    detect_.finished(200, milliseconds(5), 100);
    EXPECT_FALSE(take(begin_));
    ASSERT_TRUE(take(begin_ + seconds(1)));
    EXPECT_EQ(sample_.requests, 0U) << "what was before the first look is in no sample";
    EXPECT_TRUE(sample_.routes.empty());
}

TEST_F(LiveSamplerTest, SamplesAddUpToTheCounters) {
    take(begin_);
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    std::uint64_t in_buckets = 0;
    for (int second = 1; second <= 5; ++second) {
        for (int i = 0; i < second * 10; ++i) {
            detect_.started();
            detect_.finished(i % 7 == 0 ? 503 : 200, milliseconds(second), 10);
        }
        other_.started();
        other_.finished(404, milliseconds(1), 10);
        ASSERT_TRUE(take(begin_ + seconds(second)));
        requests += sample_.requests;
        errors += sample_.errors;
        for (const std::uint64_t count : sample_.latency.buckets) in_buckets += count;
        ASSERT_EQ(sample_.routes.size(), 2U);
        EXPECT_EQ(sample_.routes[0].route, "/health");
        EXPECT_EQ(sample_.routes[1].family, "provenance");
        EXPECT_NEAR(sample_.routes[1].latency.quantile(0.99), second * 1e6, second * 1e6 * 0.003)
            << "of this second alone";
    }
    EXPECT_EQ(requests, 155U);
    EXPECT_EQ(errors, 2U + 3U + 5U + 6U + 8U) << "a 404 is the caller's";
    EXPECT_EQ(in_buckets, requests);
}

TEST_F(LiveSamplerTest, CacheSpendAndWhatIsInFlight) {
    cache_.hits = 10;
    spend_milli_ = 5000;
    take(begin_);
    cache_ = {.hits = 13, .stale_hits = 1, .misses = 4};
    spend_milli_ = 6500;
    detect_.started();
    detect_.started();
    ASSERT_TRUE(take(begin_ + seconds(2)));
    EXPECT_EQ(sample_.cache_hits, 3U);
    EXPECT_EQ(sample_.cache_misses, 5U);
    EXPECT_DOUBLE_EQ(sample_.spend_points, 1.5);
    EXPECT_EQ(sample_.in_flight, 2);
    EXPECT_EQ(sample_.interval, seconds(2));
    EXPECT_GT(sample_.process.resident_bytes, 1'000'000);
}

TEST_F(LiveSamplerTest, AQuietSecondHasNoLatency) {
    take(begin_);
    ASSERT_TRUE(take(begin_ + seconds(1)));
    const auto document = json::parse(to_json(sample_));
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(document->root().find("latency_ms")->kind(), json::Kind::kNull) << "not a zero";
    EXPECT_EQ(document->root().find("requests")->as_int(), 0);
    const auto histogram = document->root().find("latency_histogram");
    EXPECT_EQ(histogram->find("counts")->size(), histogram->find("upper_ms")->size() + 1);
}

}  // namespace
}  // namespace tidegate::pipeline
