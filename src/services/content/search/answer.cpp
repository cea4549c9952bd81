#include "services/content/search/answer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_map>

namespace tidegate::content {
namespace {

constexpr std::size_t kHitsRead = 6;            // Behind them a sentence was chosen for 2 of 100 claims.
constexpr double kTitleShare = 0.5;             // A title says what its text is about, not what it says.
constexpr double kMeaningShare = 0.4;           // Of the cosine, against the words' 1.
constexpr double kHitShare = 0.3;               // Of the hit's own score.
constexpr double kRepetition = 0.5;             // What MMR takes off for being like a sentence chosen already.
constexpr double kNextShare = 0.6;              // Of the best sentence's score that the next ones must have.
constexpr std::size_t kSentenceWordsLeast = 4;  // Fewer are a heading or a piece of one.

// They ask; what they ask for are the other words. By their stems.
constexpr std::array<std::string_view, 26> kAskingWords{
    "about",  "been", "be",   "can",  "could", "did",   "do",    "doe", "from", "had",   "ha",  "have",  "how",
    "should", "than", "were", "what", "when",  "where", "which", "who", "whom", "whose", "why", "would", "you"};

struct SentenceScore {
    std::size_t hit = 0;
    Span place;
    std::set<std::string_view> stems;
    double support = 0, score = 0;
};

/// The question's words by stem, each with its part of the whole.
class Question {
  public:
    Question(const std::vector<std::string>& stems, const std::vector<double>& rarity) {
        const double whole = std::accumulate(rarity.begin(), rarity.end(), 0.0);
        for (std::size_t i = 0; i < stems.size() && whole > 0; ++i) parts_.emplace(stems[i], rarity[i] / whole);
    }
    /// Of the question, what stands in `stems`; at kTitleShare what stands in `title` only.
    double covered(const std::set<std::string_view>& stems, const std::set<std::string_view>& title) const {
        double sum = 0;
        for (const auto& [stem, part] : parts_) {
            if (stems.contains(stem)) {
                sum += part;
            } else if (title.contains(stem)) {
                sum += kTitleShare * part;
            }
        }
        return sum;
    }

  private:
    std::unordered_map<std::string_view, double> parts_;
};

std::set<std::string_view> stems_of(const std::vector<Word>& words) {
    std::set<std::string_view> out;
    for (const Word& word : words) {
        if (!word.stop) out.insert(word.stem);
    }
    return out;
}

double likeness(const std::set<std::string_view>& a, const std::set<std::string_view>& b) {
    const auto common =
        static_cast<double>(std::ranges::count_if(a, [&](std::string_view stem) { return b.contains(stem); }));
    const double all = static_cast<double>(a.size() + b.size()) - common;
    return all > 0 ? common / all : 0;
}

/// What the sentences' stems point into, as long as they are compared.
struct Scored {
    std::vector<std::vector<Word>> words;
    std::vector<SentenceScore> sentences;
};

void score_hit(const SearchResult& found, std::size_t at, const Question& question, const std::vector<float>& place,
               Scored& out) {
    const Hit& hit = found.hits[at];
    const std::vector<Word> title_words = words_of(hit.content.title);
    const std::set<std::string_view> title = stems_of(title_words);
    const std::string_view passage = hit.passage.of(hit.content.body);
    for (const Span sentence : sentences_of(passage)) {
        std::vector<Word> words = words_of(sentence.of(passage));
        if (words.size() < kSentenceWordsLeast) continue;
        out.words.push_back(std::move(words));
        SentenceScore one{.hit = at,
                          .place = {hit.passage.begin + sentence.begin, hit.passage.begin + sentence.end},
                          .stems = stems_of(out.words.back())};
        one.support = question.covered(one.stems, title);
        one.score = one.support + kHitShare * hit.score;
        if (found.space && !place.empty()) {
            const std::vector<float> mine = found.space->place(out.words.back());
            one.score +=
                kMeaningShare * std::max(0.0, static_cast<double>(dot_of(place.data(), mine.data(), mine.size())));
        }
        out.sentences.push_back(std::move(one));
    }
}

void append_citation(Answer& answer, const SearchResult& found, const SentenceScore& sentence) {
    if (!answer.text.empty()) answer.text += ' ';
    const auto begin = static_cast<std::uint32_t>(answer.text.size());
    answer.text += sentence.place.of(found.hits[sentence.hit].content.body);
    answer.citations.push_back({.hit = sentence.hit,
                                .place = sentence.place,
                                .in_answer = {begin, static_cast<std::uint32_t>(answer.text.size())},
                                .score = sentence.score});
}

}  // namespace

std::vector<std::string> telling_stems(const std::vector<Word>& question) {
    std::vector<std::string> out;
    std::set<std::string_view> seen;
    for (const Word& word : question) {
        if (out.size() == kTellingStemsMax) break;
        if (word.stop || std::ranges::find(kAskingWords, std::string_view(word.stem)) != kAskingWords.end()) continue;
        if (seen.insert(word.stem).second) out.push_back(word.stem);
    }
    return out;
}

Answer answer_from(const SearchResult& found, const std::vector<std::string>& stems, const std::vector<double>& rarity,
                   double floor) {
    Answer answer;
    if (stems.empty()) {
        answer.reason = "The question holds no word that tells something.";
        return answer;
    }
    const Question question(stems, rarity);
    const std::vector<float> place = found.space ? found.space->place(found.question) : std::vector<float>{};
    Scored scored;
    for (std::size_t at = 0; at < std::min(kHitsRead, found.hits.size()); ++at)
        score_hit(found, at, question, place, scored);
    for (const SentenceScore& one : scored.sentences) answer.support = std::max(answer.support, one.support);
    if (answer.support < floor) {
        answer.reason = found.hits.empty() ? "Nothing in the sources has to do with the question."
                                           : "Not in the sources: none of them holds enough of the question.";
        return answer;
    }
    double best = 0;
    std::vector<const SentenceScore*> chosen;
    while (chosen.size() < kAnswerSentencesMax) {
        const SentenceScore* next = nullptr;
        double most = 0;
        for (const SentenceScore& one : scored.sentences) {
            double repeated = 0;
            for (const SentenceScore* before : chosen)
                repeated = std::max(repeated, likeness(one.stems, before->stems));
            const double value = one.score - kRepetition * repeated;
            // The first must carry the answer by itself.
            const bool fit = chosen.empty() ? one.support >= floor : one.score >= kNextShare * best && repeated < 0.9;
            const bool taken = std::ranges::find(chosen, &one) != chosen.end();
            if (!fit || taken || (next != nullptr && value <= most)) continue;
            next = &one;
            most = value;
        }
        if (next == nullptr) break;
        if (chosen.empty()) best = next->score;
        chosen.push_back(next);
    }
    for (const SentenceScore* one : chosen) append_citation(answer, found, *one);
    return answer;
}

}  // namespace tidegate::content
