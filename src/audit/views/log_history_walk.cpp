#include "audit/views/log_history_walk.h"

namespace tidegate::audit {

RowWalk::RowWalk(const HistoryFilter& filter, const Walk& walk, const Columns& columns, const LogReader& reader)
    : columns_(columns),
      kinds_(filter, columns.kinds()),
      from_(filter.from.value_or(std::numeric_limits<UnixMillis>::min())),
      to_(filter.to.value_or(std::numeric_limits<UnixMillis>::max())) {
    if (filter.actor) actor_ = actor_hash_of(*filter.actor);
    // The end before the list: what lies below it is in the list.
    const std::uint64_t end = std::min(walk.to, columns.position());
    const std::uint64_t begin = std::max(walk.from, reader.first_leaf());
    list_ = columns.list();
    for (const Columns::Chunk& chunk : *list_) {
        const std::uint64_t first = chunk.first_leaf();
        const std::uint64_t from = std::max(begin, first);
        const std::uint64_t to = std::min(end, first + kChunkLeaves);
        if (from >= to) continue;
        chunks_.push_back({&chunk, static_cast<std::uint32_t>(from - first), static_cast<std::uint32_t>(to - first)});
    }
    if (walk.order == Order::kNewestFirst) std::ranges::reverse(chunks_);
}

bool RowWalk::may_match(const ChunkRange& range) {
    const ChunkSummary* summary = range.chunk->summary.get();
    if (summary == nullptr) return true;
    if (summary->time_max < from_ || summary->time_min >= to_) return false;
    return std::ranges::any_of(summary->kinds, [&](const auto& counted) { return kinds_(counted.kind); });
}

bool RowWalk::is_inside(const ChunkRange& range) const {
    const ChunkSummary* summary = range.chunk->summary.get();
    return summary != nullptr && range.is_whole() && summary->time_min >= from_ && summary->time_max < to_;
}

std::uint64_t RowWalk::count_kinds(const ChunkRange& range) {
    std::uint64_t count = 0;
    for (const auto& counted : range.chunk->summary->kinds) {
        if (kinds_(counted.kind)) count += counted.count;
    }
    return count;
}

}  // namespace tidegate::audit
