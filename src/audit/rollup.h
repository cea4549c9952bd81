// Rollup: the sums by hour and kind that the statistics read, kept beside the rows by the writer.
//
// Guarantee   The sums of an hour are written in the transaction that inserts its rows: they never disagree with them.
// Algorithm   The cells in use stay in memory; a batch adds to them and writes each touched one once. After a commit
//             that failed the whole writer is thrown away and reads the file again.
// Memory      At most kCellsMax cells of about 1.5 KiB.
// Threads     The writer's alone.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "audit/decision.h"
#include "audit/latency_sketch.h"
#include "store/sqlite.h"

namespace tidegate::audit {

inline constexpr std::int64_t kHourMs = 3'600'000;

struct RollupCell {
    std::uint64_t decisions = 0;
    std::uint64_t confidences = 0;
    double confidence_sum = 0;
    std::int64_t latency_sum_us = 0;
    std::int64_t latency_max_us = 0;
    Points spend_points;
    std::int64_t tokens = 0;
    LatencySketch latency;

    void add(const Decision& decision);
    void merge(const RollupCell& other);
};

inline constexpr std::string_view kSelectHours =
    "SELECT "
    "hour,kind_id,decisions,confidences,confidence_sum,latency_sum_us,latency_max_us,spend_milli,tokens,"
    "latency "
    "FROM hours";
/// The current row of kSelectHours, from its third column on.
Result<RollupCell> read_cell(const store::Statement& row);

class Rollup {
  public:
    static Result<Rollup> open(store::Database& database);

    /// Counts a row that the open transaction has inserted.
    Result<void> add(const Decision& decision, std::int64_t kind_id);
    /// Writes the touched cells into the open transaction.
    Result<void> write();

  private:
    static constexpr std::size_t kCellsMax = 2'000;
    using Key = std::pair<std::int64_t, std::int64_t>;  // Hour since the epoch, kind.
    Rollup(store::Statement load, store::Statement save) : load_(std::move(load)), save_(std::move(save)) {}
    Result<RollupCell*> cell(const Key& key);

    store::Statement load_;
    store::Statement save_;
    std::map<Key, RollupCell> cells_;
    std::set<Key> touched_;
    std::vector<std::uint8_t> encoded_;
};

}  // namespace tidegate::audit
