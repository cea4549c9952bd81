// Each field of a decision from elsewhere: what is taken, what is refused and by which name.
#include "services/compliance/ingest/decision_json.h"

#include <gtest/gtest.h>

#include "services/compliance/ingest/decision_fields.h"

namespace tidegate::compliance::ingest {
namespace {

constexpr UnixMillis kNow = 1'772'366'400'000;  // 2026-03-01T12:00:00Z

std::expected<Incoming, Faults> read(std::string_view text, std::string_view tenant = {}) {
    return read_decision(text, {.tenant = tenant, .now = kNow, .privacy = nullptr});
}
/// A sound decision with these members too.
std::string with(const std::string& members) {
    return R"({"request_id":"r","input":"i")" + (members.empty() ? "" : "," + members) + "}";
}
Sha256 content_of(const std::string& text) {
    const auto made = read(text);
    EXPECT_TRUE(made) << text;
    return made ? made->content : Sha256{};
}

TEST(DecisionJson, EveryFieldFindsItsPlace) {
    const auto made = read(R"({"request_id":"r-1","timestamp":"2026-03-01T11:59:58.250+00:00","input":{"b":2,"a":"x"},
        "model":"scorer","model_version":"4.2","model_parameters":{"t":0.5},"output":[1,{"x":null}],
        "confidence_scores":{"no":0.2,"yes":0.8},"explanation":"because","processing_time_ms":12.5,"tokens_used":77,
        "tenant_id":"north","user_id":"desk","source":"credit","operation":"limit/text","status":"success",
        "tags":{"region":"eu"}})");
    ASSERT_TRUE(made) << made.error().front().field << made.error().front().message;
    const audit::Decision& decision = made->decision;
    EXPECT_EQ(decision.request_id, "r-1");
    EXPECT_EQ(made->time, kNow - 1750);
    EXPECT_EQ(decision.input_hash, sha256(R"({"a":"x","b":2})"));
    EXPECT_EQ(decision.input_size, 15U);
    EXPECT_EQ(decision.model, "scorer");
    EXPECT_EQ(decision.model_version, "4.2");
    EXPECT_EQ(
        decision.output,
        R"({"output":[1,{"x":null}],"confidence_scores":{"no":0.2,"yes":0.8},"explanation":"because","model_parameters":{"t":0.5}})");
    EXPECT_EQ(decision.confidence, 0.8);
    EXPECT_EQ(decision.band, "yes");
    EXPECT_EQ(decision.latency_us, 12'500);
    EXPECT_EQ(decision.tokens, 77);
    EXPECT_EQ(decision.tenant, "north");
    EXPECT_EQ(decision.actor, "desk");
    EXPECT_EQ(decision.service, "credit");
    EXPECT_EQ(decision.operation, "limit/text");
    ASSERT_EQ(decision.tags.size(), 2U);
    EXPECT_EQ(decision.tags[0], (audit::Tag{"region", "eu"}));
    EXPECT_EQ(decision.tags[1],
              (audit::Tag{std::string(kParametersTag), to_hex(sha256(R"({"t":0.5})")).substr(0, 32)}));
    EXPECT_FALSE(made->input.has_value()) << "nobody keeps the input";
}

TEST(DecisionJson, LittleIsEnough) {
    const auto made =
        read(R"({"request_id":"r","input_hash":"00FF00000000000000000000000000000000000000000000000000000000000a"})");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->time, kNow);
    EXPECT_EQ(made->decision.service, kSourceDefault);
    EXPECT_EQ(made->decision.operation, kOperationDefault);
    EXPECT_EQ(made->decision.input_hash[1], 0xff);
    EXPECT_EQ(made->decision.input_hash[31], 0x0a);
    EXPECT_EQ(made->decision.status, audit::Status::kSuccess);
    EXPECT_FALSE(made->decision.confidence.has_value());
    EXPECT_TRUE(made->decision.output.empty());
}

TEST(DecisionJson, WhatWasNotSaidIsNotStatedAndZeroIs) {
    const std::string hash = R"({"request_id":"r","input_hash":")" + to_hex(sha256("i")) + "\"";
    for (const char* members : {"}", R"(,"processing_time_ms":null,"tokens_used":null,"input_size":null})"}) {
        const auto made = read(hash + members);
        ASSERT_TRUE(made);
        const audit::Decision& none = made->decision;
        EXPECT_FALSE(none.stated_latency_ms() || none.stated_tokens() || none.stated_input_size()) << members;
    }
    const auto made = read(hash + R"(,"processing_time_ms":0,"tokens_used":0,"input_size":0})");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->decision.stated_latency_ms(), 0.0);
    EXPECT_EQ(made->decision.stated_tokens(), 0);
    EXPECT_EQ(made->decision.stated_input_size(), 0U);
    EXPECT_EQ(read(with(""))->decision.stated_input_size(), 1U) << "of an input that is there it is counted";
    // To send 0 under a name that came without is another decision.
    for (const char* member : {R"("processing_time_ms":0)", R"("tokens_used":0)", R"("input_size":0)"}) {
        EXPECT_NE(content_of(hash + "," + member + "}"), content_of(hash + "}")) << member;
    }
}

