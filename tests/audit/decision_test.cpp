#include "audit/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/make_decision.h"
#include "base/json.h"

namespace tidegate::audit {
namespace {

using ::testing::HasSubstr;

TEST(Decision, IsWrittenAsJsonInTheOrderOfItsFields) {
    SeededRandom random(3);
    Decision decision = make_decision(1'772'366'400'123, random, 3);
    decision.input_hash = {};
    const std::string id = to_string(decision.id);
    EXPECT_EQ(
        to_json(decision),
        R"({"id":")" + id +
            R"(","request_id":"request-3","time":"2026-03-01T12:00:00.123Z","tenant":null,"actor":"key-0",)"
            R"("service":"provenance","operation":"detect/text","input_hash":")" +
            std::string(64, '0') +
            R"(","input_size":21,"model":"text_detector","model_version":"1.1.0","output":{"score":3},"band":"human",)"
            R"("confidence":0.03,"status":"success","error":null,"latency_ms":0.109,)"
            R"("stages_ms":{"parse":0.003,"detect":0.003},"cache":"miss","spend_points":0.1,"tokens":3,"trace_id":null,)"
            R"("tags":{"language":"en","note":"a\"b\n"}})");
    decision.output.clear();
    decision.confidence.reset();
    EXPECT_TRUE(json::parse(to_json(decision)));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("output":null)"));
}

TEST(Decision, WhatNobodyStatedIsNullAndNotZero) {
    SeededRandom random(3);
    Decision decision = make_decision(1'772'366'400'123, random, 3);
    decision.input_size = 0;
    decision.latency_us = decision.tokens = 0;
    ASSERT_TRUE(check(decision));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("input_size":0,)"));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("latency_ms":0,)"));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("tokens":0,)"));
    decision.input_size_stated = decision.latency_stated = decision.tokens_stated = false;
    ASSERT_TRUE(check(decision));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("input_size":null,)"));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("latency_ms":null,)"));
    EXPECT_THAT(to_json(decision), HasSubstr(R"("tokens":null,)"));
    EXPECT_TRUE(json::parse(to_json(decision)));
}

TEST(Decision, AnEventOfTheLogsOwnStatesNoFigureOfADecision) {
    const ManualClock clock(1'772'366'400'123);
    SeededRandom random(3);
    const Decision event = own_event("audit", "gap", clock, random);
    ASSERT_TRUE(check(event));
    EXPECT_EQ(event.kind, RecordKind::kEvent);
    EXPECT_EQ(event.time(), 1'772'366'400'123);
    EXPECT_EQ(event.request_id, to_string(event.id));
    EXPECT_FALSE(event.stated_latency_ms() || event.stated_input_size() || event.stated_tokens());
}

TEST(Decision, ItsTimeIsThatOfItsId) {
    SeededRandom random(3);
    EXPECT_EQ(make_decision(1'772'366'400'123, random).time(), 1'772'366'400'123);
}

TEST(Decision, StatusNamesReadBack) {
    for (const Status status :
         {Status::kSuccess, Status::kError, Status::kRefused, Status::kTimeout, Status::kCancelled}) {
        EXPECT_EQ(parse_status(to_string(status)), status);
    }
    EXPECT_FALSE(parse_status("fine"));
}

TEST(Decision, TheContentTypeIsTheLastPartOfTheOperation) {
    EXPECT_EQ(content_type_of("detect/text"), "text");
    EXPECT_EQ(content_type_of("predict"), "predict");
    EXPECT_EQ(content_type_of(""), "");
}

TEST(DecisionCheck, NamesWhatIsWrong) {
    SeededRandom random(3);
    const Decision good = make_decision(1'772'366'400'123, random, 1);
    ASSERT_TRUE(check(good));
    const auto broken = [&good](auto&& change) {
        Decision decision = good;
        change(decision);
        const auto result = check(decision);
        return result ? std::string("accepted") : result.error().message;
    };
    EXPECT_THAT(broken([](Decision& d) { d.id = {}; }), HasSubstr("id"));
    EXPECT_THAT(broken([](Decision& d) { d.request_id = ""; }), HasSubstr("request_id"));
    EXPECT_THAT(broken([](Decision& d) { d.request_id = "a\nb"; }), HasSubstr("request_id"));
    EXPECT_THAT(broken([](Decision& d) { d.service.clear(); }), HasSubstr("service"));
    EXPECT_THAT(broken([](Decision& d) { d.model.assign(201, 'x'); }), HasSubstr("name"));
    EXPECT_THAT(broken([](Decision& d) { d.confidence = 1.01; }), HasSubstr("confidence"));
    EXPECT_THAT(broken([](Decision& d) { d.confidence = std::nan(""); }), HasSubstr("confidence"));
    EXPECT_THAT(broken([](Decision& d) { d.error = "x"; }), HasSubstr("error"));
    EXPECT_THAT(broken([](Decision& d) { d.status = Status::kTimeout; }), HasSubstr("error"));
    EXPECT_THAT(broken([](Decision& d) { d.latency_us = -1; }), HasSubstr("latency"));
    EXPECT_THAT(broken([](Decision& d) { d.latency_stated = false; }), HasSubstr("not stated"));
    EXPECT_THAT(broken([](Decision& d) { d.input_size_stated = false; }), HasSubstr("not stated"));
    EXPECT_THAT(broken([](Decision& d) { d.tokens_stated = false; }), HasSubstr("not stated"));
    EXPECT_THAT(broken([](Decision& d) { d.output.assign(5 * 1024 * 1024, '1'); }), HasSubstr("output"));
    EXPECT_THAT(broken([](Decision& d) { d.tags.resize(65, {"a", "b"}); }), HasSubstr("tags"));
    EXPECT_THAT(broken([](Decision& d) { d.stages.push_back({"", 1}); }), HasSubstr("stages"));
}

TEST(Decision, StageTimesBecomeMicroseconds) {
    observe::StageTimes times;
    times.add("parse", Duration(1'999));
    times.add("detect", Duration(2'000'000));
    EXPECT_EQ(stage_latencies(times), (std::vector<StageLatency>{{"parse", 1}, {"detect", 2'000}}));
}

}  // namespace
}  // namespace tidegate::audit
