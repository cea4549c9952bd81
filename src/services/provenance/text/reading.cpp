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

// Sums over each sentence's own characters.
void weigh_characters(const Tokens& tokens, DocumentScores& out, std::vector<double>& sentence_surprise) {
    out.sentences.assign(tokens.sentences.size(), {});
    sentence_surprise.assign(tokens.sentences.size(), 0);
    for (std::size_t s = 0; s < tokens.sentences.size(); ++s) {
        const Sentence& sentence = tokens.sentences[s];
        SentenceEvidence& evidence = out.sentences[s];
        if (sentence.token_begin == sentence.token_end) continue;
        const std::uint32_t begin = tokens.tokens[sentence.token_begin].begin;
        const std::uint32_t end = tokens.tokens[sentence.token_end - 1].end;
        std::int64_t ratio = 0;
        std::int64_t surprise = 0;
        for (const CharScore& score : std::span(out.chars).subspan(begin, end - begin)) {
            ratio += score.log_ratio;
            surprise += score.surprise;
        }
        evidence.char_ratio = static_cast<double>(ratio) * kLogRatioUnit;
        evidence.char_count = end - begin;
        sentence_surprise[s] = static_cast<double>(surprise) * kSurpriseUnit;
    }
}

// Sums over each sentence's own grams, as if it stood alone. Only grams that reach over its first token differ from the
// window's, so the slots of all others are taken from there.
void weigh_grams(const Model& model, const Reading& reading, const Window& window, DocumentScores& out) {
    const Tokens& tokens = reading.tokens();
    const HashedHead& words = model.heads[kWordHead];
    const HashedHead& phrases = model.heads[kSkeletonHead];
    for (std::uint32_t s = window.sentence_begin; s < window.sentence_end; ++s) {
        const Sentence& sentence = tokens.sentences[s];
        if (sentence.token_begin == sentence.token_end) continue;
        const auto own =
            std::span(tokens.tokens).subspan(sentence.token_begin, sentence.token_end - sentence.token_begin);
        std::int64_t word_sum = 0;
        std::int64_t phrase_sum = 0;
        each_word_gram(own.first(1), [&](std::size_t, std::uint64_t key) {
            word_sum += words.weights[gram_slot(key, kHeadBits[kWordHead])];
        });
        each_skeleton_gram(own.first(std::min(own.size(), kSkeletonGrams)), [&](std::size_t, std::uint64_t key) {
            phrase_sum += phrases.weights[gram_slot(key, kHeadBits[kSkeletonHead])];
        });
        const std::size_t first = sentence.token_begin - window.token_begin;
        for (std::size_t i = 1; i < own.size(); ++i) {
            for (const std::uint32_t slot : reading.word_slots(first + i)) word_sum += words.weights[slot];
        }
        for (std::size_t i = kSkeletonGrams; i < own.size(); ++i) {
            for (const std::uint32_t slot : reading.skeleton_slots(first + i)) phrase_sum += phrases.weights[slot];
        }
        SentenceEvidence& evidence = out.sentences[s];
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
    std::size_t i = 0;
    for (std::size_t family = 0; family < kFamilyCount; ++family) {
        double sum = 0;
        for (const std::size_t end = i + stylometry_size(static_cast<Family>(family)); i < end; ++i) {
            const double value = model.style.standardise(i, features.style[i]);
            sum += model.style.weights[i] * value;
            distance += value * value;
        }
        families[family] = sum;
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

// Counts in blocks: while one is counted, the counters of the next come nearer.
template <class EachGram>
void Reading::count(std::size_t head, std::size_t kept, EachGram&& each_gram) {
    // 64 fetches are more than a core keeps under way at a time, and 256 bytes of slots.
    constexpr std::size_t kCountBlock = 64;
    std::vector<std::uint32_t>& slots = slots_[head];
    if (slots.size() < std::max(kept, 2 * kCountBlock)) slots.resize(std::max(kept, 2 * kCountBlock));
    // Slots that nobody will ask for go round in two blocks.
    const std::size_t mask = kept > 0 ? ~std::size_t{0} : 2 * kCountBlock - 1;
    std::uint32_t* const out = slots.data();
    GramCounter& counter = counters_[head];
    const unsigned bits = counter.bits();
    std::size_t size = 0;
    std::size_t counted = 0;
    each_gram([&](std::size_t, std::uint64_t key) {
        const std::uint32_t slot = gram_slot(key, bits);
        out[size++ & mask] = slot;
        counter.expect(slot);
        if (size - counted < 2 * kCountBlock) return;
        counter.add(std::span(out + (counted & mask), kCountBlock));
        counted += kCountBlock;
    });
    for (; counted < size; counted += kCountBlock) {
        counter.add(std::span(out + (counted & mask), std::min(kCountBlock, size - counted)));
    }
}

void Reading::measure(const Window& window) {
    for (GramCounter& counter : counters_) counter.clear();
    const std::span<const Token> own =
        std::span(tokens_.tokens).subspan(window.token_begin, window.token_end - window.token_begin);
    count(kCharHead, 0, [&](auto&& visit) { each_char_gram(lower_of(window), visit); });
    count(kWordHead, kWordGrams * own.size(), [&](auto&& visit) { each_word_gram(own, visit); });
    count(kSkeletonHead, kSkeletonGrams * own.size(), [&](auto&& visit) { each_skeleton_gram(own, visit); });
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
    weigh_characters(tokens, out, sentence_surprise);
    for (const Window& window : reading.windows()) {
        const double share = tokens.words == 0 ? 1.0 / static_cast<double>(reading.windows().size())
                                               : static_cast<double>(window.words) / tokens.words;
        reading.measure(window);
        weigh_grams(model, reading, window, out);
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
