#include "model/text/byte_trie.h"

#include <algorithm>

namespace tidegate::model {
namespace {

// A base is looked for among so many places from the first free one on; then the array grows at its end.
constexpr std::size_t kTriesMax = 4'096;

}  // namespace

void ByteTrie::build(std::vector<Key> keys) {
    std::ranges::sort(keys);
    nodes_.assign(1, kRootNode);
    nodes_.reserve(keys.size() * 4);
    first_free_ = 1;
    std::vector<Work> waiting{{0, keys.size(), 0, kRoot}};
    while (!waiting.empty()) {
        const Work work = waiting.back();
        waiting.pop_back();
        place(keys, work, waiting);
    }
}

void ByteTrie::place(const std::vector<Key>& keys, const Work& work, std::vector<Work>& waiting) {
    std::size_t at = work.begin;
    for (; at < work.end && keys[at].first.size() == work.depth; ++at) {
        if (work.depth > 0) nodes_[work.node].value = keys[at].second;
    }
    if (at == work.end) return;
    std::vector<unsigned char> labels;
    std::vector<std::size_t> starts;
    for (; at < work.end; ++at) {
        const auto label = static_cast<unsigned char>(keys[at].first[work.depth]);
        if (!labels.empty() && labels.back() == label) continue;
        labels.push_back(label);
        starts.push_back(at);
    }
    starts.push_back(work.end);
    const std::uint32_t base = find_base(labels);
    nodes_[work.node].base = base;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::uint32_t child = base ^ labels[i];
        nodes_[child].parent = work.node;
        waiting.push_back({starts[i], starts[i + 1], work.depth + 1, child});
    }
    while (first_free_ < nodes_.size() && nodes_[first_free_].parent != kNowhere) ++first_free_;
}

std::uint32_t ByteTrie::find_base(const std::vector<unsigned char>& labels) {
    std::size_t tries = 0;
    for (std::size_t place = first_free_; place < nodes_.size() && tries < kTriesMax; ++place) {
        if (nodes_[place].parent != kNowhere) continue;
        ++tries;
        const auto base = static_cast<std::uint32_t>(place) ^ labels.front();
        const bool fits = std::ranges::all_of(labels, [&](unsigned char label) {
            const std::uint32_t child = base ^ label;
            return child != kRoot && (child >= nodes_.size() || nodes_[child].parent == kNowhere);
        });
        if (!fits) continue;
        nodes_.resize(std::max<std::size_t>(nodes_.size(), (base | 0xFFU) + std::size_t{1}), kFree);
        return base;
    }
    // A fresh block of 256: any set of labels fits into it.
    const auto base = static_cast<std::uint32_t>((nodes_.size() + 255) & ~std::size_t{255});
    nodes_.resize(std::size_t{base} + 256, kFree);
    return base;
}

std::uint32_t ByteTrie::walk(std::string_view text) const noexcept {
    std::uint32_t node = kRoot;
    for (const char c : text) {
        const std::uint32_t child = nodes_[node].base ^ static_cast<unsigned char>(c);
        if (child >= nodes_.size() || nodes_[child].parent != node) return kNowhere;
        node = child;
    }
    return node;
}

}  // namespace tidegate::model
