#include "drift/cells.h"

#include <algorithm>
#include <numeric>

#include "base/assert.h"

namespace tidegate::drift {
namespace {

constexpr std::uint64_t kShareMin = 100;  // One of a hundred.

}  // namespace

void CellCounts::merge(const CellCounts& other) {
    TG_ASSERT(counts_.size() == other.counts_.size());
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::uint64_t CellCounts::total() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

NumericCells::NumericCells(std::span<const double> sorted, std::size_t inner) {
    TG_ASSERT(inner >= 1);
    if (sorted.empty()) return;
    lowest_ = sorted.front();
    for (std::size_t i = 1; i <= inner; ++i) {
        // The last value of the i-th part; a part that ends where the one before did has no cell of its own.
        const std::size_t last = std::max<std::size_t>(i * sorted.size() / inner, 1) - 1;
        if (edges_.empty() || sorted[last] > edges_.back()) edges_.push_back(sorted[last]);
    }
}

std::vector<std::uint64_t> NumericCells::folded(const CellCounts& counts) const {
    std::vector<std::uint64_t> folded(counts.all().begin(), counts.all().end());
    TG_ASSERT(folded.size() == size());
    if (edges_.empty()) return folded;
    folded[1] += folded[below()];
    folded[edges_.size()] += folded[above()];
    folded[below()] = folded[above()] = 0;
    return folded;
}

CategoryCells::CategoryCells(const std::map<std::string, std::uint64_t>& seen, std::size_t top) {
    std::vector<std::pair<std::string, std::uint64_t>> words(seen.begin(), seen.end());
    std::uint64_t all = 0;
    for (const auto& [word, count] : words) all += count;
    std::erase_if(words, [all](const auto& entry) { return entry.first.empty() || entry.second * kShareMin < all; });
    std::ranges::sort(words, [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    for (std::size_t i = 0; i < std::min(top, words.size()); ++i) {
        index_.emplace(words[i].first, i);
        words_.push_back(words[i].first);
    }
}

std::size_t CategoryCells::cell_of(std::string_view word) const {
    if (word.empty()) return missing();
    const auto found = index_.find(word);
    return found == index_.end() ? other() : found->second;
}

std::string_view CategoryCells::name(std::size_t cell) const noexcept {
    if (cell < words_.size()) return words_[cell];
    return cell == other() ? "other" : "missing";
}

}  // namespace tidegate::drift
