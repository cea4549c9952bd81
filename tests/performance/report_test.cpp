#include "performance/report.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "performance/samples.h"
#include "store/temporary_folder.h"

namespace tidegate::performance {
namespace {

using testing::sample_of;

TEST(Period, IsANumberAndAUnit) {
    EXPECT_EQ(*parse_period("24h"), std::chrono::hours(24));
    EXPECT_EQ(*parse_period("90m"), std::chrono::minutes(90));
    EXPECT_EQ(*parse_period("7d"), std::chrono::hours(168));
    EXPECT_EQ(*parse_period("4w"), std::chrono::hours(672));
    for (const char* wrong :
         {"", "h", "24", "0h", "-1h", "1.5h", "24x", "9999999d", "53w", "18446744073709551615m", "24 h"}) {
        EXPECT_FALSE(parse_period(wrong).has_value()) << wrong;
    }
}

class ReportTest : public ::testing::Test {
  protected:
    std::unique_ptr<const Report> make(int hours_back) {
        auto store = SampleStore::open(
            {.path = folder_.file("p.db"), .keep_fine_ms = 86'400'000, .keep_ms = 86'400'000, .bytes_max = 1ULL << 30U},
            clock_);
        EXPECT_TRUE(store.has_value());
        const UnixMillis now = clock_.unix_ms();
        for (int i = hours_back * 12; i > 0; --i) {
            Sample sample = sample_of(now - i * 300'000, std::vector<double>(30, 5.0 + i % 7), 1);
            sample.routes[0].route = "/x<y>|z";
            EXPECT_TRUE((*store)->append(sample, {{sample.to, 250, "SELECT '<a>'"}}).has_value());
        }
        auto report = make_report({.store = **store, .health = health_, .version = "1.2.3", .cpu_percent_max = 80},
                                  "1h", std::chrono::hours(1), now);
        EXPECT_TRUE(report.has_value());
        return *std::move(report);
    }

    store::TemporaryFolder folder_;
    ManualClock clock_;
    Health health_{PerformanceSettings{}};
};

TEST_F(ReportTest, JsonHoldsWhatTheSamplesSay) {
    const auto report = make(3);
    const auto document = json::parse(to_json(*report));
    ASSERT_TRUE(document.has_value()) << document.error().message;
    const json::Value root = document->root();
    EXPECT_EQ(root.find("requests")->find("total")->as_int(), 11 * 30);
    EXPECT_EQ(root.find("requests")->find("errors")->as_int(), 11);
    EXPECT_GT(root.find("response_times_ms")->find("p95")->as_double(), 5);
    EXPECT_EQ(root.find("regressions")->find("reason")->kind(), json::Kind::kNull);
    EXPECT_EQ(root.find("capacity")->find("requests_per_second")->kind(), json::Kind::kNull);
    EXPECT_EQ(root.find("capacity")->find("reason")->kind(), json::Kind::kString);
    EXPECT_EQ(root.find("slowest_routes")->size(), 1U);
}

TEST_F(ReportTest, OfNothingSaysNothing) {
    const auto report = make(0);
    const auto document = json::parse(to_json(*report));
    ASSERT_TRUE(document.has_value());
    EXPECT_EQ(document->root().find("response_times_ms")->kind(), json::Kind::kNull);
    EXPECT_EQ(document->root().find("regressions")->find("previous")->kind(), json::Kind::kNull);
    EXPECT_EQ(document->root().find("regressions")->find("reason")->kind(), json::Kind::kString);
    EXPECT_FALSE(to_html(*report).empty());
    EXPECT_FALSE(to_markdown(*report).empty());
}

TEST_F(ReportTest, ThePageAndTheMarkdownEscapeWhatTheyShow) {
    const auto report = make(3);
    const std::string page = to_html(*report);
    EXPECT_EQ(page.find("<y>"), std::string::npos);
    EXPECT_NE(page.find("/x&lt;y&gt;|z"), std::string::npos);
    EXPECT_NE(page.find("<svg"), std::string::npos);
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("http"), std::string::npos);
    const std::string text = to_markdown(*report);
    EXPECT_NE(text.find("/x<y>\\|z"), std::string::npos);
    EXPECT_NE(text.find("| latency_p95_ms"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::performance
