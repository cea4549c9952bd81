#include "model/text/small_embedder.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "base/embedded.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "model/text/unicode.h"

TG_EMBEDDED(hash_embed_table)

namespace tidegate::model {
namespace {

constexpr std::string_view kMagic = "TGHEMB01";
constexpr unsigned kPlaces =
    8;  // Numbers that a feature is added to: more would not lower the noise, fewer make it uneven.
constexpr std::size_t kGramChars = 4;
constexpr std::size_t kGramWordMin = 5;    // Shorter words are little more than their own grams.
constexpr std::size_t kWordCharsMax = 64;  // Of a longer word the rest is left out.
// In sixteenths; by nDCG@10 on the development queries of SciFact (models/small_embedder/CARD.md).
constexpr std::int64_t kWordShare = 16;
constexpr std::int64_t kGramShare = 10;

std::uint64_t hash_of(const char32_t* begin, std::size_t size, std::uint64_t seed) {
    std::uint64_t hash = seed;
    for (std::size_t i = 0; i < size; ++i) hash = mix64(hash + 0x9e3779b97f4a7c15ULL + begin[i]);
    return mix64(hash ^ size);
}

// Harman's S-stemmer (1991): -ies, -es, -s.
std::size_t stem(std::u32string& word) {
    const std::size_t size = word.size();
    if (size < 4 || word[size - 1] != U's' || word[size - 2] == U's' || word[size - 2] == U'u') return size;
    if (word[size - 2] == U'e' && word[size - 3] == U'i' && word[size - 4] != U'e' && word[size - 4] != U'a') {
        word[size - 3] = U'y';
        return size - 2;
    }
    return size - 1;
}

void add_word(std::u32string& word, std::vector<SmallEmbedder::Feature>& out) {
    if (word.empty()) return;
    word.resize(stem(word));
    out.push_back({hash_of(word.data(), word.size(), 1), false});
    if (word.size() >= kGramWordMin) {
        for (std::size_t at = 0; at + kGramChars <= word.size(); ++at)
            out.push_back({hash_of(word.data() + at, kGramChars, 2), true});
    }
    word.clear();
}

}  // namespace

void SmallEmbedder::features(std::string_view text, std::vector<Feature>& out) {
    const unicode::Table& table = unicode::table();
    std::u32string word;
    std::array<char32_t, 2> small{};
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = unicode::next(text, at);
        const std::uint16_t flags = table.flags(c);
        if ((flags & unicode::kWord) == 0) {
            add_word(word, out);
            continue;
        }
        // Ideographs stand without spaces: each is a word.
        if ((flags & unicode::kIdeograph) != 0) add_word(word, out);
        if (word.size() >= kWordCharsMax) continue;
        const std::size_t count = unicode::lower(c, small);
        word.append(small.data(), count);
        if ((flags & unicode::kIdeograph) != 0) add_word(word, out);
    }
    add_word(word, out);
}

std::string SmallEmbedder::table_of(std::span<const std::uint8_t> weights) {
    std::string made(kMagic);
    for (const std::uint8_t weight : weights) made.push_back(static_cast<char>(weight));
    return made;
}

Result<SmallEmbedder> SmallEmbedder::parse(std::string_view table) {
    if (table.size() != kMagic.size() + kBuckets || !table.starts_with(kMagic)) {
        return fail(ErrorCode::kDataLoss, "the table of tidegate-hash-embed is damaged");
    }
    SmallEmbedder made;
    for (const char weight : table.substr(kMagic.size())) made.weights_.push_back(static_cast<std::uint8_t>(weight));
    made.version_ = to_hex(sha256(table));
    return made;
}

const SmallEmbedder& SmallEmbedder::built_in() {
    static const SmallEmbedder made = [] {
        auto parsed = parse(hash_embed_table());
        TG_ASSERT(parsed.has_value());
        return std::move(*parsed);
    }();
    return made;
}

Result<void> SmallEmbedder::embed(std::string_view text, std::span<float, kDimensions> out) const {
    if (!utf8::is_valid(text)) return fail(ErrorCode::kInvalidArgument, "a text that is no UTF-8");
    std::vector<Feature> found;
    features(text, found);
    std::ranges::sort(found, {}, &Feature::hash);
    std::array<std::int64_t, kDimensions> sums{};
    for (std::size_t at = 0; at < found.size();) {
        std::size_t end = at;
        while (end < found.size() && found[end].hash == found[at].hash) ++end;
        const auto times = static_cast<std::int64_t>(end - at);
        const auto weight = static_cast<std::int64_t>(weights_[bucket(found[at].hash)]);
        // Squared: of the words that two texts share the rare ones say most. A word's tenth occurrence adds little (BM25's k1 = 1.2).
        const std::int64_t value = weight * weight * (found[at].is_gram ? kGramShare : kWordShare) *
                                   (22 * times * 64 / (10 * times + 12)) / 64;
        std::uint64_t bits = found[at].hash;
        for (unsigned place = 0; place < kPlaces; ++place) {
            bits = mix64(bits + 0x9e3779b97f4a7c15ULL);
            std::int64_t& sum = sums[(bits >> 8U) % kDimensions];
            sum += (bits & 1U) != 0 ? value : -value;
        }
        at = end;
    }
    double length = 0;
    for (const std::int64_t sum : sums) length += static_cast<double>(sum) * static_cast<double>(sum);
    length = std::sqrt(length);
    for (std::size_t i = 0; i < kDimensions; ++i)
        out[i] = length > 0 ? static_cast<float>(static_cast<double>(sums[i]) / length) : 0.0F;
    return {};
}

}  // namespace tidegate::model
