// Structured fields, RFC 9651: what is valid, what is not, and that writing gives back what was read.
#include "pipeline/cache/rules/structured_field.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::sf {
namespace {

template <class T>
T item_of(std::string_view text) {
    const auto item = parse_item(text);
    if (!item || !std::holds_alternative<T>(item->value)) {
        ADD_FAILURE() << text;
        return {};
    }
    return std::get<T>(item->value);
}

TEST(StructuredField, BareItemsOfEveryKindAreRead) {
    EXPECT_EQ(item_of<std::int64_t>("42"), 42);
    EXPECT_EQ(item_of<std::int64_t>("-0"), 0);
    EXPECT_EQ(item_of<std::int64_t>("  999999999999999  "), 999'999'999'999'999);
    EXPECT_EQ(item_of<Decimal>("-1.5").thousandths, -1500);
    EXPECT_EQ(item_of<Decimal>("123456789012.125").thousandths, 123'456'789'012'125);
    EXPECT_EQ(item_of<std::string>(R"("a \"b\" \\ c")"), R"(a "b" \ c)");
    EXPECT_EQ(item_of<Token>("*foo:/bar!").text, "*foo:/bar!");
    EXPECT_EQ(item_of<Bytes>(":aGVsbG8=:").data, "hello");
    EXPECT_EQ(item_of<Bytes>(":aGVsbG8:").data, "hello");
    EXPECT_EQ(item_of<Bytes>("::").data, "");
    EXPECT_EQ(item_of<bool>("?1"), true);
    EXPECT_EQ(item_of<bool>("?0"), false);
    EXPECT_EQ(item_of<Date>("@1659578233").seconds, 1'659'578'233);
    EXPECT_EQ(item_of<DisplayString>("%\"f%c3%bc\"").utf8, "f\xc3\xbc");
}

TEST(StructuredField, WhatBreaksTheGrammarIsNoItem) {
    for (const std::string_view text : {"",
                                        " ",
                                        "1000000000000000",
                                        "1.",
                                        "1.2345",
                                        "1234567890123.1",
                                        "--1",
                                        "-",
                                        "+1",
                                        "1,2",
                                        "\"a",
                                        "\"a\\x\"",
                                        "\"\x7f\"",
                                        "\"\xc3\xbc\"",
                                        ":aGVsbG8",
                                        ":a:",
                                        ":aGVs bG8=:",
                                        ":aGVsbG8=x:",
                                        "?2",
                                        "?",
                                        "@",
                                        "@1.5",
                                        "%\"%C3%BC\"",
                                        "%\"%c3\"",
                                        "%\"%ff\"",
                                        "%x",
                                        "(1)",
                                        "foo bar",
                                        "\tfoo",
                                        "foo\t",
                                        "a;",
                                        "a;B",
                                        "a;b=",
                                        "&"}) {
        EXPECT_FALSE(parse_item(text)) << text;
    }
}

TEST(StructuredField, ListsHoldItemsAndInnerLists) {
    const auto list = parse_list("sugar, (\"a\" b;x=1);y \t,\t ?0");
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 3U);
    const InnerList& inner = std::get<InnerList>((*list)[1]);
    ASSERT_EQ(inner.items.size(), 2U);
    EXPECT_EQ(inner.items[1].parameters[0].first, "x");
    EXPECT_EQ(inner.parameters[0].first, "y");
    EXPECT_TRUE(parse_list("")->empty());
    for (const std::string_view text : {"a,", ",a", "a,,b", "(a", "(a b", "(a,b)", "a b", "((a))", "(a\tb)"}) {
        EXPECT_FALSE(parse_list(text)) << text;
    }
}

TEST(StructuredField, OfEqualKeysTheLastOneCountsInTheFirstOnesPlace) {
    const auto dictionary = parse_dictionary("a=1, b, a=3;x;x=2");
    ASSERT_TRUE(dictionary);
    ASSERT_EQ(dictionary->size(), 2U);
    const Item& first = std::get<Item>((*dictionary)[0].second);
    EXPECT_EQ(std::get<std::int64_t>(first.value), 3);
    EXPECT_EQ(first.parameters, (Parameters{{"x", std::int64_t{2}}}));
    EXPECT_EQ(std::get<Item>((*dictionary)[1].second).value, Bare(true));
    for (const std::string_view text : {"A=1", "a=", "a=1,", "=1", "a =1", "a= 1", "1=a", "a=1 b=2", "a=1;, b"}) {
        EXPECT_FALSE(parse_dictionary(text)) << text;
    }
}

TEST(StructuredField, LinesOfAFieldAreOneText) {
    const http::Headers h =
        cache::rules::headers({{"Cache-Status", "a; hit"}, {"X", "y"}, {"cache-status", "b; fwd=miss"}});
    EXPECT_EQ(joined(h, "Cache-Status"), "a; hit, b; fwd=miss");
    EXPECT_EQ(parse_list(joined(h, "Cache-Status"))->size(), 2U);
}

TEST(StructuredField, WritingIsTheCanonicalForm) {
    const auto rewritten = [](std::string_view text) { return serialize(*parse_dictionary(text)); };
    EXPECT_EQ(rewritten("a=?1;b=?1 ,  c=1.500,d=( 1  2 );e=\"x\""), "a;b, c=1.5, d=(1 2);e=\"x\"");
    EXPECT_EQ(serialize(*parse_item("1.0")), "1.0");
    EXPECT_EQ(serialize(*parse_item(":aGVsbG8:")), ":aGVsbG8=:");
    EXPECT_EQ(serialize(*parse_item("%\"f%c3%bc %25 \"")), "%\"f%c3%bc %25 \"");
    EXPECT_EQ(serialize(*parse_item("@-7")), "@-7");
}

TEST(StructuredField, WhatTheFormatCannotSayIsNotWritten) {
    EXPECT_FALSE(serialize(Item{std::string("\x01"), {}}));
    EXPECT_FALSE(serialize(Item{Token{"1a"}, {}}));
    EXPECT_FALSE(serialize(Item{std::int64_t{1'000'000'000'000'000}, {}}));
    EXPECT_FALSE(serialize(Item{true, {{"A", true}}}));
    EXPECT_FALSE(serialize(Item{DisplayString{"\xff"}, {}}));
    std::string out = "x";
    EXPECT_FALSE(append_string("caf\xc3\xa9", out));
    EXPECT_EQ(out, "x");
}

TEST(StructuredField, BytesOfEveryLengthComeBack) {
    std::string data;
    for (int i = 0; i < 40; ++i) {
        const auto text = serialize(Item{Bytes{data}, {}});
        ASSERT_TRUE(text);
        EXPECT_EQ(item_of<Bytes>(*text).data, data);
        data.push_back(static_cast<char>(i * 37));
    }
}

TEST(StructuredField, AFieldOfTooManyMembersIsRefused) {
    std::string text = "a";
    for (std::size_t i = 1; i < kMembersMax; ++i) text += ",a";
    EXPECT_TRUE(parse_list(text));
    EXPECT_FALSE(parse_list(text + ",a"));
}

}  // namespace
}  // namespace tidegate::sf
