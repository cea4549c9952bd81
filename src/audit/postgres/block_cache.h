// BlockCache: blocks that were read a moment ago, whole and checked: a page of the history asks for many records of few of them.
//
// Memory      kBytesMax of payloads, and the block in hand.
// Threads     Any number, one lock.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "audit/segments/bytes.h"
#include "base/mutex.h"

namespace tidegate::audit::postgres {

/// A block's records, cut. Immutable.
struct CutBlock {
    std::uint64_t first_leaf = 0;
    std::vector<std::uint8_t> payload;
    std::vector<std::uint32_t> ends;  // Of each record in the payload.

    std::uint64_t end() const noexcept { return first_leaf + ends.size(); }
    /// `leaf` is in [first_leaf, end()).
    segments::Bytes record(std::uint64_t leaf) const {
        const auto row = static_cast<std::size_t>(leaf - first_leaf);
        const std::size_t begin = (row == 0 ? 0 : ends[row - 1]) + 4;
        return segments::Bytes(payload).subspan(begin, ends[row] - begin);
    }
};

class BlockCache {
  public:
    static constexpr std::size_t kBytesMax = 32U * 1024 * 1024;
    /// They are looked through one by one: a microsecond.
    static constexpr std::size_t kBlocksMax = 512;

    /// The block that holds `leaf`; null when it is not here.
    std::shared_ptr<const CutBlock> find(std::uint64_t leaf) const;
    void put(std::shared_ptr<const CutBlock> block) const;

  private:
    mutable Mutex mutex_;
    mutable std::list<std::shared_ptr<const CutBlock>> blocks_ TG_GUARDED_BY(mutex_);  // The one used last in front.
    mutable std::size_t bytes_ TG_GUARDED_BY(mutex_) = 0;
};

}  // namespace tidegate::audit::postgres
