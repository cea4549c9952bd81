#include "services/provenance/text/reading.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace tidegate::provenance::text {
namespace {

// A sentence alone is too short to judge (research: 25 words halve the hits); its neighbours help to this many words.
constexpr std::uint32_t kSegmentWords = 40;

// Windows of whole sentences and of even size.
void cut_windows(const Tokens& tokens, std::vector<Window>& out) {
    out.clear();
    const std::uint32_t count = std::max(1U, (tokens.words + kWindowWordsMax - 1) / kWindowWordsMax);
    Window window;
    std::uint32_t words_seen = 0;
    for (std::uint32_t s = 0; s < tokens.sentences.size(); ++s) {
        const Sentence& sentence = tokens.sentences[s];
        window.sentence_end = s + 1;
        window.token_end = sentence.token_end;
        window.words += sentence.words;
        words_seen += sentence.words;
        const auto due = static_cast<std::uint64_t>(tokens.words) * (out.size() + 1) / count;
        if (words_seen < due && s + 1 < tokens.sentences.size()) continue;
        out.push_back(window);
        window = {.sentence_begin = s + 1,
                  .sentence_end = s + 1,
                  .token_begin = sentence.token_end,
                  .token_end = sentence.token_end};
    }
}

// Mean surprise of each sentence of the window; the spread says how even the text is ("burstiness" of perplexity).
struct Surprise {
    double mean = 0;
    double spread = 0;
    double ratio = 0;
};

Surprise surprise_of(const Window& window, const std::vector<SentenceEvidence>& evidence,
                     const std::vector<double>& sentence_surprise) {
    double chars = 0, sum = 0, ratio = 0, n = 0, means = 0, squares = 0;
    for (std::uint32_t s = window.sentence_begin; s < window.sentence_end; ++s) {
        chars += evidence[s].char_count;
        sum += sentence_surprise[s];
        ratio += evidence[s].char_ratio;
        const double mean = sentence_surprise[s] / std::max(1.0, evidence[s].char_count);
        n += 1;
        means += mean;
        squares += mean * mean;
    }
    Surprise result;
    result.mean = sum / std::max(1.0, chars);
    result.ratio = ratio / std::max(1.0, chars);
    const double mean = means / std::max(1.0, n);
    result.spread = std::sqrt(std::max(0.0, squares / std::max(1.0, n) - mean * mean));
    return result;
}

void weigh_sentences(const Model& model, const Tokens& tokens, DocumentScores& out,
                     std::vector<double>& sentence_surprise) {
    out.sentences.assign(tokens.sentences.size(), {});
    sentence_surprise.assign(tokens.sentences.size(), 0);
    const std::span<const Token> all = tokens.tokens;
    for (std::size_t s = 0; s < tokens.sentences.size(); ++s) {
        const Sentence& sentence = tokens.sentences[s];
        SentenceEvidence& evidence = out.sentences[s];
        if (sentence.token_begin == sentence.token_end) continue;
        const std::uint32_t begin = all[sentence.token_begin].begin;
        const std::uint32_t end = all[sentence.token_end - 1].end;
        std::int64_t ratio = 0;
        std::int64_t surprise = 0;
        for (std::uint32_t i = begin; i < end; ++i) {
            ratio += out.chars[i].log_ratio;
            surprise += out.chars[i].surprise;
        }
        evidence.char_ratio = static_cast<double>(ratio) * kLogRatioUnit;
        evidence.char_count = end - begin;
        sentence_surprise[s] = static_cast<double>(surprise) * kSurpriseUnit;
        const auto own = all.subspan(sentence.token_begin, sentence.token_end - sentence.token_begin);
        const HashedHead& words = model.heads[kWordHead];
        const HashedHead& phrases = model.heads[kSkeletonHead];
        std::int64_t word_sum = 0;
        std::int64_t phrase_sum = 0;
        each_word_gram(own, [&](std::size_t, std::uint64_t key) {
            word_sum += words.weights[gram_slot(key, kHeadBits[kWordHead])];
        });
        each_skeleton_gram(own, [&](std::size_t, std::uint64_t key) {
            phrase_sum += phrases.weights[gram_slot(key, kHeadBits[kSkeletonHead])];
        });
        evidence.word_weight = words.scale * static_cast<double>(word_sum);
        evidence.phrase_weight = phrases.scale * static_cast<double>(phrase_sum);
        evidence.word_count = static_cast<double>(own.size());
    }
}

// Adds one window's signals, weighted by its share of the words.
void add_window(const Model& model, const Reading& reading, double share, DocumentScores& out) {
    const WindowFeatures& features = reading.features();
    std::array<double, kFamilyCount> families{};
    double distance = 0;
    for (std::size_t i = 0; i < features.style.size(); ++i) {
        const double value = model.style.standardise(i, features.style[i]);
        families[static_cast<std::size_t>(stylometry_family(i))] += model.style.weights[i] * value;
        distance += value * value;
    }
    out.style_distance += share * distance / static_cast<double>(features.style.size());
    for (std::size_t head = 0; head < kHashedHeadCount; ++head) {
        const double score = model.heads[head].score(reading.counter(head));
        out.scores[head] += share * score;
        out.shown[head] += share * score;
    }
    for (std::size_t family = 0; family < kFamilyCount; ++family) {
        out.scores[kSignalFamilies + family] += share * families[family];
        out.shown[kSignalFamilies + family] += share * features.facts.values[family];
    }
}

}  // namespace

