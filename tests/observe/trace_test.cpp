#include "observe/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::observe {
namespace {

constexpr std::string_view kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, TheRecommendationsExampleIsReadAndWrittenBack) {
    const auto context = parse_traceparent(kGood);
    ASSERT_TRUE(context);
    EXPECT_TRUE(context->sampled());
    EXPECT_EQ(trace_id_hex(context->trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(format_traceparent(*context), kGood);
}

TEST(Traceparent, BrokenOnesAreNoContext) {
    const std::vector<std::string> broken{
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",      // Short.
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",    // Version 00 has no fifth field.
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-ab",  //
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",     // Upper case.
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",     // Zero trace.
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",     // Zero span.
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",     // Forbidden version.
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",     //
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",     //
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",     //
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",    //
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",   // A later version's tail begins with a
                                                                       // dash.
    };
    for (const std::string& header : broken) EXPECT_FALSE(parse_traceparent(header)) << header;
}

TEST(Traceparent, ALaterVersionIsReadByItsFirstFourFields) {
    const auto context =
        parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0f-what-the-future-brings");
    ASSERT_TRUE(context);
    EXPECT_EQ(format_traceparent(*context), kGood);
    EXPECT_TRUE(parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
}

TEST(Traceparent, AChildKeepsTheTraceAndTheFlags) {
    SeededRandom random(1);
    const TraceContext parent = *parse_traceparent(kGood);
    const TraceContext child = child_of(parent, random);
    EXPECT_EQ(child.trace_id, parent.trace_id);
    EXPECT_EQ(child.flags, parent.flags);
    EXPECT_NE(child.span_id, parent.span_id);
    const TraceContext fresh = start_trace(random);
    EXPECT_TRUE(parse_traceparent(format_traceparent(fresh)));
    EXPECT_FALSE(fresh.sampled());
}

TEST(Tracestate, PassesUpToTheLimitsAndNothingBeyond) {
    EXPECT_EQ(pass_tracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    EXPECT_EQ(pass_tracestate(std::string(512, 'a')).size(), 512U);
    EXPECT_EQ(pass_tracestate(std::string(513, 'a')), "");
    EXPECT_EQ(pass_tracestate("a=1\r\nSet-Cookie: x"), "");
    std::string many = "a=1";
    for (int i = 0; i < 31; ++i) many += ",a=1";
    EXPECT_EQ(pass_tracestate(many), many);
    EXPECT_EQ(pass_tracestate(many + ",a=1"), "");
}

TEST(StageTimes, KeepsOrderAndWritesServerTiming) {
    StageTimes times;
    EXPECT_EQ(times.server_timing(), "");
    times.add("parse", std::chrono::microseconds(12));
    times.add("detect", std::chrono::microseconds(1301));
    EXPECT_EQ(times.server_timing(), "parse;dur=0.012, detect;dur=1.301");
    EXPECT_EQ(times.total(), std::chrono::microseconds(1313));
}

TEST(StageTimes, TimeBeyondTheLastStageIsNotLost) {
    StageTimes times;
    for (int i = 0; i < 20; ++i) times.add("s", Duration(10));
    EXPECT_EQ(times.stages().size(), StageTimes::kStagesMax);
    EXPECT_EQ(times.total(), Duration(200));
}

}  // namespace
}  // namespace tidegate::observe
