// What a rule finds in the numbers, and which rules stop the start.
#include "alerts/rule.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tidegate::alerts {
namespace {

using namespace std::chrono_literals;
using observe::FamilySpec;

FamilySpec spec(std::string name, std::vector<std::string> labels = {}) {
    return {.name = std::move(name), .help = "Of a test.", .labels = std::move(labels), .when_it_rises = "Look."};
}

struct RuleTest : ::testing::Test {
    Result<Rule> make(RuleOptions options) {
        options.name = "mine";
        return Rule::make(std::move(options), source.describe());
    }
    /// A look after `step` has passed: the first finding's number; -1: nothing; -2: too early.
    double look(Rule& rule, Duration step) {
        now += step;
        const auto findings = rule.look(source, now);
        if (findings.empty()) return -1;
        return findings.front().value.value_or(-2);
    }
    observe::Registry registry;
    Source source{registry};
    SteadyTime now{std::chrono::hours(1)};
};

TEST_F(RuleTest, AnUnknownMetricStopsTheStartAndTheNearestIsNamed) {
    registry.counter(spec("tidegate_audit_gap_total"));
    const auto made = make({.metric = "tidegate_audit_gaps_total"});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message,
              "alerts.rules.mine: there is no metric or view tidegate_audit_gaps_total; did you mean "
              "tidegate_audit_gap_total?");
}

TEST_F(RuleTest, WhatSaysTooLittleOrTooMuchStopsTheStart) {
    registry.counters(spec("asked_total", {"status"}));
    registry.gauge(spec("level"));
    EXPECT_EQ(make({}).error().message, "alerts.rules.mine: needs metric");
    EXPECT_EQ(make({.metric = "asked_total", .labels = {"code=5*"}}).error().message,
              "alerts.rules.mine: asked_total has no label code; it has: status");
    EXPECT_EQ(make({.metric = "asked_total", .by = {"code"}}).error().message,
              "alerts.rules.mine: asked_total has no label code; it has: status");
    EXPECT_EQ(make({.kind = "ratio", .metric = "asked_total"}).error().message,
              "alerts.rules.mine: a ratio needs of_metric");
    EXPECT_EQ(make({.metric = "level", .of_metric = "asked_total"}).error().message,
              "alerts.rules.mine: only a ratio has of_metric");
    EXPECT_EQ(make({.kind = "rate", .metric = "level"}).error().message,
              "alerts.rules.mine: level is no counter: it has no growth to judge");
    EXPECT_FALSE(make({.kind = "upstream_down"})) << "its view is missing";
}

TEST_F(RuleTest, AThresholdSumsTheSeriesThatMatchByLabel) {
    auto& levels = registry.gauges(spec("level", {"pool", "side"}));
    levels.with({"cpu", "in"}).set(3);
    levels.with({"cpu", "out"}).set(4);
    levels.with({"disk", "in"}).set(10);
    auto all = make({.metric = "level"});
    EXPECT_EQ(look(*all, 0s), 17);
    auto some = make({.metric = "level", .labels = {"side=in"}});
    EXPECT_EQ(look(*some, 0s), 13);
    auto apart = make({.metric = "level", .by = {"pool"}});
    const auto findings = apart->look(source, now);
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].labels, (Labels{{"pool", "cpu"}}));
    EXPECT_EQ(findings[0].value, 7);
}

TEST_F(RuleTest, HysteresisKeepsABadNumberBadUntilItIsFarEnoughBack) {
    registry.gauge(spec("level"));
    const auto high = make({.metric = "level", .comparison = ">", .value = 10, .hysteresis = 2});
    EXPECT_FALSE(high->is_bad(10));
    EXPECT_TRUE(high->is_bad(10.5));
    EXPECT_FALSE(high->is_good(9));
    EXPECT_TRUE(high->is_good(8));
    const auto low = make({.metric = "level", .comparison = "<", .value = 10, .hysteresis = 2});
    EXPECT_TRUE(low->is_bad(9));
    EXPECT_FALSE(low->is_good(11));
    EXPECT_TRUE(low->is_good(12));
}

