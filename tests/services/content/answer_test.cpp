// An answer stands in its sources, word for word, or there is none and a reason.
#include "services/content/search/answer.h"

#include <gtest/gtest.h>

namespace tidegate::content {
namespace {

SearchResult result_of(std::string_view question, std::vector<std::string> bodies) {
    SearchResult out;
    out.question = words_of(question);
    for (std::string& body : bodies) {
        Hit hit;
        hit.content.id = "c" + std::to_string(out.hits.size());
        hit.passage = {0, static_cast<std::uint32_t>(body.size())};
        hit.content.body = std::move(body);
        hit.score = 1 - 0.1 * static_cast<double>(out.hits.size());
        out.hits.push_back(std::move(hit));
    }
    return out;
}

Answer ask(const SearchResult& found) {
    const auto stems = telling_stems(found.question);
    return answer_from(found, stems, std::vector<double>(stems.size(), 1.0));
}

TEST(Answer, QuotesTheSentenceThatHoldsTheQuestionAndSaysWhereItStands) {
    const auto found = result_of(
        "How high did the river Ouse rise in York?",
        {"It had rained for weeks. The river Ouse rose to five metres in York that year. Nobody was hurt at all.",
         "Leeds was dry that year. Trains ran on time for once."});
    const Answer answer = ask(found);
    ASSERT_FALSE(answer.citations.empty()) << answer.reason;
    const Citation& first = answer.citations.front();
    EXPECT_EQ(first.hit, 0U);
    EXPECT_EQ(first.place.of(found.hits[0].content.body), "The river Ouse rose to five metres in York that year.");
    for (const Citation& one : answer.citations) {
        EXPECT_EQ(one.in_answer.of(answer.text), one.place.of(found.hits[one.hit].content.body));
    }
    EXPECT_GE(answer.support, kSupportFloor);
    EXPECT_TRUE(answer.reason.empty());
}

TEST(Answer, IsNoneWhereTheSourcesDoNotHoldTheQuestion) {
    const Answer answer =
        ask(result_of("Which enzyme repairs broken strands of DNA?", {"The river rose to five metres in York."}));
    EXPECT_TRUE(answer.text.empty());
    EXPECT_TRUE(answer.citations.empty());
    EXPECT_LT(answer.support, kSupportFloor);
    EXPECT_NE(answer.reason.find("Not in the sources"), std::string::npos);
}

TEST(Answer, IsNoneForNoHitsAndForAQuestionOfNothing) {
    EXPECT_FALSE(ask(result_of("river", {})).reason.empty());
    EXPECT_FALSE(ask(result_of("of the", {"of the of the of the"})).reason.empty());
}

TEST(Answer, OfALongQuestionTheFirstWordsCount) {
    std::string question = "river";
    for (int i = 0; i < 5'000; ++i) question += " w" + std::to_string(i % 1'000);
    const auto stems = telling_stems(words_of(question));
    ASSERT_EQ(stems.size(), kTellingStemsMax);
    EXPECT_EQ(stems.front(), "river");
    EXPECT_EQ(stems.back(), "w62");
}

TEST(Answer, DoesNotSayTheSameTwice) {
    const std::string sentence = "The river Ouse rose to five metres in York.";
    const Answer answer = ask(result_of("river Ouse rose York", {sentence, sentence, sentence}));
    EXPECT_EQ(answer.citations.size(), 1U);
}

}  // namespace
}  // namespace tidegate::content
