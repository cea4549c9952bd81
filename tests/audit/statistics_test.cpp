#include "audit/views/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "audit/log_fixture.h"
#include "base/json.h"

namespace tidegate::audit {
namespace {

class StatisticsTest : public LogTest {};

std::map<std::string, std::uint64_t> as_map(const std::vector<Count>& counts) {
    std::map<std::string, std::uint64_t> out;
    for (const Count& count : counts) out[count.name] = count.count;
    return out;
}

// Counted from the Decisions themselves.
template <class Name>
std::map<std::string, std::uint64_t> tally(const std::vector<Decision>& all, Name&& name) {
    std::map<std::string, std::uint64_t> out;
    for (const Decision& decision : all) {
        if (const std::string key(name(decision)); !key.empty()) ++out[key];
    }
    return out;
}

void expect_equal_to_brute_force(const Statistics& statistics, const std::vector<Decision>& all) {
    EXPECT_EQ(statistics.total, all.size());
    EXPECT_EQ(as_map(statistics.by_status), tally(all, [](const auto& d) { return to_string(d.status); }));
    EXPECT_EQ(as_map(statistics.by_band), tally(all, [](const auto& d) { return d.band; }));
    EXPECT_EQ(as_map(statistics.by_operation), tally(all, [](const auto& d) { return d.operation; }));
    EXPECT_EQ(as_map(statistics.by_model_version), tally(all, [](const auto& d) { return d.model_version; }));
    EXPECT_EQ(as_map(statistics.by_cache), tally(all, [](const auto& d) { return to_string(d.cache); }));
    EXPECT_EQ(as_map(statistics.by_content_type),
              tally(all, [](const auto& d) { return content_type_of(d.operation); }));
    std::vector<double> latencies;
    double confidence_sum = 0;
    double confidences = 0;
    double latency_sum = 0;
    std::uint64_t tokens = 0;
    for (const Decision& decision : all) {
        latencies.push_back(static_cast<double>(decision.latency_us) / 1000);
        latency_sum += latencies.back();
        tokens += static_cast<std::uint64_t>(decision.tokens);
        if (decision.confidence) confidence_sum += *decision.confidence;
        if (decision.confidence) ++confidences;
    }
    std::ranges::sort(latencies);
    const auto near = [&](double got, double q) {
        const double exact =
            latencies[static_cast<std::size_t>(std::ceil(q * static_cast<double>(latencies.size()))) - 1];
        EXPECT_NEAR(got, exact, exact * 0.016) << q;
    };
    near(statistics.latency.p50_ms, .5);
    near(statistics.latency.p90_ms, .9);
    near(statistics.latency.p95_ms, .95);
    near(statistics.latency.p99_ms, .99);
    near(statistics.latency.p999_ms, .999);
    EXPECT_DOUBLE_EQ(statistics.latency.max_ms, latencies.back());
    EXPECT_NEAR(statistics.latency.mean_ms, latency_sum / static_cast<double>(all.size()), 1e-9);
    EXPECT_NEAR(statistics.confidence_mean.value(), confidence_sum / confidences, 1e-12);
    EXPECT_EQ(statistics.tokens, tokens);
    EXPECT_EQ(statistics.spend_points, Points{static_cast<std::int64_t>(all.size()) * 100});
    std::string json;
    JsonWriter writer(json);
    append_json(writer, statistics);
    EXPECT_THAT(json, testing::HasSubstr("\"spend_points\":" + to_string(statistics.spend_points) + ","));
    std::uint64_t in_days = 0;
    for (const DayCount& day : statistics.timeline) in_days += day.total;
    EXPECT_EQ(in_days, statistics.total);
}

TEST_F(StatisticsTest, EqualACountOverTheDecisionsThemselves) {
    std::vector<Decision> all;
    {
        const auto log = open();
        all = fill(*log, 900, std::chrono::minutes(7));  // Four days and some.
    }
    const auto log = open();  // The sums go on after a restart.
    clock_.advance(-std::chrono::minutes(7) * 450);
    for (const Decision& more : fill(*log, 100, std::chrono::minutes(1))) all.push_back(more);
    const StatisticsView view(readers());
    const auto statistics = view.read({.from = kStart, .to = kStart + 10 * 86'400'000LL, .tenant = {}, .service = {}});
    ASSERT_TRUE(statistics) << statistics.error().message;
    expect_equal_to_brute_force(*statistics, all);
    EXPECT_EQ(statistics->timeline.size(), 11U);  // From a noon to a noon.
    EXPECT_EQ(statistics->timeline.back().total, 0U);
    EXPECT_FALSE(statistics->timeline.back().confidence_mean);
}

TEST_F(StatisticsTest, TheWindowIsRoundedToHoursAndSaysSo) {
    const auto log = open();
    const auto all = fill(*log, 300, std::chrono::minutes(1));
    const StatisticsView view(readers());
    const auto statistics =
        view.read({.from = kStart + 90 * 60'000, .to = kStart + 150 * 60'000, .tenant = {}, .service = {}});
    EXPECT_EQ(statistics->from, kStart + 3'600'000);
    EXPECT_EQ(statistics->to, kStart + 3 * 3'600'000);
    expect_equal_to_brute_force(*statistics, {all.begin() + 60, all.begin() + 180});
}

TEST_F(StatisticsTest, ATenantSeesItsOwnOnly) {
    const auto log = open();
    auto all = fill(*log, 200, std::chrono::seconds(1));
    std::erase_if(all, [](const Decision& decision) { return decision.tenant != "acme"; });
    const StatisticsView view(readers());
    expect_equal_to_brute_force(*view.read({.from = kStart, .to = kStart + 3'600'000, .tenant = "acme", .service = {}}),
                                all);
    EXPECT_EQ(view.read({.from = kStart, .to = kStart + 3'600'000, .tenant = "globex", .service = {}})->total, 0U);
    EXPECT_EQ(view.read({.from = kStart, .to = kStart + 3'600'000, .tenant = {}, .service = "flood"})->total, 0U);
}

TEST_F(StatisticsTest, WithoutDecisionsThereAreNoInventedNumbers) {
    const auto log = open();
    const auto statistics =
        StatisticsView(readers()).read({.from = kStart, .to = kStart + 1, .tenant = {}, .service = {}});
    ASSERT_TRUE(statistics);
    EXPECT_EQ(statistics->total, 0U);
    std::string json;
    JsonWriter writer(json);
    append_json(writer, *statistics);
    ASSERT_TRUE(json::parse(json));
    EXPECT_THAT(json, ::testing::HasSubstr(R"("confidence_mean":null,"latency_ms":{"count":0,"mean":null,"p50":null)"));
    EXPECT_THAT(json, ::testing::HasSubstr(R"("timeline":[{"day":"2026-03-01","total":0,"errors":0,"by_band":{},)"));
}

TEST_F(StatisticsTest, BrokenWindowsAreRefused) {
    const auto log = open();
    const StatisticsView view(readers());
    const auto refused = [&](UnixMillis from, UnixMillis to) {
        const auto result = view.read({.from = from, .to = to, .tenant = {}, .service = {}});
        return !result && result.error().code == ErrorCode::kInvalidArgument;
    };
    EXPECT_TRUE(refused(kStart, kStart));
    EXPECT_TRUE(refused(kStart, kStart - 1));
    EXPECT_TRUE(refused(kStart, kStart + 401 * 86'400'000LL));
    EXPECT_TRUE(refused(-5, 5));
}

}  // namespace
}  // namespace tidegate::audit
