#include "load/compare.h"

#include <gtest/gtest.h>

#include "load/dice.h"
#include "load/report.h"

namespace tidegate::load {
namespace {

/// Intervals around `ms`, a tenth up and down.
RunResult a_run(double ms, std::uint64_t seed, std::size_t intervals = 30, std::uint64_t errors = 0) {
    Dice dice(seed);
    RunResult run;
    run.tool = "tidegate test";
    run.target = "http://127.0.0.1:1";
    run.plan.stages = {{.seconds = static_cast<double>(intervals), .from = 5, .to = 5}};
    run.window_s = static_cast<double>(intervals);
    run.interval_s = 1;
    for (std::size_t i = 0; i < intervals; ++i) {
        const double around = ms * (0.9 + 0.2 * dice.unit()) * 1e6;
        const auto good = static_cast<std::uint64_t>(1000 / ms * (0.9 + 0.2 * dice.unit()));
        run.series.push_back({.good = good,
                              .errors = 0,
                              .p50 = around,
                              .p95 = around * 2,
                              .p99 = around * 3,
                              .max = around * 4,
                              .steps = {}});
        run.all.good += good;
        for (int k = 1; k <= 100; ++k) run.all.ok.record(Duration(static_cast<std::int64_t>(around * k / 50)));
    }
    run.all.errors = errors;
    run.all.sent = run.all.good + errors;
    if (errors > 0) run.all.errors_by["timeout"] = errors;
    run.answers_per_s = static_cast<double>(run.all.good) / run.window_s;
    run.operations.push_back(run.all);
    run.operations.back().name = "detect_text";
    return run;
}

const Compared& row(const Comparison& comparison, std::string_view name) {
    for (const Compared& one : comparison.rows) {
        if (one.name == name) return one;
    }
    ADD_FAILURE() << name;
    return comparison.rows.front();
}

TEST(Compare, OneRunAndItselfShowNoDifference) {
    const RunResult run = a_run(5, 1, 30, 3);
    const Comparison comparison = compare(run, run);
    for (const Compared& one : comparison.rows) {
        EXPECT_TRUE(one.tested) << one.name;
        EXPECT_FALSE(one.significant) << one.name;
    }
    EXPECT_TRUE(comparison.differences.empty());
    EXPECT_NE(render(comparison).find("no difference shown"), std::string::npos);
}

TEST(Compare, TwoRunsOfOneKindRarelyDifferAndASlowerOneDoes) {
    int false_alarms = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const Comparison same = compare(a_run(5, seed), a_run(5, seed + 1000));
        for (const Compared& one : same.rows) false_alarms += one.significant ? 1 : 0;
    }
    // Five rows a comparison with an error of 5 % for all of them together: two are to be expected.
    EXPECT_LE(false_alarms, 8);
    const Comparison slower = compare(a_run(5, 1), a_run(5.5, 2));
    const Compared& p95 = row(slower, "p95");
    EXPECT_TRUE(p95.significant);
    EXPECT_FALSE(p95.better);
    EXPECT_NEAR(p95.shift, 1, 0.4);
    EXPECT_NE(render(slower).find("yes, B is worse"), std::string::npos);
    const Compared& rate = row(slower, "answers per second");
    EXPECT_TRUE(rate.significant);
    EXPECT_FALSE(rate.better);
}

TEST(Compare, ErrorsThatCameAreMoreThanChance) {
    const Comparison comparison = compare(a_run(5, 1), a_run(5, 1, 30, 60));
    EXPECT_TRUE(row(comparison, "errors").significant);
    EXPECT_FALSE(row(comparison, "errors").better);
    EXPECT_FALSE(row(comparison, "p50").significant);
}

TEST(Compare, TooShortRunsAreNotTested) {
    const Comparison comparison = compare(a_run(5, 1, 5), a_run(50, 2, 5));
    EXPECT_FALSE(row(comparison, "p95").tested);
    EXPECT_NE(render(comparison).find("not tested"), std::string::npos);
}

TEST(Compare, WhatElseDiffersIsNamed) {
    RunResult other = a_run(5, 1);
    other.plan.stages.front().to = 50;
    other.machine.cores = 8;
    const Comparison comparison = compare(a_run(5, 1), other);
    EXPECT_EQ(comparison.differences.size(), 2U);
}

TEST(Compare, TheTestsAgreeWithKnownValues) {
    // scipy.stats.mannwhitneyu(range(1, 11), range(6, 16), method="asymptotic"): U = 12.5, p = 0.00501.
    std::vector<double> a, b;
    for (int i = 1; i <= 10; ++i) {
        a.push_back(i);
        b.push_back(i + 5);
    }
    EXPECT_NEAR(mann_whitney(a, b), 0.00501, 0.0002);
    EXPECT_DOUBLE_EQ(hodges_lehmann(a, b), 5);
    EXPECT_DOUBLE_EQ(mann_whitney({}, b), 1);
    EXPECT_DOUBLE_EQ(mann_whitney({1, 1, 1}, {1, 1}), 1);
}

TEST(Result, AFileReadBackSaysTheSame) {
    RunResult run = a_run(5, 1, 30, 3);
    run.server_view = ServerView{};
    run.server_view->routes.push_back({.method = "GET", .handler = "/a", .count = 3, .mean_ms = 1.5});
    run.left_out.push_back({.name = "infer", .reason = "no model serves"});
    run.slo.push_back({.text = "p95<75ms", .value = 10, .shown = "10 ms", .met = true});
    run.operations.front().refused.record(std::chrono::milliseconds(3));
    const std::string text = write(run);
    const auto read_back = read(text);
    ASSERT_TRUE(read_back.has_value()) << read_back.error().message;
    EXPECT_EQ(write(*read_back), text);
    EXPECT_EQ(render_html(*read_back), render_html(run));
    EXPECT_EQ(render_text(*read_back), render_text(run));
}

TEST(Result, AnotherFileOrHalfOfOneIsRefused) {
    EXPECT_FALSE(read("{}").has_value());
    EXPECT_FALSE(read("[1]").has_value());
    std::string text = write(a_run(5, 1));
    const std::size_t at = text.find("\"window_s\"");
    ASSERT_NE(at, std::string::npos);
    text.replace(at, 10, "\"window_x\"");
    EXPECT_FALSE(read(text).has_value());
}

TEST(Report, TheHtmlIsOneFileThatAsksNobody) {
    const std::string page = render_html(a_run(5, 1));
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("src="), std::string::npos);
    EXPECT_EQ(page.find("<link"), std::string::npos);
    EXPECT_EQ(page.find("@import"), std::string::npos);
    EXPECT_NE(page.find("<svg"), std::string::npos);
    EXPECT_EQ(page.find("nan"), std::string::npos);
    RunResult nothing;
    nothing.plan.stages = {{.seconds = 1, .from = 1, .to = 1}};
    nothing.target = "http://<b>";
    const std::string empty = render_html(nothing);
    EXPECT_NE(empty.find("No data."), std::string::npos);
    EXPECT_EQ(empty.find("<b>\""), std::string::npos);
    EXPECT_NE(empty.find("&lt;b&gt;"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::load
