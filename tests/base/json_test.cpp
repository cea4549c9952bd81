#include "base/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace tidegate::json {
namespace {

std::string again(std::string_view text) {
    const auto document = parse(text);
    if (!document) return "(" + document.error().message + ")";
    std::string out;
    append(out, document->root());
    return out;
}

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Json, EveryKindIsTold) {
    const auto document = parse(R"([null, true, -1, 18446744073709551615, 0.5, "x", [], {}])");
    ASSERT_TRUE(document);
    std::vector<Kind> kinds;
    document->root().each([&](Value value) { kinds.push_back(value.kind()); });
    EXPECT_EQ(kinds, (std::vector<Kind>{Kind::kNull, Kind::kBool, Kind::kInteger, Kind::kUnsigned, Kind::kDouble,
                                        Kind::kString, Kind::kArray, Kind::kObject}));
    EXPECT_EQ(to_string(Kind::kUnsigned), "integer");
    EXPECT_EQ(to_string(Kind::kDouble), "number");
}

TEST(Json, NumbersKeepTheirValue) {
    const auto document = parse("[-9223372036854775808, 9223372036854775807, 18446744073709551615, 1e3, 0.1, -0.0]");
    ASSERT_TRUE(document);
    std::vector<Value> values;
    document->root().each([&](Value value) { values.push_back(value); });
    EXPECT_EQ(values[0].as_int(), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(values[1].as_int(), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(values[1].as_unsigned(), static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    EXPECT_TRUE(values[2].is_integer());
    EXPECT_EQ(values[2].as_double(), 18446744073709551615.0);
    EXPECT_FALSE(values[3].is_integer());
    EXPECT_EQ(values[3].as_double(), 1000.0);
    EXPECT_EQ(values[4].as_double(), 0.1);
    EXPECT_EQ(values[0].as_double(), -9223372036854775808.0);
}

TEST(Json, AnIntegerOver64BitsIsRefusedNotRounded) {
    EXPECT_FALSE(parse("[18446744073709551616]"));
    EXPECT_FALSE(parse("[-9223372036854775809]"));
    EXPECT_FALSE(parse("[123456789012345678901234567890]"));
}

TEST(Json, ADoubleOutOfRangeIsRefused) {
    EXPECT_FALSE(parse("[1e400]"));
    EXPECT_TRUE(parse("[1e-400]"));
    EXPECT_TRUE(parse("[1.7976931348623157e308]"));
}

TEST(Json, TheFirstOfRepeatedNamesIsFoundAndBothAreVisited) {
    const auto document = parse(R"({"a":1,"a":2})");
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().find("a")->as_int(), 1);
    std::vector<std::int64_t> visited;
    document->root().each_member([&](std::string_view, Value value) { visited.push_back(value.as_int()); });
    EXPECT_EQ(visited, (std::vector<std::int64_t>{1, 2}));
}

TEST(Json, FindSaysWhenThereIsNothing) {
    const auto document = parse(R"({"a":null})");
    ASSERT_TRUE(document);
    EXPECT_FALSE(document->root().find("b"));
    ASSERT_TRUE(document->root().find("a"));
    EXPECT_EQ(document->root().find("a")->kind(), Kind::kNull);
}

TEST(Json, MembersKeepTheirOrder) {
    EXPECT_EQ(again(R"({ "z" : 1, "a" : [ 2 , 3 ], "m" : {} })"), R"({"z":1,"a":[2,3],"m":{}})");
}

TEST(Json, DepthIsLimited) {
    EXPECT_TRUE(parse(nested(63)));
    EXPECT_FALSE(parse(nested(65)));
    const auto deep = parse(nested(100'000));
    ASSERT_FALSE(deep);
    EXPECT_EQ(deep.error().message, "the JSON is nested too deeply");
    EXPECT_TRUE(parse(nested(3), {.depth_max = 4}));
    EXPECT_FALSE(parse(nested(5), {.depth_max = 4}));
}

TEST(Json, InvalidUtf8IsRefused) {
    for (const char* bad :
         {"[\"\xff\"]", "[\"\xc0\x80\"]", "[\"\xed\xa0\x80\"]", "[\"\xf4\x90\x80\x80\"]", "[\"\xe2\x82\"]"}) {
        const auto document = parse(bad);
        ASSERT_FALSE(document);
        EXPECT_EQ(document.error().message, "the body is not valid UTF-8");
    }
}

TEST(Json, EscapesAreDecoded) {
    const auto document = parse(R"(["\u00e9\n\"\\\/\ud83d\ude00\u0000"])");
    ASSERT_TRUE(document);
    std::string text;
    document->root().each([&](Value value) { text = value.as_string(); });
    EXPECT_EQ(text, std::string("\xc3\xa9\n\"\\/\xf0\x9f\x98\x80\0", 11));
}

TEST(Json, WhatIsNotJsonIsRefusedWithoutAPieceOfIt) {
    for (const char* bad : {"",           " ",        "{",         "}",           "[",
                            "[1,]",       "{\"a\":}", "{\"a\" 1}", "{a:1}",       "['a']",
                            "[1 2]",      "[01]",     "[+1]",      "[.5]",        "[1.]",
                            "[1e]",       "[nan]",    "[NaN]",     "[Infinity]",  "tru",
                            "nulll",      "[\"a]",    "[\"\\x\"]", "[\"\\u12\"]", "[\"\\ud800\"]",
                            "[\"a\nb\"]", "[] []",    "[]x",       "/*c*/[]",     "secret-word"}) {
        const auto document = parse(bad);
        ASSERT_FALSE(document) << bad;
        EXPECT_EQ(document.error().code, ErrorCode::kInvalidArgument) << bad;
        EXPECT_EQ(document.error().message.find("secret-word"), std::string::npos);
    }
    EXPECT_FALSE(parse(std::string_view("[]\0", 3)));
    EXPECT_FALSE(parse(std::string_view("\0[]", 3)));
}

TEST(Json, AByteOrderMarkIsNotJson) {
    EXPECT_FALSE(parse("\xef\xbb\xbf[]"));
}

TEST(Json, ScalarsStandAlone) {
    EXPECT_EQ(again("5"), "5");
    EXPECT_EQ(again("\"x\""), "\"x\"");
    EXPECT_EQ(again(" true "), "true");
}

TEST(Json, TheBufferOfTheCallerMayGo) {
    auto text = std::make_unique<std::string>(R"({"name":"a longer text than any short string would hold"})");
    const auto document = parse(*text);
    text.reset();
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().find("name")->as_string(), "a longer text than any short string would hold");
}

TEST(Json, DocumentsOfAllSizesAndDepthsLiveBesideEachOtherAndAfterEachOther) {
    for (std::size_t round = 0; round < 40; ++round) {
        std::vector<Document> alive;
        for (std::size_t n = 0; n < 8; ++n) {
            const std::string text(((round * 7919 + n * 104729) % 90'000) + 1, static_cast<char>('a' + n));
            auto document = parse("{\"x\":[\"" + text + "\"]}", {.depth_max = 4 + n});
            ASSERT_TRUE(document);
            EXPECT_FALSE(parse("[[[[[[[[[[[[[]]]]]]]]]]]]]", {.depth_max = 4 + n})) << "a limit of a former document";
            EXPECT_FALSE(parse("{\"x\":" + text));
            alive.push_back(*std::move(document));
        }
        for (std::size_t n = 0; n < 8; ++n) {
            alive[n].root().find("x")->each(
                [&](Value item) { EXPECT_EQ(item.as_string().front(), 'a' + static_cast<char>(n)); });
        }
        alive.front() = std::move(alive.back());
        EXPECT_TRUE(alive.front().root().find("x"));
    }
}

TEST(Json, ADocumentMayEndOnAnotherThreadThanItBegan) {
    auto document = std::make_unique<Result<Document>>(parse(R"({"x":1})"));
    std::thread([&] {
        EXPECT_EQ((*document)->root().find("x")->as_int(), 1);
        document.reset();
        EXPECT_TRUE(parse("[1]"));
    }).join();
    EXPECT_TRUE(parse("[2]"));
}

TEST(Json, AMovedDocumentKeepsItsValues) {
    auto first = parse(R"({"a":"b"})");
    ASSERT_TRUE(first);
    const Document second = std::move(*first);
    EXPECT_EQ(second.root().find("a")->as_string(), "b");
}

TEST(JsonDeathTest, TheWrongAccessorIsOurBug) {
    const auto document = parse("[1]");
    ASSERT_TRUE(document);
    EXPECT_DEATH((void)document->root().as_string(), "broken invariant");
    EXPECT_DEATH((void)document->root().find("a"), "broken invariant");
}

}  // namespace
}  // namespace tidegate::json