Reading::Reading() : counters_{GramCounter(kHeadBits[0]), GramCounter(kHeadBits[1]), GramCounter(kHeadBits[2])} {
    features_.style.resize(stylometry_size());
}

void Reading::read(std::string_view utf8) {
    normalise(utf8, normal_);
    tokenise(normal_, tokens_);
    cut_windows(tokens_, windows_);
}

std::string_view Reading::lower_of(const Window& window) const noexcept {
    if (window.token_begin >= window.token_end) return {};
    const std::uint32_t begin = tokens_.tokens[window.token_begin].begin;
    const std::uint32_t end = tokens_.tokens[window.token_end - 1].end;
    return std::string_view(tokens_.lower).substr(begin, end - begin);
}

void Reading::measure(const Window& window) {
    for (GramCounter& counter : counters_) counter.clear();
    const std::span<const Token> own =
        std::span(tokens_.tokens).subspan(window.token_begin, window.token_end - window.token_begin);
    each_char_gram(lower_of(window), [&](std::size_t, std::uint64_t key) { counters_[kCharHead].add(key); });
    each_word_gram(own, [&](std::size_t, std::uint64_t key) { counters_[kWordHead].add(key); });
    each_skeleton_gram(own, [&](std::size_t, std::uint64_t key) { counters_[kSkeletonHead].add(key); });
    measure_style(normal_, tokens_, window, scratch_, features_.style, features_.facts);
}

void score_document(const Model& model, Reading& reading, DocumentScores& out) {
    const Tokens& tokens = reading.tokens();
    out.scores.fill(0);
    out.shown.fill(0);
    out.style_distance = 0;
    out.words = tokens.words;
    model.chars.score(tokens.lower, out.chars);
    thread_local std::vector<double> sentence_surprise;
    weigh_sentences(model, tokens, out, sentence_surprise);
    for (const Window& window : reading.windows()) {
        const double share = tokens.words == 0 ? 1.0 / static_cast<double>(reading.windows().size())
                                               : static_cast<double>(window.words) / tokens.words;
        reading.measure(window);
        add_window(model, reading, share, out);
        const Surprise surprise = surprise_of(window, out.sentences, sentence_surprise);
        // Hundredths of a nat a character, so that all inputs of the stack have about one size.
        out.scores[kSignalCharModel] += share * 100.0 * surprise.ratio;
        out.scores[kSignalSurprise] += share * surprise.mean;
        out.scores[kSignalSurpriseSpread] += share * 10.0 * surprise.spread;
    }
    for (std::size_t i = kSignalCharModel; i <= kSignalSurpriseSpread; ++i) out.shown[i] = out.scores[i];
}

void segment_inputs(const Tokens& tokens, const DocumentScores& scores,
                    std::vector<std::array<double, kSegmentInputs>>& out) {
    const std::size_t count = tokens.sentences.size();
    out.assign(count, {});
    for (std::size_t s = 0; s < count; ++s) {
        SentenceEvidence sum = scores.sentences[s];
        std::uint32_t words = tokens.sentences[s].words;
        const auto add = [&](std::size_t other) {
            const SentenceEvidence& e = scores.sentences[other];
            sum.char_ratio += e.char_ratio;
            sum.char_count += e.char_count;
            sum.word_weight += e.word_weight;
            sum.word_count += e.word_count;
            sum.phrase_weight += e.phrase_weight;
            words += tokens.sentences[other].words;
        };
        // Sentences have four words or more, so this takes at most ten steps.
        for (std::size_t step = 1; step <= kSegmentWords && words < kSegmentWords; ++step) {
            if (s >= step) add(s - step);
            if (s + step < count && words < kSegmentWords) add(s + step);
            if (s < step && s + step >= count) break;
        }
        const double tokens_seen = std::max(1.0, sum.word_count);
        out[s] = {100.0 * sum.char_ratio / std::max(1.0, sum.char_count), sum.word_weight / std::sqrt(tokens_seen),
                  sum.phrase_weight / std::sqrt(tokens_seen), std::log(1.0 + words)};
    }
}

}  // namespace tidegate::provenance::text
