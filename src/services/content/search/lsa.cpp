#include "services/content/search/lsa.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace tidegate::content {
namespace {

constexpr std::uint64_t kLsaSeed = 0x7469646567617465;  // Any; fixed, so that two servers agree.

/// How often each word of a text stands in it, by number; those unknown left out.
template <class Find>
std::map<std::uint32_t, unsigned> counted(std::span<const Word> words, Find&& find) {
    std::map<std::uint32_t, unsigned> counts;
    for (const Word& word : words) {
        if (word.stop) continue;
        if (const auto id = find(word.stem)) ++counts[*id];
    }
    return counts;
}

float weight_of(unsigned count, float idf) noexcept {
    return (1 + std::log(static_cast<float>(count))) * idf;
}

/// One text: its words by number, and how often.
using Counts = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
constexpr std::uint32_t kNoWord = 0xFFFFFFFF;

/// The texts that a space is made of: all, or of every 2, 4, 8 ... the first, so that no more is held than may be.
template <class Ids>
struct Gathered {
    std::size_t pairs_max = 0, words_max = 0, offered = 0, stride = 1, pairs = 0;
    Ids ids{};
    std::vector<std::uint32_t> seen_in{};  // Texts, of each word.
    std::vector<Counts> texts{};

    void add(std::span<const Word> words) {
        if (offered++ % stride != 0) return;
        const auto counts = counted(words, [&](const std::string& stem) -> std::optional<std::uint32_t> {
            const auto [found, fresh] = ids.try_emplace(stem, static_cast<std::uint32_t>(ids.size()));
            if (fresh) seen_in.push_back(0);
            return found->second;
        });
        for (const auto& [id, count] : counts) ++seen_in[id];
        texts.emplace_back(counts.begin(), counts.end());
        pairs += counts.size();
        while ((pairs > pairs_max || ids.size() > words_max) && texts.size() > 1) halve();
    }

  private:
    void halve() {
        stride *= 2;
        const std::size_t kept = (texts.size() + 1) / 2;
        for (std::size_t i = 1; i < kept; ++i) texts[i] = std::move(texts[2 * i]);
        texts.resize(kept);
        std::ranges::fill(seen_in, 0);
        pairs = 0;
        for (const Counts& text : texts) {
            pairs += text.size();
            for (const auto& [id, count] : text) ++seen_in[id];
        }
        std::vector<std::uint32_t> number(seen_in.size(), kNoWord), left;
        for (std::size_t id = 0; id < seen_in.size(); ++id) {
            if (seen_in[id] == 0) continue;
            number[id] = static_cast<std::uint32_t>(left.size());
            left.push_back(seen_in[id]);
        }
        seen_in = std::move(left);
        std::erase_if(ids, [&](const auto& one) { return number[one.second] == kNoWord; });
        for (auto& [stem, id] : ids) id = number[id];
        for (Counts& text : texts) {
            for (auto& [id, count] : text) id = number[id];
        }
    }
};

}  // namespace

std::shared_ptr<const LsaSpace> LsaSpace::train(const std::function<bool(std::vector<Word>& words)>& next,
                                                std::size_t dimensions, const std::function<bool()>& stopped,
                                                std::size_t pairs_max) {
    Gathered<Ids> gathered{.pairs_max = pairs_max, .words_max = kWordsSeenMax};
    for (std::vector<Word> words; next(words); words.clear()) {
        if (stopped()) return nullptr;
        gathered.add(words);
    }
    const std::vector<std::uint32_t>& seen_in = gathered.seen_in;
    const std::vector<Counts>& texts = gathered.texts;
    if (texts.size() < kTextsMin) return nullptr;
    // A word of a single text leads nowhere else. Of too many, the commonest stay.
    std::vector<std::uint32_t> order;
    for (std::uint32_t id = 0; id < seen_in.size(); ++id) {
        if (seen_in[id] >= 2) order.push_back(id);
    }
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
        return seen_in[a] != seen_in[b] ? seen_in[a] > seen_in[b] : a < b;
    });
    if (order.size() > kWordsMax) order.resize(kWordsMax);
    std::vector<std::uint32_t> number(seen_in.size(), kNoWord);
    auto space = std::make_shared<LsaSpace>();
    space->texts_ = texts.size();
    for (std::uint32_t to = 0; to < order.size(); ++to) {
        number[order[to]] = to;
        const double share = static_cast<double>(texts.size()) / static_cast<double>(seen_in[order[to]]);
        space->idf_.push_back(static_cast<float>(std::log(share)));
    }
    for (const auto& [stem, id] : gathered.ids) {
        if (number[id] != kNoWord) space->ids_.emplace(stem, number[id]);
    }
    SparseMatrix matrix;
    matrix.columns = order.size();
    for (const Counts& text : texts) {
        const std::size_t begin = matrix.value.size();
        float squares = 0;
        for (const auto& [id, count] : text) {
            if (number[id] == kNoWord) continue;
            const float weight = weight_of(count, space->idf_[number[id]]);
            matrix.column.push_back(number[id]);
            matrix.value.push_back(weight);
            squares += weight * weight;
        }
        const float by = squares > 0 ? 1 / std::sqrt(squares) : 0;
        for (std::size_t i = begin; i < matrix.value.size(); ++i) matrix.value[i] *= by;
        matrix.end_row();
    }
    space->vectors_ = right_singular_vectors(matrix, dimensions, kLsaSeed, stopped);
    if (space->vectors_.columns == 0) return nullptr;
    return space;
}

std::vector<float> LsaSpace::place(std::span<const Word> words) const {
    std::vector<float> out(dimensions());
    const auto counts = counted(words, [&](const std::string& stem) -> std::optional<std::uint32_t> {
        const auto found = ids_.find(stem);
        if (found == ids_.end()) return std::nullopt;
        return found->second;
    });
    for (const auto& [id, count] : counts) {
        const float weight = weight_of(count, idf_[id]);
        const float* direction = vectors_.row(id);
        for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * direction[i];
    }
    const float length = std::sqrt(dot_of(out.data(), out.data(), out.size()));
    if (length > 0) {
        for (float& one : out) one /= length;
    }
    return out;
}

}  // namespace tidegate::content
