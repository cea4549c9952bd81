#include "services/provenance/text/stylometry.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/assert.h"
#include "base/hash.h"
#include "services/provenance/text/lexicon.h"

namespace tidegate::provenance::text {
namespace {

constexpr std::string_view kMarks = ",.;:!?'\"()-&/%$";
constexpr std::size_t kPunctuationCount = kMarks.size() + 4;
constexpr std::size_t kRhythmCount = 10;
constexpr std::size_t kVocabularyCount = 10 + kShapeCount;
constexpr std::size_t kRepetitionCount = 4;
constexpr std::size_t kInformalityCount = 11;

std::size_t function_word_count() noexcept {
    return function_words().size();
}

double root_rate(double count, double of) noexcept {
    return of > 0 ? std::sqrt(count / of) : 0;
}

// What one pass over the tokens of a window finds.
struct Counts {
    std::array<double, kMarks.size()> marks{};
    std::array<double, kShapeCount> shapes{};
    double words = 0;
    double numbers = 0;
    double punctuation = 0;
    double ellipses = 0;
    double double_marks = 0;  // "!!", "?!"
    double letters = 0;
    double letters_squared = 0;
    double long_words = 0;
    double very_long_words = 0;
    double short_words = 0;
    double content_words = 0;
    double contractions = 0;
    double capitals_inside = 0;
    double all_caps = 0;
    double lower_i = 0;
    double first_person = 0;
    double second_person = 0;
    double elongated = 0;
    double missing_apostrophes = 0;
};

constexpr auto kFirstPerson =
    std::to_array<std::string_view>({"i", "me", "my", "mine", "i'm", "i've", "i'd", "i'll", "myself"});
constexpr auto kSecondPerson = std::to_array<std::string_view>({"you", "your", "yours", "you're", "you've", "you'll"});
constexpr auto kMissingApostrophe = std::to_array<std::string_view>(
    {"dont", "cant", "wont", "didnt", "doesnt", "isnt", "im", "ive", "thats", "wasnt", "couldnt", "u", "ur"});

bool is_one_of(std::string_view word, std::span<const std::string_view> list) noexcept {
    return std::ranges::find(list, word) != list.end();
}

// Whether a word of this hash may be in a list above; nine of ten words are not, and need no comparison.
constexpr auto kMayBeListed = [] {
    std::array<bool, 256> listed{};
    const auto note = [&](std::span<const std::string_view> list) {
        for (const std::string_view word : list) listed[word_hash(word) >> 56U] = true;
    };
    note(kFirstPerson);
    note(kSecondPerson);
    note(kMissingApostrophe);
    return listed;
}();

void count_listed(std::string_view lower, Counts& c) noexcept {
    c.first_person += is_one_of(lower, kFirstPerson) ? 1 : 0;
    c.second_person += is_one_of(lower, kSecondPerson) ? 1 : 0;
    c.missing_apostrophes += is_one_of(lower, kMissingApostrophe) ? 1 : 0;
}

void count_word(const NormalText& normal, std::string_view lower, const Token& token, bool inside, Counts& c) {
    const auto length = static_cast<double>(lower.size());
    ++c.words;
    c.letters += std::min(length, 30.0);
    c.letters_squared += std::min(length, 30.0) * std::min(length, 30.0);
    c.short_words += lower.size() <= 3 ? 1 : 0;
    c.long_words += lower.size() >= 7 ? 1 : 0;
    c.very_long_words += lower.size() >= 10 ? 1 : 0;
    if (token.function_id == kNotFunctionWord) {
        ++c.content_words;
        ++c.shapes[token.shape];
    }
    if (token.all_caps)
        ++c.all_caps;
    else if (token.capital && inside && lower.size() > 1)
        ++c.capitals_inside;
    if (lower.size() > 12) return;
    if (kMayBeListed[token.hash >> 56U]) count_listed(lower, c);
    if (lower == "i" && normal.bytes[token.begin] == 'i') ++c.lower_i;
    if (lower.size() < 3) return;
    bool apostrophe = false;
    bool elongated = false;  // Three equal characters in a row.
    for (std::size_t i = 0; i < lower.size(); ++i) {
        apostrophe = apostrophe || lower[i] == '\'';
        elongated = elongated || (i >= 2 && lower[i] == lower[i - 1] && lower[i] == lower[i - 2]);
    }
    if (apostrophe && !lower.ends_with("'s")) ++c.contractions;
    if (elongated && lower.size() >= 4) ++c.elongated;
}

Counts count_tokens(const NormalText& normal, const Tokens& tokens, const Window& window, StylometryScratch& scratch) {
    Counts c;
    scratch.function_counts.assign(function_word_count() + 1, 0);
    const std::string_view lower = tokens.lower;
    bool inside = false;  // Not the first word after a stop.
    char before = 0;
    for (std::uint32_t t = window.token_begin; t < window.token_end; ++t) {
        const Token& token = tokens.tokens[t];
        if (token.kind == TokenKind::kWord) {
            ++scratch.function_counts[token.function_id];
            count_word(normal, lower.substr(token.begin, token.end - token.begin), token, inside, c);
            inside = true;
            before = 0;
        } else if (token.kind == TokenKind::kNumber) {
            ++c.numbers;
            before = 0;
        } else {
            ++c.punctuation;
            const char mark = lower[token.begin];
            if (token.end - token.begin > 1)
                ++c.ellipses;
            else if (const auto at = kMarks.find(mark); at != std::string_view::npos)
                ++c.marks[at];
            const bool stop = mark == '.' || mark == '!' || mark == '?';
            if (stop && (before == '!' || before == '?')) ++c.double_marks;
            if (stop) inside = false;
            before = mark;
        }
    }
    return c;
}

class FeatureWriter {
  public:
    explicit FeatureWriter(std::span<double> out) : out_(out) {}
    void put(double value) {
        TG_ASSERT(at_ < out_.size());
        out_[at_++] = value;
    }
    std::size_t at() const { return at_; }

