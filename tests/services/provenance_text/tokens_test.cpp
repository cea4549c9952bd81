#include "services/provenance/text/tokens.h"

#include <gtest/gtest.h>

#include "services/provenance/text/lexicon.h"
#include "services/provenance_text/texts.h"

namespace tidegate::provenance::text {
namespace {

struct Parsed {
    NormalText normal;
    Tokens tokens;
};

Parsed parse(std::string_view utf8) {
    Parsed parsed;
    normalise(utf8, parsed.normal);
    tokenise(parsed.normal, parsed.tokens);
    return parsed;
}

TEST(Tokens, SentencesEndAtStopsAndNotAtAbbreviations) {
    const Parsed p = parse(
        "Dr. Brown met the old man at 3.5 miles. \"Was he there at all?\" she asked him twice. Nobody knew what J. R. "
        "Smith had said to them!");
    ASSERT_EQ(p.tokens.sentences.size(), 3U);
    EXPECT_EQ(p.tokens.sentences[0].words, 8U);
}

TEST(Tokens, ABlankLineEndsASentenceToo) {
    EXPECT_EQ(parse("A title without any stop\n\nThen the text begins here.").tokens.sentences.size(), 2U);
}

TEST(Tokens, EveryTokenBelongsToExactlyOneSentence) {
    for (const std::string& text : {std::string(testing::kProse), testing::repeat("word ", 1000),
                                    testing::repeat("a. ", 500), testing::repeat("!", 500), std::string("x")}) {
        const Parsed p = parse(text);
        std::uint32_t next = 0;
        std::uint32_t words = 0;
        for (const Sentence& sentence : p.tokens.sentences) {
            EXPECT_EQ(sentence.token_begin, next);
            EXPECT_LT(sentence.token_begin, sentence.token_end);
            next = sentence.token_end;
            words += sentence.words;
        }
        EXPECT_EQ(next, p.tokens.tokens.size());
        EXPECT_EQ(words, p.tokens.words);
    }
}

TEST(Tokens, ContractionsAreOneWordAndFunctionWordsAreKnown) {
    const Parsed p = parse("Don't the Elephants walking");
    ASSERT_EQ(p.tokens.tokens.size(), 4U);
    EXPECT_NE(p.tokens.tokens[0].function_id, kNotFunctionWord);
    EXPECT_NE(p.tokens.tokens[1].function_id, kNotFunctionWord);
    EXPECT_EQ(p.tokens.tokens[2].function_id, kNotFunctionWord);
    EXPECT_TRUE(p.tokens.tokens[2].capital);
    EXPECT_EQ(p.tokens.tokens[3].shape, word_shape("talking"));
    EXPECT_NE(p.tokens.tokens[3].shape, word_shape("bed"));
}

}  // namespace
}  // namespace tidegate::provenance::text
