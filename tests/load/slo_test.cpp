#include "load/slo.h"

#include <gtest/gtest.h>

#include "load/result.h"

namespace tidegate::load {
namespace {

RunResult a_run() {
    RunResult run;
    run.window_s = 10;
    run.answers_per_s = 100;
    run.all.sent = 1000;
    run.all.good = 990;
    run.all.errors = 10;
    for (int i = 1; i <= 1000; ++i) run.all.ok.record(std::chrono::microseconds(i * 100));
    run.operations.push_back({.name = "detect_text", .sent = 500, .good = 500});
    for (int i = 1; i <= 100; ++i) run.operations.back().ok.record(std::chrono::milliseconds(i));
    run.operations.push_back({.name = "idle"});
    return run;
}

bool met(std::string_view text) {
    const auto slos = parse_slos(text);
    EXPECT_TRUE(slos.has_value()) << text;
    const auto outcomes = judge(*slos, a_run());
    EXPECT_TRUE(outcomes.has_value()) << text;
    EXPECT_EQ(outcomes->size(), 1U);
    return outcomes->front().met;
}

TEST(Slo, IsJudgedByTheNumbersOfTheRun) {
    EXPECT_TRUE(met("p50<51ms"));
    EXPECT_FALSE(met("p50<49ms"));
    EXPECT_TRUE(met("p95<0.096s"));
    EXPECT_TRUE(met("p99.9<=100.1ms"));
    EXPECT_FALSE(met("p99.9<99ms"));
    EXPECT_TRUE(met("max<=100ms"));
    EXPECT_FALSE(met("max<99999us"));
    EXPECT_TRUE(met("mean>50ms"));
    EXPECT_TRUE(met("errors<1.1%"));
    EXPECT_FALSE(met("errors<1%"));
    EXPECT_TRUE(met("errors<=1%"));
    EXPECT_TRUE(met("errors<11"));
    EXPECT_FALSE(met("errors<10"));
    EXPECT_TRUE(met("rps>=100"));
    EXPECT_FALSE(met("rps>100"));
    EXPECT_TRUE(met("requests>=1000"));
}

TEST(Slo, OfOneOperationLooksAtThatAlone) {
    EXPECT_TRUE(met("detect_text.p99<=99.5ms"));
    EXPECT_FALSE(met("detect_text.p99.9<50ms"));
    EXPECT_TRUE(met("detect_text.errors<0.1%"));
    EXPECT_TRUE(met("detect_text.rps>=50"));
}

TEST(Slo, WithoutAnAnswerNoLatencyIsSmallEnough) {
    EXPECT_FALSE(met("idle.p95<10s"));
    EXPECT_FALSE(met("idle.max<10s"));
    EXPECT_FALSE(met("idle.errors<1%"));
    EXPECT_FALSE(met("idle.errors<=0"));
}

TEST(Slo, OfAnOperationThatIsNotThereIsRefused) {
    const auto slos = parse_slos("nothing.p95<10ms");
    ASSERT_TRUE(slos.has_value());
    EXPECT_FALSE(judge(*slos, a_run()).has_value());
}

TEST(Slo, ManyAreReadInTheirOrder) {
    const auto slos = parse_slos("p95<75ms, errors<0.1%,rps>=15000");
    ASSERT_TRUE(slos.has_value());
    ASSERT_EQ(slos->size(), 3U);
    EXPECT_EQ((*slos)[0].text, "p95<75ms");
    EXPECT_DOUBLE_EQ((*slos)[0].bound, 75);
    EXPECT_DOUBLE_EQ((*slos)[1].bound, 0.001);
    EXPECT_EQ((*slos)[1].measure, Slo::Measure::kErrorShare);
    EXPECT_EQ((*slos)[2].compare, Slo::Compare::kGreaterEqual);
}

TEST(Slo, WhatCannotBeReadIsNamed) {
    for (const char* wrong :
         {"", "p95", "p95<", "p95<75", "p95<75m", "p95=75ms", "p0<1ms", "p100<1ms", "p<1ms", "q95<1ms", "errors<0.1ms",
          "errors<101%", "rps>1%", ".p95<1ms", "a.b<1ms", "p95<-1ms", "p95<nanms", "p95<1ms,"}) {
        const auto slos = parse_slos(wrong);
        EXPECT_FALSE(slos.has_value()) << wrong;
    }
}

}  // namespace
}  // namespace tidegate::load
