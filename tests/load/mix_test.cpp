#include "load/mix.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/json.h"
#include "load/prose.h"

namespace tidegate::load {
namespace {

Operation text_operation(std::string name, double weight, bool repeats = true) {
    return {.name = name,
            .method = "POST",
            .handler = "/" + name,
            .weight = weight,
            .repeats = repeats,
            .make = [name](Dice& dice, Payload& out) {
                out.method = "POST";
                out.target = "/" + name;
                out.content_type = "application/json";
                out.body = "{\"text\":\"";
                append_prose(out.body, 60, dice);
                out.body += "\"}";
            }};
}

Mix mix_of(double repeats, std::uint64_t seed = 7, std::uint32_t hot = 1000) {
    return {{text_operation("a", 3), text_operation("b", 1)},
            {.seed = seed, .repeats = repeats, .hot_keys = hot, .fields = "Host: x\r\n"}};
}

TEST(Mix, TheShareOfRequestsThatWereSentBeforeIsTheStatedOne) {
    for (const double wanted : {0.0, 0.3, 0.72, 0.95}) {
        const Mix mix = mix_of(wanted);
        Draw draw(mix, 0, 1);
        std::set<std::string> seen;
        int repeats = 0;
        constexpr int kRequests = 20'000;
        for (int i = 0; i < kRequests; ++i) {
            const Draw::One one = draw.next();
            const bool known = !seen.insert(draw.bytes(one)).second;
            EXPECT_EQ(known, one.repeat);
            repeats += known ? 1 : 0;
        }
        // Three standard deviations of so many draws are 1 % at most.
        EXPECT_NEAR(static_cast<double>(repeats) / kRequests, wanted, 0.01);
    }
}

TEST(Mix, TheHotKeysAreHotterTheEarlierTheyCame) {
    const Mix mix = mix_of(0.9, 7, 100);
    Draw draw(mix, 0, 1);
    std::map<std::uint64_t, int> counts;
    for (int i = 0; i < 50'000; ++i) {
        const Draw::One one = draw.next();
        if (one.repeat) ++counts[one.key];
    }
    EXPECT_LE(counts.rbegin()->first, 99U);
    EXPECT_GT(counts[0], 3 * counts[9]);
    EXPECT_GT(counts[9], 3 * counts[90]);
}

TEST(Mix, TheSameSeedGivesTheSameBytesAndAnotherOthers) {
    const Mix one = mix_of(0.72, 7);
    const Mix same = mix_of(0.72, 7);
    const Mix other = mix_of(0.72, 8);
    Draw draw_one(one, 0, 1);
    Draw draw_same(same, 0, 1);
    Draw draw_other(other, 0, 1);
    int equal = 0;
    for (int i = 0; i < 200; ++i) {
        const std::string bytes = draw_one.bytes(draw_one.next());
        EXPECT_EQ(bytes, draw_same.bytes(draw_same.next()));
        equal += bytes == draw_other.bytes(draw_other.next()) ? 1 : 0;
    }
    EXPECT_EQ(equal, 0);
}

TEST(Mix, ThreadsAskQuestionsOfTheirOwn) {
    const Mix mix = mix_of(0.5);
    Draw first(mix, 0, 2);
    Draw second(mix, 1, 2);
    std::set<std::string> of_first;
    for (int i = 0; i < 500; ++i) of_first.insert(first.bytes(first.next()));
    for (int i = 0; i < 500; ++i) EXPECT_FALSE(of_first.contains(second.bytes(second.next())));
}

TEST(Mix, OperationsComeByTheirWeights) {
    const Mix mix = mix_of(0.72);
    Draw draw(mix, 0, 1);
    int of_a = 0;
    for (int i = 0; i < 20'000; ++i) of_a += draw.next().operation == 0 ? 1 : 0;
    EXPECT_NEAR(of_a / 20'000.0, 0.75, 0.01);
}

TEST(Mix, WhatTakesNoPartInTheRepeatsIsNeverCalledOne) {
    const Mix mix({text_operation("read", 1, false)}, {.seed = 1, .repeats = 0.9, .hot_keys = 10, .fields = ""});
    Draw draw(mix, 0, 1);
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(draw.next().repeat);
}

TEST(Mix, ARequestIsWholeHttp) {
    const Mix mix = mix_of(0);
    Draw draw(mix, 0, 1);
    const std::string bytes = draw.bytes(draw.next());
    const std::size_t end = bytes.find("\r\n\r\n");
    ASSERT_NE(end, std::string::npos);
    EXPECT_TRUE(bytes.starts_with("POST /")) << bytes;
    EXPECT_NE(bytes.find("Host: x\r\n"), std::string::npos);
    EXPECT_NE(bytes.find("Content-Length: " + std::to_string(bytes.size() - end - 4) + "\r\n"), std::string::npos);
    EXPECT_TRUE(json::parse(std::string_view(bytes).substr(end + 4)).has_value());
}

TEST(Mix, ChosenOperationsKeepTheirOrderAndWeightsAndUnknownOnesAreNamed) {
    std::vector<Operation> operations{text_operation("a", 3), text_operation("b", 1)};
    ASSERT_TRUE(choose(operations, "b=5,a").has_value());
    ASSERT_EQ(operations.size(), 2U);
    EXPECT_EQ(operations[0].name, "b");
    EXPECT_DOUBLE_EQ(operations[0].weight, 5);
    EXPECT_DOUBLE_EQ(operations[1].weight, 3);
    const auto unknown = choose(operations, "c");
    ASSERT_FALSE(unknown.has_value());
    EXPECT_NE(unknown.error().message.find("`c`"), std::string::npos);
    EXPECT_FALSE(choose(operations, "a,a").has_value());
    EXPECT_FALSE(choose(operations, "a=0").has_value());
    EXPECT_FALSE(choose(operations, "a=nan").has_value());
}

TEST(Prose, TextsVaryInLengthAndAreSafeInJson) {
    Dice dice(5);
    std::set<std::size_t> lengths;
    for (int i = 0; i < 500; ++i) {
        const std::size_t wanted = text_length(800, dice);
        EXPECT_GE(wanted, 160U);
        EXPECT_LE(wanted, 4000U);
        std::string text;
        append_prose(text, wanted, dice);
        EXPECT_GE(text.size(), wanted);
        EXPECT_LE(text.size(), wanted + 200);
        EXPECT_EQ(text.find_first_of("\"\\\n\r\t"), std::string::npos);
        lengths.insert(text.size());
    }
    EXPECT_GT(lengths.size(), 300U);
}

}  // namespace
}  // namespace tidegate::load
