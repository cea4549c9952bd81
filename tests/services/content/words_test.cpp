// Stems, words, sentences, chunks: what they are, and that nothing is lost or cut within a character.
#include "services/content/search/words.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "base/utf8.h"
#include "services/content/search/porter.h"

namespace tidegate::content {
namespace {

std::string stem_of(std::string word) {
    porter_stem(word);
    return word;
}

// Examples of the paper, a step each.
TEST(Porter, StemsAsThePaperSays) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 30> kExamples{{
        {"caresses", "caress"},
        {"ponies", "poni"},
        {"cats", "cat"},
        {"feed", "feed"},
        {"agreed", "agre"},
        {"plastered", "plaster"},
        {"motoring", "motor"},
        {"sing", "sing"},
        {"conflated", "conflat"},
        {"troubled", "troubl"},
        {"sized", "size"},
        {"hopping", "hop"},
        {"falling", "fall"},
        {"filing", "file"},
        {"happy", "happi"},
        {"sky", "sky"},
        {"relational", "relat"},
        {"conditional", "condit"},
        {"vietnamization", "vietnam"},
        {"operator", "oper"},
        {"triplicate", "triplic"},
        {"hopefulness", "hope"},
        {"goodness", "good"},
        {"revival", "reviv"},
        {"allowance", "allow"},
        {"replacement", "replac"},
        {"adoption", "adopt"},
        {"effective", "effect"},
        {"probate", "probat"},
        {"controll", "control"},
    }};
    for (const auto& [word, stem] : kExamples) EXPECT_EQ(stem_of(std::string(word)), stem) << word;
}

TEST(Porter, LeavesAloneWhatIsNoEnglishWord) {
    for (const std::string_view word : {"", "at", "3rds", "straße", "covid-19s"})
        EXPECT_EQ(stem_of(std::string(word)), word);
    const std::string long_one(65, 's');
    EXPECT_EQ(stem_of(long_one), long_one);
}

TEST(Words, HaveTheirPlacesAndKnowWhatTellsNothing) {
    const std::string text = "The Rivers of Käln rise: 12 cm.";
    const auto words = words_of(text);
    ASSERT_EQ(words.size(), 7U);
    EXPECT_TRUE(words[0].stop);
    EXPECT_EQ(words[1].stem, "river");
    EXPECT_EQ(words[1].place.of(text), "Rivers");
    EXPECT_EQ(words[3].place.of(text), "Käln");
    EXPECT_EQ(words[5].stem, "12");
    EXPECT_TRUE(words_of(" \n ,.;— “”").empty());
}

TEST(Sentences, EndWhereOneEndsAndNotAtAnInitial) {
    const std::string text =
        "J. Smith found it. See e.g. This one. No? \"Yes!\" He left.\n\nA heading\n\nlower case p. 4 stays.";
    std::vector<std::string> got;
    for (const Span span : sentences_of(text)) got.emplace_back(span.of(text));
    const std::vector<std::string> expected{
        "J. Smith found it.", "See e.g. This one.",    "No?", "\"Yes!\"", "He left.",
        "A heading",          "lower case p. 4 stays."};
    EXPECT_EQ(got, expected);
}

TEST(Chunks, CoverEveryWordOnceAndNeverCutACharacter) {
    std::string text;
    for (int i = 0; i < 300; ++i) text += i % 7 == 0 ? "Überschwemmungsgefährdung. " : "größer wird es ";
    text += std::string(3000, 'x');  // A word that fits into no chunk.
    const auto chunks = chunks_of(text, 500);
    std::string seen;
    std::uint32_t last = 0;
    for (const Span chunk : chunks) {
        EXPECT_GE(chunk.begin, last);
        EXPECT_LT(chunk.begin, chunk.end);
        EXPECT_TRUE(utf8::is_valid(chunk.of(text)));
        last = chunk.end;
        for (const Word& word : words_of(chunk.of(text))) seen += word.stem;
    }
    std::string all;
    for (const Word& word : words_of(text)) all += word.stem;
    EXPECT_EQ(seen, all);
    EXPECT_TRUE(chunks_of("  \n ... ", 500).empty());
}

}  // namespace
}  // namespace tidegate::content
