#include "telemetry/otlp_json.h"

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "support/otlp_check.h"

namespace tidegate::telemetry {
namespace {

using namespace std::chrono_literals;
using testing::OtlpCheck;
using testing::SeenSpan;

observe::RequestSpan request() {
    observe::RequestSpan span;
    span.context.trace_id = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                             0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
    span.context.span_id = {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7};
    span.context.flags = 1;
    span.ended_at = 1'760'000'000'000;
    span.took = 12'345'678ns;
    span.method = "POST";
    span.route = "/api/v1/detect/text";
    span.request_id = "r \"1\"\n";
    span.status = 200;
    span.body_bytes = 345;
    span.stages.add("receive", 1ms);
    span.stages.add("upstream", 5ms);
    return span;
}

OtlpCheck check(const std::vector<observe::RequestSpan>& requests) {
    SeededRandom random(1);
    OtlpCheck seen(
        to_otlp_json({.service_name = "gate", .service_version = "1.2", .instance_id = "i"}, requests, random));
    for (const std::string& error : seen.errors) ADD_FAILURE() << error;
    return seen;
}

TEST(OtlpJson, ARequestIsASpanWithItsStagesBelow) {
    const OtlpCheck seen = check({request()});
    EXPECT_EQ(seen.resource_attributes.at("service.name"), "gate");
    ASSERT_EQ(seen.spans.size(), 3U);
    const SeenSpan& server = seen.spans[0];
    EXPECT_EQ(server.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(server.span_id, "00f067aa0ba902b7");
    EXPECT_EQ(server.parent, "");
    EXPECT_EQ(server.name, "POST /api/v1/detect/text");
    EXPECT_EQ(server.kind, 2);
    EXPECT_EQ(server.end, 1'760'000'000'000'000'000U);
    EXPECT_EQ(server.start, server.end - 12'345'678U);
    EXPECT_EQ(server.status, 0);
    EXPECT_EQ(server.attributes.at("http.response.status_code"), "200");
    EXPECT_EQ(server.attributes.at("http.route"), "/api/v1/detect/text");
    EXPECT_EQ(server.attributes.at("tidegate.request_id"), "r \"1\"\n");
    EXPECT_FALSE(server.attributes.contains("gen_ai.operation.name"));
    EXPECT_EQ(seen.spans[1].name, "receive");
    EXPECT_EQ(seen.spans[1].start, server.start);
    EXPECT_EQ(seen.spans[1].end, server.start + 1'000'000U);
    EXPECT_EQ(seen.spans[2].start, seen.spans[1].end);
    for (const std::size_t i : {1U, 2U}) {
        EXPECT_EQ(seen.spans[i].parent, server.span_id);
        EXPECT_EQ(seen.spans[i].trace_id, server.trace_id);
        EXPECT_EQ(seen.spans[i].kind, 1) << "no upstream was told of a span";
    }
    EXPECT_NE(seen.spans[1].span_id, seen.spans[2].span_id);
}

TEST(OtlpJson, TheCallOfAnUpstreamHasTheIdThatItWasTold) {
    observe::RequestSpan span = request();
    span.upstream = {1, 2, 3, 4, 5, 6, 7, 8};
    span.parent = {9, 9, 9, 9, 9, 9, 9, 9};
    span.trace_state = "vendor=1";
    const OtlpCheck seen = check({span});
    EXPECT_EQ(seen.spans[0].parent, "0909090909090909");
    EXPECT_EQ(seen.spans[0].state, "vendor=1");
    EXPECT_EQ(seen.spans[0].flags, 0x301);
    EXPECT_EQ(seen.spans[2].name, "upstream");
    EXPECT_EQ(seen.spans[2].span_id, "0102030405060708");
    EXPECT_EQ(seen.spans[2].kind, 3);
}

TEST(OtlpJson, OnlyAFailureOfOursIsAnError) {
    observe::RequestSpan refused = request();
    refused.status = 404;
    refused.route.clear();
    observe::RequestSpan failed = request();
    failed.status = 503;
    const OtlpCheck seen = check({refused, failed});
    EXPECT_EQ(seen.spans[0].status, 0);
    EXPECT_EQ(seen.spans[0].name, "POST");
    EXPECT_EQ(seen.spans[3].status, 2);
    EXPECT_EQ(seen.spans[3].attributes.at("error.type"), "503");
}

TEST(OtlpJson, AModelsAnswerSaysWhichModel) {
    observe::RequestSpan span = request();
    span.use = observe::ModelUse{.service = "inference",
                                 .operation = "embeddings",
                                 .model = "small",
                                 .version = "1+ab",
                                 .tokens = 17,
                                 .answers = 2};
    const OtlpCheck seen = check({span});
    const auto& attributes = seen.spans[0].attributes;
    EXPECT_EQ(attributes.at("gen_ai.operation.name"), "embeddings");
    EXPECT_EQ(attributes.at("gen_ai.response.model"), "small");
    EXPECT_EQ(attributes.at("gen_ai.usage.input_tokens"), "17");
    EXPECT_EQ(attributes.at("tidegate.decisions"), "2");
}

TEST(OtlpJson, WhatACollectorRejectedIsRead) {
    EXPECT_EQ(rejected_spans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}})"), 3U);
    EXPECT_EQ(rejected_spans(R"({"partialSuccess":{"rejectedSpans":4}})"), 4U);
    for (const std::string_view nothing :
         {"{}", "", "[]", "null", R"({"partialSuccess":{}})", R"({"partialSuccess":7})",
          R"({"partialSuccess":{"rejectedSpans":-1}})", R"({"partialSuccess":{"rejectedSpans":"x"}})"}) {
        EXPECT_EQ(rejected_spans(nothing), 0U) << nothing;
    }
}

TEST(TraceSampler, TheRatioIsThatOfTheIdsAndACallersWordComesFirst) {
    SeededRandom random(7);
    const observe::TraceSampler tenth{.ratio = 0.1, .parent_based = true};
    const observe::TraceSampler half{.ratio = 0.5, .parent_based = false};
    int taken = 0;
    for (int i = 0; i < 20'000; ++i) {
        const observe::TraceContext trace = observe::start_trace(random);
        if (!tenth.takes(std::nullopt, trace.trace_id)) continue;
        ++taken;
        EXPECT_TRUE(half.takes(std::nullopt, trace.trace_id)) << "who keeps more keeps these too";
    }
    EXPECT_NEAR(taken, 2000, 200);
    observe::TraceContext parent = observe::start_trace(random);
    parent.trace_id.fill(0xFF);
    EXPECT_FALSE(tenth.takes(parent, parent.trace_id));
    parent.flags = 1;
    EXPECT_TRUE(tenth.takes(parent, parent.trace_id));
    EXPECT_FALSE(half.takes(parent, parent.trace_id)) << "the id is over the ratio";
    const observe::TraceSampler none{.ratio = 0, .parent_based = false};
    const observe::TraceSampler all{.ratio = 1, .parent_based = false};
    EXPECT_FALSE(none.takes(std::nullopt, observe::TraceId{1}));
    EXPECT_TRUE(all.takes(std::nullopt, parent.trace_id));
}

}  // namespace
}  // namespace tidegate::telemetry
