// BatchWriter: inserts groups of Decisions in one transaction. The database half of SqliteDecisionLog.
//
// Guarantee   write() commits all groups it does not refuse, or none. A group is refused (kConflict) when one of its
//             ids is in the log already; the other groups of the batch stay.
// Threads     The log's writer thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/rollup.h"
#include "audit/schema.h"
#include "audit/sqlite_log.h"
#include "store/sqlite.h"

namespace tidegate::audit {

class BatchWriter {
  public:
    /// Opens, checks when `check` says so, migrates, reads what it must know.
    static Result<std::unique_ptr<BatchWriter>> open(const SqliteLogOptions& options, const Clock& clock, bool check);
    /// Pages waiting in the WAL.
    int wal_pages() const noexcept { return database_.wal_pages(); }
    /// Moves the WAL into the database now.
    Result<void> checkpoint();

    /// Can the disk take a commit? Writes a page that changes nothing.
    Result<void> probe();

    using Group = std::vector<Decision>;
    /// One outcome a group, in order. An error as a whole: nothing of the batch was committed, and this
    /// writer is to be thrown away and opened anew.
    Result<std::vector<Result<void>>> write(std::span<const Group* const> groups);

  private:
    BatchWriter(store::Database database, store::Statement insert, store::Statement undo, Rollup rollup);
    Result<void> load();
    /// False: an id is in the log already; what the group had inserted is taken out again.
    Result<bool> insert_group(const Group& group);
    Result<std::int64_t> kind_id(const Decision& decision);

    store::Database database_;
    store::Statement insert_;
    store::Statement undo_;
    Rollup rollup_;
    std::int64_t next_seq_ = 1;
    std::int64_t next_kind_ = 1;
    std::unordered_map<std::string, std::int64_t> kinds_;
    std::string key_;
    RowTexts texts_;
};

}  // namespace tidegate::audit
