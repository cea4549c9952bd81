#include "http/headers.h"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::http {
namespace {

std::string written(const Headers& headers) {
    std::string all;
    for (std::size_t i = 0; i < headers.size(); ++i) all.append(headers.line(i));
    return all;
}

TEST(Headers, GivesBackInOrderWhatWasAddedAndFindsItWithoutRegardToCase) {
    Headers headers;
    headers.add("Accept", "a");
    headers.add("X-One", "");
    headers.add("accept", "b");
    ASSERT_EQ(headers.fields().size(), 3U);
    EXPECT_EQ(headers.fields()[0], Headers::Field("Accept", "a"));
    EXPECT_EQ(headers.fields()[1], Headers::Field("X-One", ""));
    EXPECT_EQ(headers.get("ACCEPT"), "a");
    EXPECT_EQ(headers.get("x-one"), "");
    EXPECT_FALSE(headers.get("Accep"));
    EXPECT_EQ(headers.count("ACCEPT"), 2U);
    EXPECT_EQ(headers.lines(), "Accept: a\r\nX-One: \r\naccept: b\r\n");
}

TEST(Headers, WhatIsRemovedIsNotWrittenAndLeavesTheRestAsItWas) {
    Headers headers;
    headers.add("A", "1");
    headers.add("B", "2");
    headers.add("a", "3");
    headers.remove("A");
    EXPECT_EQ(headers.fields().size(), 1U);
    EXPECT_FALSE(headers.lines()) << "the text holds what was removed";
    EXPECT_EQ(written(headers), "B: 2\r\n");
    headers.add("C", "4");
    EXPECT_EQ(written(headers), "B: 2\r\nC: 4\r\n");
    headers.clear();
    EXPECT_TRUE(headers.lines());
    headers.remove("nothing");
    EXPECT_TRUE(headers.lines());
}

TEST(Headers, AValueOfItsOwnCanBeAddedAgainWhileItGrows) {
    Headers headers;
    headers.add("First", std::string(300, 'x'));
    for (int i = 0; i < 40; ++i) headers.add("Copy", *headers.get("First"));
    headers.set("First", headers.fields()[7].second);
    EXPECT_EQ(headers.get("First"), std::string(300, 'x'));
    EXPECT_EQ(headers.count("Copy"), 40U);
    for (const auto& [name, value] : headers.fields()) EXPECT_EQ(value, std::string(300, 'x')) << name;
}

TEST(Headers, AValueOfAShortCopysOwnCanBeAddedAgain) {
    Headers first;
    first.add("A", "b");
    Headers copy = first;  // So short that it lies within the string itself.
    copy.add("Longer", *copy.get("A"));
    EXPECT_EQ(copy.get("A"), "b");
    EXPECT_EQ(copy.get("Longer"), "b");
}

TEST(Headers, EveryControlCharacterAtEveryPlaceIsNoticedAndNothingElse) {
    for (unsigned c = 0; c < 256; ++c) {
        for (std::size_t at = 0; at < 19; ++at) {
            std::string value(19, '~');
            value[at] = static_cast<char>(c);
            Headers headers;
            headers.add("X", value);
            EXPECT_EQ(headers.is_plain(), c >= 0x20 && c != 0x7F) << c << " at " << at;
            headers.clear();
            EXPECT_TRUE(headers.is_plain());
            headers.add(value, "x");
            EXPECT_EQ(headers.is_plain(), c >= 0x20 && c != 0x7F) << c << " in a name";
        }
    }
}

TEST(Headers, OnesCanBeAppendedToOthersWithWhatIsMissingAndWhatIsNotClean) {
    Headers headers;
    headers.add("A", "1");
    Headers others;
    others.add("B", "2");
    others.add("C", "3");
    headers.append(others);
    EXPECT_EQ(headers.lines(), "A: 1\r\nB: 2\r\nC: 3\r\n");
    EXPECT_EQ(headers.get("c"), "3");
    others.remove("B");
    others.add("D", "bad\n");
    Headers empty;
    empty.append(others);
    EXPECT_FALSE(empty.lines());
    EXPECT_FALSE(empty.is_plain());
    EXPECT_EQ(written(empty), "C: 3\r\nD: bad\n\r\n");
}

TEST(Headers, CopiesAndMovesStandAlone) {
    Headers headers;
    headers.add("A", "1");
    Headers copy = headers;
    headers.set("A", "2");
    const Headers moved = std::move(headers);
    EXPECT_EQ(copy.get("A"), "1");
    EXPECT_EQ(moved.get("A"), "2");
    EXPECT_FALSE(copy.fields() == moved.fields());
    copy.set("A", "2");
    EXPECT_TRUE(copy.fields() == moved.fields());
}

}  // namespace
}  // namespace tidegate::http