  private:
    std::span<double> out_;
    std::size_t at_ = 0;
};

void write_punctuation(const Counts& c, double sentences, FeatureWriter& out) {
    for (const double mark : c.marks) out.put(root_rate(mark, c.words));
    out.put(root_rate(c.ellipses, c.words));
    out.put(root_rate(c.double_marks, c.words));
    out.put(root_rate(c.punctuation, c.words));
    out.put(std::sqrt(c.marks[0] / std::max(1.0, sentences)));  // Commas a sentence.
}

// Returns the coefficient of variation of the sentence lengths ("burstiness").
double write_rhythm(const Tokens& tokens, const Window& window, StylometryScratch& scratch, FeatureWriter& out) {
    double n = 0, sum = 0, squares = 0, steps = 0, shortest = 1e9, longest = 0, few = 0, many = 0, before = -1;
    scratch.hashes.clear();
    double function_starts = 0;
    for (std::uint32_t s = window.sentence_begin; s < window.sentence_end; ++s) {
        const Sentence& sentence = tokens.sentences[s];
        const double words = sentence.words;
        n += 1;
        sum += words;
        squares += words * words;
        if (before >= 0) steps += std::abs(words - before);
        before = words;
        shortest = std::min(shortest, words);
        longest = std::max(longest, words);
        few += words < 9 ? 1 : 0;
        many += words > 28 ? 1 : 0;
        for (std::uint32_t t = sentence.token_begin; t < sentence.token_end; ++t) {
            const Token& token = tokens.tokens[t];
            if (token.kind != TokenKind::kWord) continue;
            scratch.hashes.push_back(token.hash);
            function_starts += token.function_id != kNotFunctionWord ? 1 : 0;
            break;
        }
    }
    const double count = std::max(1.0, n);
    const double mean = sum / count;
    const double deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
    std::ranges::sort(scratch.hashes);
    const auto distinct =
        static_cast<double>(std::ranges::distance(scratch.hashes.begin(), std::ranges::unique(scratch.hashes).begin()));
    const double variation = mean > 0 ? deviation / mean : 0;
    out.put(std::log1p(mean));
    out.put(std::log1p(deviation));
    out.put(variation);
    out.put(mean > 0 ? steps / std::max(1.0, n - 1) / mean : 0);
    out.put(std::log1p(n > 0 ? shortest : 0));
    out.put(std::log1p(longest));
    out.put(few / count);
    out.put(many / count);
    out.put(distinct / count);
    out.put(function_starts / count);
    return variation;
}

struct Richness {
    double distinct = 0;
    double once = 0;
    double simpson = 0;
};

// The sums are of whole numbers, so exact in any order.
Richness richness(const Tally& words, std::size_t total_words) {
    Richness r;
    for (const Tally::Entry& entry : words.distinct()) {
        const auto run = static_cast<double>(entry.count);
        r.once += entry.count == 1 ? 1 : 0;
        r.simpson += run * (run - 1);
    }
    r.distinct = static_cast<double>(words.distinct().size());
    const auto total = static_cast<double>(total_words);
    if (total > 1) r.simpson /= total * (total - 1);
    return r;
}

// Returns the type-token ratio.
double write_vocabulary(const Counts& c, const Tokens& tokens, const Window& window, StylometryScratch& scratch,
                        FeatureWriter& out) {
    scratch.hashes.clear();
    for (std::uint32_t t = window.token_begin; t < window.token_end; ++t) {
        if (tokens.tokens[t].kind == TokenKind::kWord) scratch.hashes.push_back(tokens.tokens[t].hash);
    }
    scratch.words.run(scratch.hashes);
    const Richness all = richness(scratch.words, scratch.hashes.size());
    const double words = std::max(1.0, c.words);
    // Distinct words grow like a power of the length (Heaps): the exponent is what style is about.
    const double heaps = c.words > 1 ? std::log(std::max(1.0, all.distinct)) / std::log(words) : 1;
    const double mean = c.letters / words;
    out.put(all.distinct / words);
    out.put(heaps);
    out.put(all.once / words);
    out.put(std::sqrt(all.simpson));
    out.put(mean);
    out.put(std::sqrt(std::max(0.0, c.letters_squared / words - mean * mean)));
    out.put(root_rate(c.short_words, words));
    out.put(root_rate(c.long_words, words));
    out.put(root_rate(c.very_long_words, words));
    out.put(root_rate(c.content_words, words));
    for (const double shape : c.shapes) out.put(root_rate(shape, words));
    return all.distinct / words;
}

double share_of_repeats(std::size_t distinct, std::size_t total) {
    return total == 0 ? 0.0 : 1.0 - static_cast<double>(distinct) / static_cast<double>(total);
}

// Content words: their share of repeats, and the share of the most frequent one.
void write_content_words(const Tokens& tokens, const Window& window, StylometryScratch& scratch, FeatureWriter& out) {
    scratch.flags.assign(scratch.words.distinct().size(), 0);
    std::size_t word = 0;
    std::size_t total = 0;
    for (std::uint32_t t = window.token_begin; t < window.token_end; ++t) {
        const Token& token = tokens.tokens[t];
        if (token.kind != TokenKind::kWord) continue;
        const bool content = token.function_id == kNotFunctionWord;
        scratch.flags[scratch.words.id_of(word++)] = content ? 1 : 0;
        total += content ? 1 : 0;
    }
    std::size_t distinct = 0;
    std::uint32_t top = 0;
    for (std::size_t i = 0; i < scratch.flags.size(); ++i) {
        distinct += scratch.flags[i];
        if (scratch.flags[i] != 0) top = std::max(top, scratch.words.distinct()[i].count);
    }
    out.put(share_of_repeats(distinct, total));
    out.put(total == 0 ? 0.0 : static_cast<double>(top) / static_cast<double>(total));
}

// Returns the share of word pairs that stand there again. scratch.words has the words of the window.
double write_repetition(const Tokens& tokens, const Window& window, StylometryScratch& scratch, FeatureWriter& out) {
    write_content_words(tokens, window, scratch, out);
    const std::vector<std::uint64_t>& words = scratch.hashes;
    // A pair can only repeat where both words do, and three words where both pairs do: few are left to count.
    constexpr auto kUnique = static_cast<std::uint32_t>(-1);
    const std::size_t pairs = words.empty() ? 0 : words.size() - 1;
    std::size_t distinct = 0;
    scratch.keys.clear();
    scratch.pairs.assign(pairs, kUnique);
    for (std::size_t i = 0; i < pairs; ++i) {
        if (scratch.words.count_of(i) == 1 || scratch.words.count_of(i + 1) == 1) {
            ++distinct;
            continue;
        }
        scratch.pairs[i] = static_cast<std::uint32_t>(scratch.keys.size());
        scratch.keys.push_back(mix64(mix64(0) ^ words[i]) ^ words[i + 1]);
    }
    scratch.sequences.run(scratch.keys);
    const double pair_share = share_of_repeats(distinct + scratch.sequences.distinct().size(), pairs);
    const std::size_t triples = pairs == 0 ? 0 : pairs - 1;
    const auto repeats = [&](std::uint32_t pair) { return pair != kUnique && scratch.sequences.count_of(pair) > 1; };
    distinct = 0;
    scratch.keys.clear();
    for (std::size_t i = 0; i < triples; ++i) {
        if (!repeats(scratch.pairs[i]) || !repeats(scratch.pairs[i + 1])) {
            ++distinct;
            continue;
        }
        scratch.keys.push_back(mix64(mix64(mix64(0) ^ words[i]) ^ words[i + 1]) ^ words[i + 2]);
    }
    scratch.sequences.run(scratch.keys);
    out.put(std::sqrt(pair_share));
    out.put(std::sqrt(share_of_repeats(distinct + scratch.sequences.distinct().size(), triples)));
    return pair_share;
}

void write_informality(const Counts& c, FeatureWriter& out) {
    out.put(root_rate(c.contractions, c.words));
    out.put(root_rate(c.lower_i, c.words));
    out.put(root_rate(c.first_person, c.words));
    out.put(root_rate(c.second_person, c.words));
    out.put(root_rate(c.elongated, c.words));
    out.put(root_rate(c.missing_apostrophes, c.words));
    out.put(root_rate(c.all_caps, c.words));
    out.put(root_rate(c.capitals_inside, c.words));
    out.put(root_rate(c.numbers, std::max(1.0, c.words)));
    out.put(root_rate(c.double_marks + c.ellipses, c.words));
    out.put(root_rate(c.marks[4], c.words));  // Exclamation marks.
}

}  // namespace

void Tally::run(std::span<const std::uint64_t> hashes) {
    places_.assign(std::bit_ceil(std::max<std::size_t>(hashes.size() * 2, 16)), 0);
    ids_.resize(hashes.size());
    distinct_.clear();
    const std::size_t mask = places_.size() - 1;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        const std::uint64_t hash = hashes[i];
        std::size_t place = hash & mask;
        while (places_[place] != 0 && distinct_[places_[place] - 1].hash != hash) place = (place + 1) & mask;
        if (places_[place] == 0) {
            distinct_.push_back({.hash = hash});
            places_[place] = static_cast<std::uint32_t>(distinct_.size());
        }
        ids_[i] = places_[place] - 1;
        ++distinct_[ids_[i]].count;
    }
}

