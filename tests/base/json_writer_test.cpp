#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/random.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace tidegate {
namespace {

std::string as_json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string number(double value) {
    std::string out;
    append_json_number(out, value);
    return out;
}

TEST(JsonWriter, CommasStandBetweenAndNowhereElse) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("a", 1).key("b").begin_array().value(true).null().value("x").begin_object().end_object();
    json.end_array().key("c").begin_object().field("d", 0.5).end_object().key("e").raw("[1,2]").field("f",
                                                                                                      std::uint64_t{7});
    json.end_object();
    EXPECT_EQ(out, R"({"a":1,"b":[true,null,"x",{}],"c":{"d":0.5},"e":[1,2],"f":7})");
    EXPECT_TRUE(json::parse(out));
}

TEST(JsonWriter, AnEmptyOptionalIsNull) {
    std::string out;
    JsonWriter json(out);
    json.begin_array().value(std::optional<int>()).value(std::optional<std::string>("x")).end_array();
    EXPECT_EQ(out, R"([null,"x"])");
}

TEST(JsonWriter, IntegersKeepTheirEnds) {
    std::string out;
    JsonWriter json(out);
    json.begin_array().value(std::numeric_limits<std::int64_t>::min()).value(std::numeric_limits<std::uint64_t>::max());
    json.value(std::int8_t{-5}).value(std::uint16_t{65535}).end_array();
    EXPECT_EQ(out, "[-9223372036854775808,18446744073709551615,-5,65535]");
}

TEST(JsonString, EscapesWhatJsonWantsEscaped) {
    EXPECT_EQ(as_json("a\"b\\c/d"), R"("a\"b\\c/d")");
    EXPECT_EQ(as_json("\n\r\t\b\f"), R"("\n\r\t\u0008\u000c")");
    EXPECT_EQ(as_json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
    EXPECT_EQ(as_json(""), R"("")");
    EXPECT_EQ(as_json("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

TEST(JsonString, InvalidBytesBecomeTheReplacementCharacter) {
    EXPECT_EQ(as_json("a\xff"
                      "b"),
              "\"a\xef\xbf\xbd"
              "b\"");
    EXPECT_EQ(as_json("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    EXPECT_EQ(as_json("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonString, EveryByteStringBecomesValidJson) {
    SeededRandom random(3);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random.next_u64() % 40, '\0');
        random.fill(std::as_writable_bytes(std::span(bytes)));
        const auto document = json::parse(as_json(bytes));
        ASSERT_TRUE(document) << document.error().message;
        if (utf8::is_valid(bytes)) {
            ASSERT_EQ(document->root().as_string(), bytes);
        }
    }
}

TEST(JsonNumber, IsTheShortestTextThatReadsBackEqual) {
    EXPECT_EQ(number(0.1), "0.1");
    EXPECT_EQ(number(0.1 + 0.2), "0.30000000000000004");
    EXPECT_EQ(number(100), "100");
    EXPECT_EQ(number(1e300), "1e+300");
    EXPECT_EQ(number(5e-324), "5e-324");
    EXPECT_EQ(number(-0.0), "-0");
}

TEST(JsonNumber, RandomDoublesComeBackBitForBit) {
    SeededRandom random(4);
    for (int round = 0; round < 20'000; ++round) {
        const auto value = std::bit_cast<double>(random.next_u64());
        if (!std::isfinite(value)) continue;
        const std::string text = number(value);
        ASSERT_EQ(std::bit_cast<std::uint64_t>(*parse_double(text)), std::bit_cast<std::uint64_t>(value)) << text;
        ASSERT_TRUE(json::parse(text)) << text;
    }
}

TEST(JsonNumber, ALargeWholeNumberIsNotWrittenAsAnIntegerThatReadersRefuse) {
    EXPECT_EQ(number(1e20), "1e+20");
    EXPECT_EQ(number(-210357342064192651264.0), "-2.1035734206419265e+20");
    EXPECT_EQ(number(9007199254740993.0), "9007199254740992");
}

TEST(JsonNumber, WhatJsonLacksIsNull) {
    EXPECT_EQ(number(std::nan("")), "null");
    EXPECT_EQ(number(std::numeric_limits<double>::infinity()), "null");
    EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "null");
}

}  // namespace
}  // namespace tidegate
