// CubeStore: the cells of the statistics in SQLite, with the position of the log up to which they count.
//
// Guarantee   Cells and position change in one transaction: the file never counts a record twice or not at all.
// Algorithm   A cell whose period is whole in memory is written over; any other is read, added to, written. Minutes before
//             `minutes_from` are not written; those of one hour a save are deleted, their hours stay.
// Threads     One thread saves; read() and position() run on connections of a pool, on any.
// When it fails  kUnavailable as store/sqlite.h; kDataLoss: the file holds what we never write, or another has written to it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/segments/format.h"
#include "audit/views/cube_levels.h"
#include "audit/views/kinds.h"
#include "base/mutex.h"
#include "store/sqlite.h"

namespace tidegate::audit {

struct CubeStoreOptions {
    std::string path;
    std::string vfs;
};

class CubeStore {
  public:
    /// Makes or migrates the tables. `kinds` and `clock` outlive it.
    static Result<std::unique_ptr<CubeStore>> open(const CubeStoreOptions& options, Kinds& kinds, const Clock& clock);

    struct State {
        segments::LogId log_id{};
        std::uint64_t position = 0;
        Minute minutes_from = 0;  // Minutes before are not whole, or not there.
    };
    /// What the file says; zeros when nothing was ever saved.
    Result<State> state();
    /// Removes all cells; the position is 0, of this log.
    Result<void> wipe(const segments::LogId& log_id);
    /// Fills `levels` from their floors on: the total whole, of the others the newest, up to half of each budget.
    Result<void> load(Levels& levels);

    struct Save {
        std::uint64_t from = 0;  // Position that the file must have now.
        std::uint64_t to = 0;    // That it shall have.
        Minute minutes_from = 0;
        const PeriodCells& unsaved;
        const Levels& levels;  // With `unsaved` in it.
    };
    Result<void> save(const Save& save);

    /// On a connection of readers, within its transaction.
    static Result<std::uint64_t> position(store::Database& reader);
    Result<void> read(store::Database& reader, const Span& span, CellVisitor& visitor) const;

  private:
    CubeStore(store::Database database, Kinds& kinds) : database_(std::move(database)), kinds_(kinds) {}
    Result<void> read_kinds();
    Result<void> make_of_all();
    enum class Parts : std::uint8_t { kAll, kSums };
    Result<Minute> load_cells(Levels& levels, Level level, Parts parts, Minute before);
    Result<void> load_of_all(Levels& levels, Level level);
    Result<void> read_some(store::Database& reader, const Span& span, const std::vector<std::int64_t>& kinds,
                           CellVisitor& visitor) const;
    Result<void> read_range(store::Database& reader, const Span& span, CellVisitor& visitor) const;
    std::vector<std::int64_t> wanted(CellVisitor& visitor, std::size_t max) const TG_EXCLUDES(mutex_);
    std::int64_t stored_of(std::uint32_t kind);
    Result<void> insert_kinds();
    Result<void> write_cell(store::Statement& insert, Level level, Minute start, std::uint32_t kind, const Sums& sums,
                            const SparseSteps& steps);
    Result<void> write_minutes(const Save& save, Level level);
    Result<void> write_of_all(const Save& save, Level level);
    Result<void> put_of_all(store::Statement& insert, Level level, Minute start, const SparseSteps& steps);
    Result<void> delete_minutes(Minute before);
    Result<void> add_stored(store::Statement& row, Level level, Minute start, std::uint32_t kind, Cell& cell);
    Result<std::uint32_t> kind_of(std::int64_t stored) const TG_EXCLUDES(mutex_);

    store::Database database_;
    Kinds& kinds_;
    std::vector<std::int64_t> stored_;  // By number of Kinds; -1: has none yet. The saving thread's.
    std::size_t inserted_ = 0;          // Stored numbers that are in the file.
    std::vector<std::uint8_t> encoded_;
    mutable Mutex mutex_;
    std::vector<std::uint32_t> kind_of_ TG_GUARDED_BY(mutex_);  // By stored number.
};

}  // namespace tidegate::audit
