// RowCounts: how many rows of a chunk matched a filter when they were counted last, so that the next count goes on from there.
//
// Position    LogHistory's, for the total of a page: without it each page looks at every row of the chunk that fills, up to 262,144.
// Guarantee   A count is of exactly the rows asked for. Rows of a chunk never change once they are published; a count that began at another
//             row (retention has moved the log's beginning) or went further is not used.
// Memory      kKept filters with a chunk each; the one unused longest goes.
// Threads     Any; the lock is not held while rows are counted.
#pragma once

#include <cstdint>
#include <list>
#include <optional>

#include "audit/views/history.h"
#include "base/mutex.h"

namespace tidegate::audit {

class RowCounts {
  public:
    /// A tenant's pages of a dashboard are some filters; a filter with a moving time is new each time and pushes one of these out.
    static constexpr std::size_t kKept = 64;

    /// The rows [from, to) of a chunk, of which `matches` are matches.
    struct Run {
        std::uint64_t chunk = 0;
        std::uint32_t from = 0;
        std::uint32_t to = 0;
        std::uint64_t matches = 0;
    };
    /// What is known of the first rows of that run: at most so many.
    std::optional<Run> find(const HistoryFilter& filter, std::uint64_t chunk, std::uint32_t from, std::uint32_t to);
    void put(const HistoryFilter& filter, const Run& run);

  private:
    struct Known {
        HistoryFilter filter;
        Run run;
    };
    Mutex mutex_;
    std::list<Known> known_ TG_GUARDED_BY(mutex_);  // The one used last in front.
};

}  // namespace tidegate::audit
