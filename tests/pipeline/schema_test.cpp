// What a schema promises: every failing field is named, unknown fields are warnings, limits count code
// points.
#include "pipeline/schema.h"

#include <gtest/gtest.h>

namespace tidegate::pipeline {
namespace {

Findings check(const Schema& schema, std::string_view text) {
    auto document = json::parse(text);
    EXPECT_TRUE(document.has_value()) << text;
    Findings findings;
    schema.validate(document->root(), "", findings);
    return findings;
}

std::string first_type(const Schema& schema, std::string_view text) {
    const Findings findings = check(schema, text);
    return findings.errors.empty() ? "" : findings.errors.front().field + ":" + findings.errors.front().type;
}

const Schema kPerson = Schema::object({
    required("name", Schema::string().size(1, 5)),
    optional("age", Schema::integer().range(0, 150)),
    optional("tags", Schema::array(Schema::string().one_of({"a", "b"})).size(1, 2)),
    optional("born", Schema::string().format("date-time")),
    optional("id", Schema::string().format("uuid")),
    optional("note", Schema::string().nullable()),
    optional("inner", Schema::object({required("x", Schema::number())})),
});

TEST(Schema, AcceptsWhatItDeclares) {
    EXPECT_EQ(first_type(kPerson, R"({"name":"Ada","age":36,"tags":["a"],"born":"1815-12-10T00:00:00Z","note":null,
        "id":"0190b6f2-9c1e-7abc-8def-0123456789ab","inner":{"x":1}})"),
              "");
}

TEST(Schema, NamesTheFieldAndTheReason) {
    EXPECT_EQ(first_type(kPerson, R"({})"), "name:missing");
    EXPECT_EQ(first_type(kPerson, R"({"name":5})"), "name:wrong_type");
    EXPECT_EQ(first_type(kPerson, R"({"name":null})"), "name:wrong_type");
    EXPECT_EQ(first_type(kPerson, R"({"name":""})"), "name:too_short");
    EXPECT_EQ(first_type(kPerson, R"({"name":"abcdef"})"), "name:too_long");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","age":-1})"), "age:too_small");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","age":151})"), "age:too_large");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","age":1.5})"), "age:wrong_type");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","tags":[]})"), "tags:too_short");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","tags":["a","b","a"]})"), "tags:too_long");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","tags":["a","c"]})"), "tags[1]:not_allowed");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","born":"yesterday"})"), "born:bad_format");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","id":"12"})"), "id:bad_format");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","inner":{"x":"1"}})"), "inner.x:wrong_type");
    EXPECT_EQ(first_type(kPerson, R"([])"), ":wrong_type");
    EXPECT_EQ(first_type(kPerson, R"({"name":"a\u0000b"})"), "name:not_allowed");
}

TEST(Schema, WholeNumbersWrittenWithAPointAreIntegers) {
    EXPECT_EQ(first_type(kPerson, R"({"name":"a","age":36.0})"), "");
}

TEST(Schema, CountsCodePointsNotBytes) {
    EXPECT_EQ(first_type(kPerson, R"({"name":"äöüßé"})"), "");
    EXPECT_EQ(first_type(kPerson, R"({"name":"🌊🌊🌊🌊🌊🌊"})"), "name:too_long");
}

TEST(Schema, ReportsSeveralFieldsAtOnceAndStopsAtTheLimit) {
    EXPECT_EQ(check(kPerson, R"({"age":"x","tags":5})").errors.size(), 3U);
    std::string many = "[";
    for (int i = 0; i < 1000; ++i) many += (i == 0 ? "1" : ",1");
    EXPECT_EQ(check(Schema::array(Schema::string()), many + "]").errors.size(), Findings::kErrorsMax);
}

TEST(Schema, UnknownFieldsAreWarningsAndBounded) {
    const Findings findings = check(kPerson, R"({"name":"a","nmae":1,"inner":{"x":1,"y":2}})");
    EXPECT_TRUE(findings.errors.empty());
    EXPECT_EQ(findings.warnings,
              (std::vector<std::string>{"unknown field ignored: inner.y", "unknown field ignored: nmae"}));
    std::string many = R"({"name":"a")";
    for (int i = 0; i < 100; ++i) many += ",\"" + std::string(200, 'k') + std::to_string(i) + "\":0";
    const Findings bounded = check(kPerson, many + "}");
    EXPECT_EQ(bounded.warnings.size(), Findings::kWarningsMax);
    EXPECT_LT(bounded.warnings.front().size(), 100U);
}

TEST(Schema, ARepeatedFieldIsNamedAndTheFirstCounts) {
    const Findings findings = check(kPerson, R"({"name":"a","name":5,"inner":{"x":1,"x":2}})");
    EXPECT_TRUE(findings.errors.empty());
    EXPECT_EQ(findings.warnings, (std::vector<std::string>{"repeated field, the first counts: inner.x",
                                                           "repeated field, the first counts: name"}));
}

TEST(Schema, ChecksParametersGivenAsText) {
    const auto type_of = [](const Schema& schema, std::string_view text) {
        Findings findings;
        schema.validate_text(text, "p", findings);
        return findings.errors.empty() ? std::string() : findings.errors.front().type;
    };
    const Schema limit = Schema::integer().range(1, 500);
    EXPECT_EQ(type_of(limit, "500"), "");
    EXPECT_EQ(type_of(limit, "501"), "too_large");
    EXPECT_EQ(type_of(limit, "0"), "too_small");
    for (const char* bad : {"", "x", "1.5", "1e2", " 1", "99999999999999999999"})
        EXPECT_EQ(type_of(limit, bad), "wrong_type") << bad;
    EXPECT_EQ(type_of(Schema::number(), "nan"), "wrong_type");
    EXPECT_EQ(type_of(Schema::boolean(), "yes"), "wrong_type");
    EXPECT_EQ(type_of(Schema::string(), "\xff"), "bad_format");
}

TEST(Schema, WritesJsonSchema) {
    std::string out;
    JsonWriter writer(out);
    Schema::object({required("t", Schema::array(Schema::string().size(1, 3).doc("d")).size(0, 2)),
                    optional("n", Schema::number().nullable())})
        .write(writer);
    EXPECT_EQ(
        out, R"({"type":"object","properties":{"t":{"type":"array","minItems":0,"maxItems":2,"items":{"type":"string",)"
             R"("description":"d","minLength":1,"maxLength":3}},"n":{"type":["number","null"]}},"required":["t"]})");
}

}  // namespace
}  // namespace tidegate::pipeline
