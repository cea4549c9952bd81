#include "base/canonical_json.h"

#include <gtest/gtest.h>

namespace tidegate::json {
namespace {

std::string canonical(std::string_view text, unsigned decimals = 0) {
    const auto document = parse(text);
    EXPECT_TRUE(document.has_value()) << text;
    std::string out;
    if (document) append_canonical(out, document->root(), decimals);
    return out;
}

TEST(CanonicalJson, SpellingDoesNotMatter) {
    EXPECT_EQ(canonical(R"({ "b" : [1, 2.50] , "a" : "\u0041\/" })"), R"({"a":"A/","b":[1,2.5]})");
    EXPECT_EQ(canonical(R"({"a":1e2})"), canonical(R"({"a":100.0})"));
    EXPECT_EQ(canonical(R"({"x":{"d":1,"c":2}})"), canonical(R"({"x":{"c":2,"d":1}})"));
}

TEST(CanonicalJson, WhatDiffersStaysApart) {
    EXPECT_NE(canonical("1"), canonical("1.0"));
    EXPECT_NE(canonical("[1,2]"), canonical("[2,1]"));
    EXPECT_NE(canonical(R"({"a":1})"), canonical(R"({"a":1,"a":1})"));
    EXPECT_NE(canonical(R"({"a":1,"a":2})"), canonical(R"({"a":2,"a":1})"));
    EXPECT_NE(canonical("null"), canonical("\"null\""));
    EXPECT_NE(canonical("18446744073709551615"), canonical("18446744073709551614"));
}

TEST(CanonicalJson, RoundedNumbersThatAgreeAreOneQuestion) {
    EXPECT_EQ(canonical("[51.50721,-0.12761]", 3), canonical("[51.50749,-0.1284]", 3));
    EXPECT_EQ(canonical("51.50721", 2), "51.51");
    EXPECT_EQ(canonical("-0.0001", 2), canonical("0", 2));
    EXPECT_EQ(canonical("7", 2), canonical("7.0", 2));
    EXPECT_NE(canonical("51.506", 3), canonical("51.507", 3));
    EXPECT_EQ(canonical("9007199254740993", 4), "9007199254740993");
    EXPECT_EQ(canonical("1e300", 15), canonical("1e300"));
}

TEST(CanonicalJson, OfItselfIsItself) {
    for (const std::string_view text : {R"({"z":[],"a":{"k":null,"b":[true,false,"\u0001"]}})", "[]", "0.1", "\"\""}) {
        EXPECT_EQ(canonical(canonical(text)), canonical(text));
    }
}

}  // namespace
}  // namespace tidegate::json
