#include "services/provenance/text/explain.h"

#include <fmt/format.h>

#include <cmath>

namespace tidegate::provenance::text {
namespace {

struct Words {
    std::string_view name;
    std::string_view meaning;
};

constexpr std::array<Words, kSignalCount> kSignals = {{
    {"char_ngrams", "Log-odds from sequences of 2 to 5 characters; higher is more like machine text."},
    {"word_ngrams", "Log-odds from words and pairs of words; higher is more like machine text."},
    {"phrase_patterns",
     "Log-odds from the order of function words and word endings, without the topic; higher is more like machine "
     "text."},
    {"language_model_ratio",
     "How much likelier each character is after machine text than after human text, in hundredths of a nat."},
    {"surprise", "How hard each character is to foresee, in nats; machine text is often easier to foresee."},
    {"surprise_variation",
     "How much the surprise varies from sentence to sentence, in tenths of a nat; machine text is often more even."},
    {"function_words", "Function words (the, of, but, which) in 100 words; the contribution comes from which ones."},
    {"punctuation", "Punctuation marks in 100 words; the contribution comes from which ones."},
    {"sentence_rhythm", "Variation of the sentence lengths (deviation over mean); people vary more."},
    {"vocabulary", "Share of distinct words; the contribution adds word lengths and endings."},
    {"repetition", "Percentage of word pairs that repeat an earlier pair."},
    {"informality", "Contractions, capitals, stretched words and the like in 100 words."},
}};

std::string_view flag_words(std::string_view flag) {
    if (flag == "short_text") return "the text is short";
    if (flag == "not_english") return "it does not read as English";
    if (flag == "looks_like_code") return "it looks like code or markup";
    if (flag == "unlike_training_data") return "it is unlike the texts the detector has learnt from";
    if (flag == "homoglyphs") return "it holds look-alike letters of other alphabets";
    if (flag == "zero_width_characters") return "it holds invisible characters";
    if (flag == "combining_marks") return "it holds unusually many combining marks";
    return "some passages read like a machine's and some do not";
}

}  // namespace

std::string_view signal_name(std::size_t signal) noexcept {
    return kSignals[signal].name;
}
std::string_view signal_meaning(std::size_t signal) noexcept {
    return kSignals[signal].meaning;
}

std::string explain(const TextAnalysis& analysis) {
    std::string out;
    switch (analysis.band) {
        case Band::kAi:
            out = "The text reads like machine writing";
            break;
        case Band::kHuman:
            out = "The text reads like human writing";
            break;
        case Band::kUncertain:
            out = "No verdict: the evidence does not suffice either way";
            break;
    }
    // The first of equals wins, so that the words are the same every time.
    std::array<const Signal*, 2> strongest{};
    for (const Signal& signal : analysis.signals) {
        const auto beats = [&](const Signal* other) {
            return other == nullptr || std::abs(signal.contribution) > std::abs(other->contribution);
        };
        if (beats(strongest[0]))
            strongest = {&signal, strongest[0]};
        else if (beats(strongest[1]))
            strongest[1] = &signal;
    }
    if (strongest[1] != nullptr) {
        out += fmt::format("; the strongest signals are {} ({:+.2f}) and {} ({:+.2f})", strongest[0]->name,
                           strongest[0]->contribution, strongest[1]->name, strongest[1]->contribution);
    }
    out += '.';
    for (std::size_t i = 0; i < analysis.uncertainty_flags.size(); ++i) {
        out += i == 0 ? " Mind that " : i + 1 == analysis.uncertainty_flags.size() ? " and " : ", ";
        out += flag_words(analysis.uncertainty_flags[i]);
        if (i + 1 == analysis.uncertainty_flags.size()) out += '.';
    }
    return out;
}

}  // namespace tidegate::provenance::text
