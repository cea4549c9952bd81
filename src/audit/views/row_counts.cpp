#include "audit/views/row_counts.h"

#include <algorithm>

namespace tidegate::audit {

std::optional<RowCounts::Run> RowCounts::find(const HistoryFilter& filter, std::uint64_t chunk, std::uint32_t from,
                                              std::uint32_t to) {
    const Lock lock(mutex_);
    const auto found = std::ranges::find_if(known_, [&](const Known& known) {
        return known.run.chunk == chunk && known.run.from == from && known.run.to <= to && known.filter == filter;
    });
    if (found == known_.end()) return std::nullopt;
    known_.splice(known_.begin(), known_, found);
    return found->run;
}

void RowCounts::put(const HistoryFilter& filter, const Run& run) {
    const Lock lock(mutex_);
    const auto found = std::ranges::find_if(
        known_, [&](const Known& known) { return known.run.chunk == run.chunk && known.filter == filter; });
    if (found == known_.end()) {
        known_.push_front({filter, run});
        if (known_.size() > kKept) known_.pop_back();
        return;
    }
    // Of two that count at once the one that came further stays.
    const bool behind = found->run.from == run.from && found->run.to > run.to;
    if (!behind) found->run = run;
    known_.splice(known_.begin(), known_, found);
}

}  // namespace tidegate::audit