std::size_t stylometry_size() noexcept {
    return function_word_count() + kPunctuationCount + kRhythmCount + kVocabularyCount + kRepetitionCount +
           kInformalityCount;
}

std::size_t stylometry_size(Family family) noexcept {
    const std::array<std::size_t, kFamilyCount> sizes = {function_word_count(), kPunctuationCount, kRhythmCount,
                                                         kVocabularyCount,      kRepetitionCount,  kInformalityCount};
    return sizes[static_cast<std::size_t>(family)];
}

void measure_style(const NormalText& normal, const Tokens& tokens, const Window& window, StylometryScratch& scratch,
                   std::span<double> out, FamilyFacts& facts) {
    TG_ASSERT(out.size() == stylometry_size());
    const Counts c = count_tokens(normal, tokens, window, scratch);
    const double sentences = window.sentence_end - window.sentence_begin;
    FeatureWriter writer(out);
    // Most counts are small: their roots are taken once.
    std::array<double, 16> roots{};
    for (std::size_t i = 1; i < roots.size(); ++i) roots[i] = root_rate(static_cast<double>(i), c.words);
    for (std::size_t i = 1; i <= function_word_count(); ++i) {
        const std::uint32_t count = scratch.function_counts[i];
        writer.put(count < roots.size() ? roots[count] : root_rate(count, c.words));
    }
    write_punctuation(c, sentences, writer);
    const double per_hundred = 100.0 / std::max(1.0, c.words);
    facts.values[0] = (c.words - c.content_words) * per_hundred;
    facts.values[1] = c.punctuation * per_hundred;
    facts.values[2] = write_rhythm(tokens, window, scratch, writer);
    facts.values[3] = write_vocabulary(c, tokens, window, scratch, writer);
    facts.values[4] = 100.0 * write_repetition(tokens, window, scratch, writer);
    facts.values[5] =
        (c.contractions + c.lower_i + c.elongated + c.missing_apostrophes + c.double_marks + c.all_caps) * per_hundred;
    write_informality(c, writer);
    TG_ASSERT(writer.at() == out.size());
}

}  // namespace tidegate::provenance::text
