// The walk through the rows of the columns that match a filter. Used by log_history*.cpp only.
//
// Guarantee   Rows are candidates: kind and time are exact, an actor is only a hash, and a record may be gone by the time it is
//             read.
#pragma once

#include <algorithm>
#include <utility>

#include "audit/views/log_history.h"
#include "audit/views/log_history_match.h"

namespace tidegate::audit {

/// A chunk and the part of its rows that a walk goes through.
struct ChunkRange {
    const Columns::Chunk* chunk = nullptr;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool is_whole() const noexcept { return from == 0 && to == kChunkLeaves; }
};

class RowWalk {
  public:
    /// `filter` outlives it. `walk` is cut to what the log has now.
    RowWalk(const HistoryFilter& filter, const Walk& walk, const Columns& columns, const LogReader& reader);

    /// The chunks of the walk, in its order.
    const std::vector<ChunkRange>& chunks() const noexcept { return chunks_; }
    /// False: no row of it matches, by its summary.
    bool may_match(const ChunkRange& range);
    /// Every row of it that is of a matching kind also matches by time.
    bool is_inside(const ChunkRange& range) const;
    /// Records of matching kinds, by the summary, which there is.
    std::uint64_t count_kinds(const ChunkRange& range);
    /// False: no row of that block matches.
    bool may_match_block(const ColumnChunk& chunk, std::uint32_t block) {
        return (chunk.block_kinds[block].load(std::memory_order_relaxed) & kinds_.bits()) != 0;
    }
    /// Whether that row matches.
    bool matches_row(const ColumnChunk& chunk, std::uint32_t row) {
        if (!kinds_(chunk.kinds[row])) return false;
        const UnixMillis time = chunk.times[row];
        if (time < from_ || time >= to_) return false;
        return !actor_ || chunk.actors[row] == *actor_;
    }
    /// Every candidate so far is a match, and has not to be read to know that.
    bool is_exact() const noexcept { return !actor_ && kinds_.is_exact(); }
    const Columns& columns() const noexcept { return columns_; }

  private:
    const Columns& columns_;
    KindMatch kinds_;
    const UnixMillis from_;
    const UnixMillis to_;
    std::optional<std::uint32_t> actor_;
    std::shared_ptr<const Columns::List> list_;
    std::vector<ChunkRange> chunks_;
};

/// Calls visit(leaf) for each candidate, in the order of the walk, until it gives false.
template <class Visit>
Result<void> each_candidate(RowWalk& rows, Order order, Visit&& visit) {
    for (const ChunkRange& range : rows.chunks()) {
        if (!rows.may_match(range)) continue;
        TG_TRY(const auto chunk, rows.columns().load(*range.chunk));
        const std::uint32_t first = range.from / kBlockRows;
        const std::uint32_t last = (range.to - 1) / kBlockRows;
        for (std::uint32_t n = 0; n <= last - first; ++n) {
            const std::uint32_t block = order == Order::kOldestFirst ? first + n : last - n;
            if (!rows.may_match_block(*chunk, block)) continue;
            const std::uint32_t from = std::max(range.from, block * kBlockRows);
            const std::uint32_t to = std::min(range.to, (block + 1) * kBlockRows);
            for (std::uint32_t i = from; i < to; ++i) {
                const std::uint32_t row = order == Order::kOldestFirst ? i : to - 1 - (i - from);
                if (!rows.matches_row(*chunk, row)) continue;
                TG_TRY(const bool more, visit(range.chunk->first_leaf() + row));
                if (!more) return {};
            }
        }
    }
    return {};
}

}  // namespace tidegate::audit