struct Bad {
    std::string members;
    std::string field;
    std::string type;
};

TEST(DecisionJson, EachFaultIsNamed) {
    const std::string long_name(201, 'x');
    const std::vector<Bad> all{
        {R"("timestamp":"yesterday")", "timestamp", "bad_format"},
        {R"("timestamp":17)", "timestamp", "wrong_type"},
        {R"("timestamp":"2026-03-01T12:05:01Z")", "timestamp", "too_large"},
        {R"("timestamp":"1969-12-31T23:59:59Z")", "timestamp", "too_small"},
        {R"("input_hash":"abc")", "input_hash", "bad_format"},
        {R"("input_hash":")" + std::string(64, '0') + "\"", "input_hash", "not_allowed"},
        {R"("input_size":7)", "input_size", "not_allowed"},
        {R"("input_size":-1)", "input_size", "too_small"},
        {R"("input_size":"1")", "input_size", "wrong_type"},
        {R"("model":5)", "model", "wrong_type"},
        {R"("model":"")", "model", "too_short"},
        {R"("model":")" + long_name + "\"", "model", "too_long"},
        {R"("model_version":"a\u0000b")", "model_version", "bad_format"},
        {R"("model_parameters":"x")", "model_parameters", "wrong_type"},
        {R"("confidence_scores":1.5)", "confidence_scores", "too_large"},
        {R"("confidence_scores":-0.1)", "confidence_scores", "too_small"},
        {R"("confidence_scores":"high")", "confidence_scores", "wrong_type"},
        {R"("confidence_scores":{})", "confidence_scores", "too_short"},
        {R"("confidence_scores":{"a":0.2,"b":"x"})", "confidence_scores", "wrong_type"},
        {R"("confidence_scores":{"":0.2})", "confidence_scores", "bad_format"},
        {R"("processing_time_ms":-1)", "processing_time_ms", "too_small"},
        {R"("processing_time_ms":1e12)", "processing_time_ms", "too_large"},
        {R"("processing_time_ms":"1")", "processing_time_ms", "wrong_type"},
        {R"("tokens_used":1.5)", "tokens_used", "wrong_type"},
        {R"("tokens_used":-3)", "tokens_used", "too_small"},
        {R"("tokens_used":18446744073709551615)", "tokens_used", "too_large"},
        {R"("tenant_id":"")", "tenant_id", "bad_format"},
        {R"("user_id":")" + long_name + "\"", "user_id", "too_long"},
        {R"("source":"")", "source", "too_short"},
        {R"("operation":[])", "operation", "wrong_type"},
        {R"("status":"fine")", "status", "not_allowed"},
        {R"("status":"error")", "error_message", "missing"},
        {R"("error_message":"x")", "error_message", "not_allowed"},
        {R"("status":"error","error_message":")" + std::string(4097, 'x') + "\"", "error_message", "too_long"},
        {R"("tags":[])", "tags", "wrong_type"},
        {R"("tags":{"a":1})", "tags.a", "wrong_type"},
        {R"("tags":{"a":")" + std::string(257, 'x') + "\"}", "tags.a", "too_long"},
        {R"("tags":{"a":"1","a":"2"})", "tags.a", "not_allowed"},
        {R"("tags":{"ingest":"x"})", "tags.ingest", "not_allowed"},
        {R"("tags":{"model_parameters":"x"})", "tags.model_parameters", "not_allowed"},
        {R"("verdict":"x")", "verdict", "not_allowed"},
        {R"("model":"a","model":"b")", "model", "not_allowed"},
    };
    for (const Bad& bad : all) {
        const auto made = read(with(bad.members));
        ASSERT_FALSE(made) << bad.members.substr(0, 100);
        ASSERT_EQ(made.error().size(), 1U) << bad.members.substr(0, 100);
        EXPECT_EQ(made.error()[0].field, bad.field) << bad.members.substr(0, 100);
        EXPECT_EQ(made.error()[0].type, bad.type) << bad.members.substr(0, 100);
    }
}

