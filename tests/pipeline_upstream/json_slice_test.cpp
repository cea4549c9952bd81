#include "pipeline/upstream/json_slice.h"

#include <string>

#include "base/json.h"
#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

TEST(JsonSliceTest, OneValueIsFoundWithoutTheBlanksAroundIt) {
    for (const std::string_view value :
         {"null", "true", "false", "0", "-0", "-12.5e-3", "1E+9", "\"\"", "\"a\\\"b\\\\\"", "\"\\u00e9\\ud83d\\ude00\"",
          "[]", "{}", "[1, [2], {\"a\":[]}]", "{\"a\" : 1 , \"b\" : \"}\"}", "\"\xc3\xa9\"",
          "123456789012345678901234567890", "1e999"}) {
        EXPECT_EQ(json_value(" \n\t" + std::string(value) + "\r\n "), value);
    }
}

TEST(JsonSliceTest, WhatIsNotExactlyOneValueIsRefused) {
    for (const std::string_view text : {"",
                                        " ",
                                        "nul",
                                        "nulll",
                                        "01",
                                        "+1",
                                        "-",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "0x1",
                                        "NaN",
                                        "\"",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12g4\"",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "\"\n\"",
                                        "[",
                                        "[1",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{\"a\":1 \"b\":2}",
                                        "1 2",
                                        "[]]",
                                        "{}}",
                                        "1],\"x\":[2",
                                        "\"\xc3\"",
                                        "\"\xed\xa0\x80\"",
                                        "'a'",
                                        "\xef\xbb\xbf{}",
                                        "/**/1"}) {
        EXPECT_EQ(json_value(text), std::nullopt) << text;
    }
    EXPECT_EQ(json_value(std::string_view("\"\0\"", 3)), std::nullopt);
}

TEST(JsonSliceTest, DepthIsBounded) {
    EXPECT_TRUE(json_value(std::string(64, '[') + std::string(64, ']')));
    EXPECT_FALSE(json_value(std::string(65, '[') + std::string(65, ']')));
    EXPECT_FALSE(json_value(std::string(1'000'000, '[')));
}

TEST(JsonSliceTest, ElementsAndMembersKeepTheirBytes) {
    const auto elements = json_elements(R"([ 1.50 ,"a,]", {"x":[1,2]},[] ])");
    ASSERT_TRUE(elements);
    EXPECT_EQ(*elements, (std::vector<std::string_view>{"1.50", "\"a,]\"", R"({"x":[1,2]})", "[]"}));
    const auto members = json_members(R"({ "a" : 1.0 ,"b\u0063":[ 1 ] })");
    ASSERT_TRUE(members);
    ASSERT_EQ(members->size(), 2U);
    EXPECT_EQ((*members)[0].name, "a");
    EXPECT_EQ((*members)[0].value, "1.0");
    EXPECT_EQ((*members)[1].name, "b\\u0063");
    EXPECT_EQ((*members)[1].value, "[ 1 ]");
    EXPECT_EQ(json_elements("{}"), std::nullopt);
    EXPECT_FALSE(json_members("[]"));
    EXPECT_TRUE(json_elements("[]")->empty());
    EXPECT_TRUE(json_members("{}")->empty());
}

// Random edits of valid documents: whatever we accept, the parser of the house accepts too, except for what only it limits
// (numbers beyond its types), and the other way round except for what only we refuse (lone surrogates it also refuses).
TEST(JsonSliceTest, AgreesWithTheParserOfTheHouse) {
    const std::vector<std::string> seeds{R"({"a":[1,2.5,-3e4],"b":{"c":"d\n\u00e9"},"e":null,"f":[true,false]})",
                                         R"([{"x":""},[[]],"\ud83d\ude00",0,-0.0,1E5])", R"("just a string \\ \" \/")"};
    const std::string alphabet = "{}[]\",:\\u0019ed.+-tfn ntrue\x01\xc3\xa9\xff/";
    SeededRandom dice(21);
    int accepted = 0;
    for (int i = 0; i < 60000; ++i) {
        std::string text = seeds[dice.next_u64() % seeds.size()];
        for (std::uint64_t edits = dice.next_u64() % 4; edits > 0; --edits) {
            const std::size_t at = dice.next_u64() % text.size();
            const char c = alphabet[dice.next_u64() % alphabet.size()];
            switch (dice.next_u64() % 3) {
                case 0:
                    text[at] = c;
                    break;
                case 1:
                    text.insert(text.begin() + static_cast<std::ptrdiff_t>(at), c);
                    break;
                default:
                    text.erase(at, 1);
            }
            if (text.empty()) text = "0";
        }
        const bool ours = json_value(text).has_value();
        const bool theirs = json::parse(text).has_value();
        accepted += ours ? 1 : 0;
        if (theirs) {
            ASSERT_TRUE(ours) << text;
        }
        if (ours && !theirs) {
            // Only a number that fits no type of the parser may be the reason.
            ASSERT_NE(text.find_first_of("0123456789"), std::string::npos) << text;
            ASSERT_NE(text.find_first_of("eE19"), std::string::npos) << text;
        }
    }
    EXPECT_GT(accepted, 10000);
}

}  // namespace
}  // namespace tidegate::upstream
