#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

namespace tidegate::observe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

FamilySpec spec(std::string name, std::vector<std::string> labels = {}, std::string unit = {}) {
    return {.name = std::move(name),
            .help = "Help with \\ and\nnew line and \"quotes\".",
            .labels = std::move(labels),
            .unit = std::move(unit),
            .when_it_rises = "Look."};
}

TEST(Registry, ACounterCountsFromManyThreads) {
    Registry registry;
    Counter& counter = registry.counter(spec("things_total"));
    std::vector<std::thread> threads;
    for (int t = 0; t < 12; ++t) {
        threads.emplace_back([&counter] {
            for (int i = 0; i < 5'000; ++i) counter.add();
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(counter.value(), 60'000U);
    EXPECT_THAT(registry.render(Exposition::kPrometheusText), HasSubstr("\nthings_total 60000\n"));
}

TEST(Registry, TheSameLabelsGiveTheSameSeries) {
    Registry registry;
    auto& family = registry.counters(spec("requests_total", {"route", "status"}));
    EXPECT_EQ(&family.with({"/a", "200"}), &family.with({"/a", "200"}));
    EXPECT_NE(&family.with({"/a", "200"}), &family.with({"/a", "500"}));
}

TEST(Registry, OneFamilyIsReadByItsName) {
    Registry registry;
    registry.counters(spec("things_total", {"kind"})).with({"a"}).add(3);
    registry.gauge(spec("level")).set(1.5);
    registry.histogram(spec("took_seconds", {}, "seconds"), HistogramSpec::latency()).record(std::chrono::seconds(2));
    registry.callback(spec("elsewhere", {"kind"}), MetricType::kGauge, [](Samples& out) { out.add({"b"}, 7); });
    const auto read = [&](std::string_view name) {
        std::string out;
        const bool known = registry.read(name, [&](const std::vector<std::string>& labels, double value) {
            out += (labels.empty() ? "" : labels[0]) + "=" + std::to_string(value).substr(0, 4) + ";";
        });
        return known ? out : "unknown";
    };
    EXPECT_EQ(read("things_total"), "a=3.00;");
    EXPECT_EQ(read("level"), "=1.50;");
    EXPECT_EQ(read("took_seconds_count"), "=1.00;");
    EXPECT_EQ(read("took_seconds_sum"), "=2.00;");
    EXPECT_EQ(read("elsewhere"), "b=7.00;");
    EXPECT_EQ(read("took_seconds"), "unknown") << "a histogram has no one value";
    EXPECT_EQ(read("nothing"), "unknown");
}

TEST(Registry, PrometheusTextIsAsTheFormatSays) {
    Registry registry;
    registry.counters(spec("requests_total", {"route"})).with({"a\"b\\c\nd"}).add(3);
    registry.gauge(spec("level")).set(-2.5);
    Histogram& histogram = registry.histogram(spec("took_seconds", {}, "seconds"), {{0.5, 1}, 1e-3});
    histogram.record(std::uint64_t{400});
    histogram.record(std::uint64_t{900});
    histogram.record(std::uint64_t{9000});
    EXPECT_EQ(registry.render(Exposition::kPrometheusText),
              "# TYPE tidegate_metrics_label_overflow_total counter\n"
              "# HELP tidegate_metrics_label_overflow_total Look-ups of a label set beyond a family's limit, "
              "counted under _other.\n"
              "tidegate_metrics_label_overflow_total{family=\"level\"} 0\n"
              "tidegate_metrics_label_overflow_total{family=\"requests_total\"} 0\n"
              "tidegate_metrics_label_overflow_total{family=\"took_seconds\"} 0\n"
              "# TYPE requests_total counter\n"
              "# HELP requests_total Help with \\\\ and\\nnew line and \"quotes\".\n"
              "requests_total{route=\"a\\\"b\\\\c\\nd\"} 3\n"
              "# TYPE level gauge\n"
              "# HELP level Help with \\\\ and\\nnew line and \"quotes\".\n"
              "level -2.5\n"
              "# TYPE took_seconds histogram\n"
              "# HELP took_seconds Help with \\\\ and\\nnew line and \"quotes\".\n"
              "took_seconds_bucket{le=\"0.5\"} 1\n"
              "took_seconds_bucket{le=\"1\"} 2\n"
              "took_seconds_bucket{le=\"+Inf\"} 3\n"
              "took_seconds_sum 10.3\n"
              "took_seconds_count 3\n");
}

TEST(Registry, OpenMetricsNamesTheFamilyWithoutTotalAndEndsWithEof) {
    Registry registry;
    registry.counter(spec("work_seconds_total", {}, "seconds")).add(4);
    registry.histogram(spec("took_seconds", {}, "seconds"), {{1}, 1}).record(std::uint64_t{1});
    const std::string text = registry.render(Exposition::kOpenMetrics);
    EXPECT_THAT(
        text, HasSubstr("# TYPE work_seconds counter\n# UNIT work_seconds seconds\n# HELP work_seconds Help with \\\\ "
                        "and\\nnew line and \\\"quotes\\\".\nwork_seconds_total 4\n"));
    EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"1.0\"} 1\n"));
    EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Registry, BeyondTheLimitALabelSetIsCountedAsOther) {
    Registry registry;
    FamilySpec limited = spec("hits_total", {"key"});
    limited.series_max = 3;
    auto& family = registry.counters(limited);
    for (int i = 0; i < 10; ++i) family.resolve({std::to_string(i)}).add();
    const std::string text = registry.render(Exposition::kPrometheusText);
    EXPECT_THAT(text, HasSubstr("hits_total{key=\"2\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("hits_total{key=\"_other\"} 7\n"));
    EXPECT_THAT(text, Not(HasSubstr("key=\"3\"")));
    EXPECT_THAT(text, HasSubstr("tidegate_metrics_label_overflow_total{family=\"hits_total\"} 7\n"));
}

TEST(Registry, ACallbackIsReadAtEachScrape) {
    Registry registry;
    double value = 1;
    registry.callback(spec("elsewhere", {"loop"}), MetricType::kGauge, [&value](Samples& samples) {
        samples.add({"0"}, value);
        samples.add({"1"}, HUGE_VAL);
    });
    EXPECT_THAT(registry.render(Exposition::kPrometheusText),
                HasSubstr("elsewhere{loop=\"0\"} 1\nelsewhere{loop=\"1\"} +Inf\n"));
    value = 2;
    EXPECT_THAT(registry.render(Exposition::kPrometheusText), HasSubstr("elsewhere{loop=\"0\"} 2\n"));
}

TEST(Registry, WrongDeclarationsEndTheProcess) {
    EXPECT_DEATH(
        {
            Registry registry;
            registry.counter(spec("without_suffix"));
        },
        "");
    EXPECT_DEATH(
        {
            Registry registry;
            registry.gauge(spec("a_total"));
        },
        "");
    EXPECT_DEATH(
        {
            Registry registry;
            registry.gauge(spec("bad-name"));
        },
        "");
    EXPECT_DEATH(
        {
            Registry registry;
            registry.gauge(spec("took_ms", {}, "seconds"));
        },
        "");
    EXPECT_DEATH(
        {
            Registry registry;
            registry.gauge(spec("x", {"__reserved"}));
        },
        "");
    EXPECT_DEATH(
        {
            Registry registry;
            registry.gauge(spec("x"));
            registry.counter(spec("x_total"));
        },
        "");
}

TEST(Exposition, FollowsTheAcceptHeader) {
    EXPECT_EQ(choose_exposition(""), Exposition::kPrometheusText);
    EXPECT_EQ(choose_exposition("*/*"), Exposition::kPrometheusText);
    EXPECT_EQ(choose_exposition("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
              Exposition::kOpenMetrics);
    EXPECT_EQ(choose_exposition("text/plain, application/openmetrics-text;q=0.5"), Exposition::kPrometheusText);
    EXPECT_EQ(choose_exposition("application/openmetrics-text;q=0"), Exposition::kPrometheusText);
    EXPECT_EQ(choose_exposition(";;,,q=,=;q"), Exposition::kPrometheusText);
}

TEST(ProcessMetrics, TellOfThisProcess) {
    Registry registry;
    add_process_metrics(registry);
    const std::string text = registry.render(Exposition::kPrometheusText);
    const auto value = [&text](const std::string& name) {
        const std::size_t at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
    };
    EXPECT_GE(value("process_cpu_seconds_total"), 0);
    EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
    EXPECT_GE(value("process_open_fds"), 3);
    EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
    EXPECT_GE(value("process_threads"), 1);
    const double now = static_cast<double>(SystemClock().unix_ms()) / 1000;
    EXPECT_NEAR(value("process_start_time_seconds"), now, 3600);
}

TEST(Describe, EveryFamilySaysWhatToDoWhenItRises) {
    Registry registry;
    add_process_metrics(registry);
    for (const auto& family : registry.describe()) {
        EXPECT_FALSE(family.spec.help.empty()) << family.spec.name;
        EXPECT_FALSE(family.spec.when_it_rises.empty()) << family.spec.name;
    }
}

}  // namespace
}  // namespace tidegate::observe
