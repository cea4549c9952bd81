#include "audit/postgres/block_cache.h"

#include <algorithm>
#include <utility>

namespace tidegate::audit::postgres {
namespace {

// What a block of few records costs beside its payload.
constexpr std::size_t kOverhead = 512;
std::size_t cost(const CutBlock& block) {
    return kOverhead + block.payload.size() + block.ends.size() * sizeof(std::uint32_t);
}

}  // namespace

std::shared_ptr<const CutBlock> BlockCache::find(std::uint64_t leaf) const {
    const Lock lock(mutex_);
    const auto found = std::ranges::find_if(
        blocks_, [leaf](const auto& block) { return leaf >= block->first_leaf && leaf < block->end(); });
    if (found == blocks_.end()) return nullptr;
    blocks_.splice(blocks_.begin(), blocks_, found);
    return blocks_.front();
}

void BlockCache::put(std::shared_ptr<const CutBlock> block) const {
    const std::size_t bytes = cost(*block);
    const Lock lock(mutex_);
    // Two who missed it at once bring it twice.
    const auto twin = std::ranges::find(blocks_, block->first_leaf, &CutBlock::first_leaf);
    if (twin != blocks_.end()) return;
    while (!blocks_.empty() && (bytes_ + bytes > kBytesMax || blocks_.size() >= kBlocksMax)) {
        bytes_ -= cost(*blocks_.back());
        blocks_.pop_back();
    }
    bytes_ += bytes;
    blocks_.push_front(std::move(block));
}

}  // namespace tidegate::audit::postgres
