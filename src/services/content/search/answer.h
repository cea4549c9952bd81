// An answer in the words of the sources: sentences that were found, each with the place it comes from, or the reason why there is none.
//
// Algorithm   Of the best hits each sentence is scored by the share of the question's words it holds, weighted by how rare they are (with its
//             title at half price), plus its cosine in the tenant's space; the next sentences by maximal marginal relevance (Carbonell and
//             Goldstein, SIGIR 1998).
// Guarantee   Every sentence stands verbatim in the body it cites. Nothing is answered below kSupportFloor: no source holds enough of the
//             question.
// Threads     Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/content/search/library.h"

namespace tidegate::content {

/// Of the support, measured on the dev questions (docs/content.md): the most of SciFact's claims have their answer, nearly none of
/// Cranfield's questions asked of SciFact has.
inline constexpr double kSupportFloor = 0.4;
inline constexpr std::size_t kAnswerSentencesMax = 3;

struct Citation {
    std::size_t hit = 0;  // In SearchResult::hits.
    Span place;           // In that hit's body.
    Span in_answer;       // In Answer::text.
    double score = 0;
};

struct Answer {
    std::string text;  // Empty: there is none, for `reason`.
    std::vector<Citation> citations;
    double support = 0;  // Share of the question, by rarity, that the best source sentence and its title hold; 0 to 1.
    std::string reason;
};

/// Behind it a question is no question any more; each stem costs a look into the index.
inline constexpr std::size_t kTellingStemsMax = 64;

/// The stems of a question that tell something, each once; the first kTellingStemsMax.
std::vector<std::string> telling_stems(const std::vector<Word>& question);

/// `rarity`: of each of `stems`. `floor`: the least support of an answer.
Answer answer_from(const SearchResult& found, const std::vector<std::string>& stems, const std::vector<double>& rarity,
                   double floor = kSupportFloor);

}  // namespace tidegate::content
