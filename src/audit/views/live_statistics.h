// LiveStatistics: counts, means and latency over any window, summed from the cube at the moment of the question.
//
// Position    The reading side of views/cube.h; its replies are those of views/statistics.h.
// Guarantee   Exact as of one instant, with every acknowledged record: counts, sums and means (a confidence counts in millionths);
//             latency quantiles within 0.2 %, max exact. A query with a tenant sums that tenant's cells only.
// Window      Rounded outwards to whole minutes UTC, where it begins or ends more than two days ago to whole hours; the reply says
//             which. When it holds everything that was ever counted, and no timeline is made, the totals are read.
// Time        About 5 ns for each kind of each period (minutes and hours at the edges, days between) and 1 us for each period's
//             latencies, as long as they are in memory (views/cube_levels.h); docs/benchmarks.md.
// Timeline    Made for windows of at most 400 days, when asked for; else empty.
// Threads     Any worker thread; never an event loop: what is no longer in memory is read from the file.
#pragma once

#include "audit/views/cube.h"
#include "audit/views/statistics.h"
#include "base/result.h"

namespace tidegate::audit {

class LiveStatistics {
  public:
    /// The cube outlives it.
    explicit LiveStatistics(const Cube& cube) : cube_(cube) {}
    /// `from` 0 and `to` far away: everything. kInvalidArgument: an empty window, or one before 1970; else errors of the file.
    Result<Statistics> read(const StatisticsQuery& query) const;

  private:
    const Cube& cube_;
};

}  // namespace tidegate::audit
