// The live figures are those of /metrics: what the samples of a stream add up to is what the counters have grown by.
#include "system/gate.h"
#include "system/listener.h"

namespace tidegate::testing {
namespace {

class PerformanceLive : public GateFixture {
  protected:
    struct Seen {
        std::int64_t requests = 0;
        std::int64_t errors = 0;
        std::int64_t in_buckets = 0;
        bool latency = false;
    };
    /// What the samples say of one route, until `enough` requests are seen; at most 60 samples.
    static Seen read(Listener& listener, const std::string& path, std::int64_t enough) {
        Seen seen;
        for (int i = 0; i < 60 && seen.requests < enough; ++i) {
            const Event event = listener.next("sample");
            if (event.data.empty()) break;
            const json::Document sample = parse_json(event.data);
            sample.root().find("routes")->each([&](json::Value route) {
                if (route.find("route")->as_string() != path) return;
                seen.requests += route.find("requests")->as_int();
                seen.errors += route.find("errors")->as_int();
                seen.latency = route.find("latency_ms")->find("p99")->as_double() > 0;
            });
            sample.root().find("latency_histogram")->find("counts")->each([&](json::Value count) {
                seen.in_buckets += count.as_int();
            });
        }
        return seen;
    }
};

TEST_F(PerformanceLive, TheSamplesAddUpToTheMetrics) {
    const auto server = start(settings({}));
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    Listener listener(port, "/api/v1/performance/live", {});
    ASSERT_TRUE(listener.listening());
    ASSERT_FALSE(listener.next("sample").data.empty());
    const auto counted = [&] { return metric(port, "http_requests_total", "handler=\"/api/v1/detect/text\""); };
    const double before = counted();
    RawClient client(port);
    const HeaderList json{{"Content-Type", "application/json"}};
    for (int i = 0; i < 40; ++i) {
        const std::string body = R"({"text":"This is text number )" + std::to_string(i) + R"(."})";
        ASSERT_EQ(client.ask(request_text("POST", "/api/v1/detect/text", body, json)).status, 200);
    }
    const Seen seen = read(listener, "/api/v1/detect/text", 40);
    EXPECT_EQ(seen.requests, 40);
    EXPECT_EQ(static_cast<double>(seen.requests), counted() - before);
    EXPECT_EQ(seen.errors, 0);
    EXPECT_TRUE(seen.latency);
    EXPECT_GE(seen.in_buckets, 40);
}

TEST_F(PerformanceLive, WithoutRequestsItShowsNoLatencyAndGoesOn) {
    const auto server = start(settings({}));
    ASSERT_NE(server, nullptr);
    Listener listener(server->port(), "/api/v1/performance/live", {});
    ASSERT_TRUE(listener.listening());
    for (int i = 0; i < 2; ++i) {
        const Event event = listener.next("sample");
        ASSERT_FALSE(event.data.empty());
        const json::Document sample = parse_json(event.data);
        EXPECT_EQ(sample.root().find("requests")->as_int(), 0);
        EXPECT_EQ(sample.root().find("latency_ms")->kind(), json::Kind::kNull);
        EXPECT_GT(sample.root().find("process")->find("resident_bytes")->as_double(), 1e6);
    }
}

TEST_F(PerformanceLive, AServerThatStopsEndsTheStream) {
    const auto server = start(settings({}));
    ASSERT_NE(server, nullptr);
    Listener listener(server->port(), "/api/v1/performance/live", {});
    ASSERT_TRUE(listener.listening());
    EXPECT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
}

TEST_F(PerformanceLive, TheDashboardIsServedOrSaysThatItIsNotThere) {
    const auto server = start(settings({}));
    ASSERT_NE(server, nullptr);
    const RawResponse page = get(server->port(), "/dashboard");
    if (page.status == 503) {
        EXPECT_NE(page.body.find("without the dashboard"), std::string::npos) << page.body;
        GTEST_SKIP() << "this binary was built without the dashboard: npm was not there";
    }
    ASSERT_EQ(page.status, 200);
    EXPECT_NE(page.header("content-security-policy").find("default-src 'none'"), std::string::npos);
    const std::size_t at = page.body.find("/dashboard/assets/");
    ASSERT_NE(at, std::string::npos);
    const std::string script = page.body.substr(at, page.body.find('"', at) - at);
    EXPECT_EQ(get(server->port(), script).status, 200);
    EXPECT_EQ(get(server->port(), "/dashboard/assets/none.js").status, 404);
    const RawResponse front = get(server->port(), "/");
    EXPECT_EQ(front.status, 302);
    EXPECT_EQ(front.header("location"), "/dashboard");
}

}  // namespace
}  // namespace tidegate::testing