TEST(DecisionJson, AllFaultsAreNamedAtOnce) {
    const auto made = read(R"({"model":5,"status":"fine","other":1})");
    ASSERT_FALSE(made);
    std::vector<std::string> fields;
    for (const auto& fault : made.error()) fields.push_back(fault.field);
    EXPECT_EQ(fields, (std::vector<std::string>{"model", "status", "other", "request_id", "input_hash"}));
    for (const char* text :
         {"[]", "5", "{", "", "{\"request_id\":\"a b\",\"input\":1}", "{\"request_id\":\"\\u00e4\",\"input\":1}"}) {
        EXPECT_FALSE(read(text)) << text;
    }
}

TEST(DecisionJson, AnOutputOverItsBoundIsRefused) {
    const auto made = read(with(R"("output":")" + std::string(kOutputBytesMax, 'x') + "\""));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error()[0].field, "output");
}

TEST(DecisionJson, TheTenantIsTheKeys) {
    EXPECT_EQ(read(with(""), "north")->decision.tenant, "north");
    EXPECT_EQ(read(with(R"("tenant_id":"north")"), "north")->decision.tenant, "north");
    const auto foreign = read(with(R"("tenant_id":"south")"), "north");
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error()[0].field, "tenant_id");
    EXPECT_EQ(read(with(""))->decision.tenant, "");
}

TEST(DecisionJson, SpellingDoesNotChangeTheContentAndEveryFieldDoes) {
    const std::string plain = R"({"request_id":"r","input":"i","output":{"a":1,"b":[2]},"tags":{"x":"1","y":"2"}})";
    const Sha256 content = content_of(plain);
    EXPECT_EQ(
        content_of(
            R"({ "tags":{"y":"2","x":"1"}, "output":{"b":[ 2],"a":1},"status":"success","model":null,"input":"i","request_id":"r"})"),
        content);
    EXPECT_EQ(content_of(R"({"request_id":"r","input_hash":")" + to_hex(sha256("i")) +
                         R"(","input_size":1,"output":{"a":1,"b":[2]},"tags":{"x":"1","y":"2"}})"),
              content);
    for (const char* member : {R"("timestamp":"2026-03-01T12:00:00Z")", R"("model":"m")", R"("model_version":"m")",
                               R"("model_parameters":{})", R"("confidence_scores":0.5)", R"("explanation":"e")",
                               R"("processing_time_ms":1)", R"("tokens_used":1)", R"("user_id":"u")", R"("source":"s")",
                               R"("operation":"o")", R"("status":"error","error_message":"e")"}) {
        EXPECT_NE(content_of(plain.substr(0, plain.size() - 1) + "," + member + "}"), content) << member;
    }
    EXPECT_NE(content_of(R"({"request_id":"r","input":"j","output":{"a":1,"b":[2]},"tags":{"x":"1","y":"2"}})"),
              content);
    EXPECT_NE(content_of(R"({"request_id":"r","input":"i","output":{"a":1,"b":[3]},"tags":{"x":"1","y":"2"}})"),
              content);
    EXPECT_NE(content_of(R"({"request_id":"r","input":"i","output":{"a":1,"b":[2]},"tags":{"x":"1","y":"3"}})"),
              content);
}

}  // namespace
}  // namespace tidegate::compliance::ingest