TEST_F(RuleTest, ARateIsTheGrowthOverTheWindowAndSaysNothingTooEarly) {
    auto& counter = registry.counter(spec("things_total"));
    counter.add(1'000);  // Before the first look: no growth.
    auto rule = make({.kind = "rate", .metric = "things_total", .window = 40s});
    EXPECT_EQ(look(*rule, 0s), -2);
    counter.add(50);
    EXPECT_EQ(look(*rule, 5s), -2);
    EXPECT_EQ(look(*rule, 5s), 5);  // 50 in 10 s.
    EXPECT_EQ(look(*rule, 40s), 0) << "the growth has left the window";
}

TEST_F(RuleTest, ACounterThatAppearsLaterHasBeenZeroBefore) {
    auto& family = registry.counters(spec("things_total", {"kind"}));
    auto rule = make({.kind = "rate", .metric = "things_total", .by = {"kind"}, .window = 40s});
    EXPECT_EQ(look(*rule, 0s), -1);
    family.with({"dead"}).add(4);
    EXPECT_EQ(look(*rule, 20s), 0.2);
}

TEST_F(RuleTest, ARatioNeedsEnoughToDivideBy) {
    auto& family = registry.counters(spec("http_requests_total", {"status"}));
    auto rule = make({.kind = "ratio",
                      .metric = "http_requests_total",
                      .labels = {"status=5*"},
                      .of_metric = "http_requests_total",
                      .count_min = 20,
                      .window = 40s});
    ASSERT_TRUE(rule) << rule.error().message;
    EXPECT_EQ(look(*rule, 0s), -2);
    family.with({"500"}).add(2);
    family.with({"200"}).add(2);
    EXPECT_EQ(look(*rule, 20s), -1) << "four requests say nothing";
    family.with({"503"}).add(4);
    family.with({"200"}).add(16);
    EXPECT_EQ(look(*rule, 5s), 0.25);
}

TEST_F(RuleTest, AbsenceIsACounterThatStandsStillForTheWholeWindow) {
    auto& counter = registry.counter(spec("beats_total"));
    auto rule = make({.kind = "absence", .metric = "beats_total", .window = 20s});
    EXPECT_EQ(look(*rule, 0s), -2);
    counter.add();
    EXPECT_EQ(look(*rule, 10s), -2);
    EXPECT_FALSE(rule->is_bad(look(*rule, 10s)));
    EXPECT_TRUE(rule->is_bad(look(*rule, 20s)));
    counter.add();
    EXPECT_FALSE(rule->is_bad(look(*rule, 5s)));
}

TEST_F(RuleTest, AbsenceOfAGaugeIsThatItHasNoSeries) {
    auto& family = registry.gauges(spec("workers", {"name"}));
    auto rule = make({.kind = "absence", .metric = "workers", .labels = {"name=a"}});
    EXPECT_TRUE(rule->is_bad(look(*rule, 0s)));
    family.with({"a"}).set(0);
    EXPECT_FALSE(rule->is_bad(look(*rule, 5s)));
}

TEST_F(RuleTest, SpendIsWhatWasChargedWithinTheWindow) {
    auto& points = registry.counters(spec("tidegate_spend_points_total", {"outcome"}));
    EXPECT_EQ(make({.kind = "spend"}).error().message,
              "alerts.rules.mine: a rule of kind spend needs value, in points");
    auto rule = make({.kind = "spend", .value = 100, .window = 20s});
    ASSERT_TRUE(rule) << rule.error().message;
    look(*rule, 0s);
    points.with({"charged"}).add(150);
    points.with({"refunded"}).add(1'000);
    EXPECT_EQ(look(*rule, 10s), 150);
}

TEST_F(RuleTest, TheRulesOfTheProgramNameWhatThereIs) {
    registry.gauge(spec("tidegate_audit_degraded"));
    registry.counter(spec("tidegate_audit_gap_total"));
    registry.counters(spec("http_requests_total", {"method", "handler", "status"}));
    registry.counters(spec("tidegate_jobs_ended_total", {"kind", "state"}));
    for (const char* view : {"upstream_targets_usable", "upstream_targets_out"})
        source.add_view(view, {"upstream"}, [] { return std::vector<Series>(); });
    source.add_view("drift_alerts_open", {"service", "model", "tenant"}, [] { return std::vector<Series>(); });
    for (const RuleOptions& options : default_rules()) {
        const auto rule = Rule::make(options, source.describe());
        EXPECT_TRUE(rule) << rule.error().message;
        EXPECT_FALSE(options.summary.empty()) << options.name;
    }
}

}  // namespace
}  // namespace tidegate::alerts
