#include "load/server_view.h"

#include <gtest/gtest.h>

namespace tidegate::load {
namespace {

constexpr std::string_view kBefore =
    "# HELP x y\n"
    "http_requests_total{method=\"GET\",handler=\"/a\",status=\"200\"} 10\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"0.001\"} 10\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"0.01\"} 10\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"+Inf\"} 10\n"
    "http_request_duration_seconds_sum{method=\"GET\",handler=\"/a\"} 0.005\n"
    "http_request_duration_seconds_count{method=\"GET\",handler=\"/a\"} 10\n"
    "process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 1048576\nprocess_open_fds 7\n";
constexpr std::string_view kAfter =
    "http_requests_total{method=\"GET\",handler=\"/a\",status=\"200\"} 110\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"0.001\"} 60\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"0.01\"} 110\n"
    "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/a\",le=\"+Inf\"} 110\n"
    "http_request_duration_seconds_sum{method=\"GET\",handler=\"/a\"} 0.305\n"
    "http_request_duration_seconds_count{method=\"GET\",handler=\"/a\"} 110\n"
    "http_request_duration_seconds_count{method=\"ANY\",handler=\"/any,\\\"x\"} 4\n"
    "process_cpu_seconds_total 1.6\nprocess_resident_memory_bytes 3145728\nprocess_open_fds 9\n";

TEST(ServerView, IsTheDifferenceOfTwoTexts) {
    const ServerView view = ServerView::between(MetricsText::read(kBefore), MetricsText::read(kAfter));
    const ServerView::Route* route = view.find("GET", "/a");
    ASSERT_NE(route, nullptr);
    EXPECT_EQ(route->count, 100U);
    EXPECT_NEAR(route->mean_ms, 3, 1e-9);
    // Half of the hundred lie up to 1 ms, half between 1 and 10 ms.
    EXPECT_NEAR(route->p50_ms, 1, 1e-9);
    EXPECT_NEAR(route->p95_ms, 1 + 9 * 0.9, 1e-9);
    EXPECT_EQ(view.statuses.at("200"), 100U);
    EXPECT_EQ(view.requests, 104U);
    EXPECT_NEAR(view.cpu_s, 0.1, 1e-9);
    EXPECT_NEAR(view.resident_after_mb, 3, 1e-9);
    EXPECT_NEAR(view.open_files_before, 7, 1e-9);
    ASSERT_NE(view.find("POST", "/any,\"x"), nullptr);
    EXPECT_EQ(view.find("POST", "/a"), nullptr);
}

TEST(ServerView, LinesThatAreNoMetricsAreLeftAlone) {
    const MetricsText text = MetricsText::read(
        "http_requests_total{method=\"GET 5\nhttp_request_duration_seconds_count{ 1\n\nprocess_open_fds\n");
    EXPECT_TRUE(text.routes.empty());
    EXPECT_EQ(text.open_files, 0);
}

}  // namespace
}  // namespace tidegate::load
