// PostgresReader: reads records of a log in PostgreSQL: one by its leaf index, by an id, or all of a range.
//
// Guarantee   What was acknowledged before the call is seen. A block is compared with its checksum, and its records counted: damage is
//             kDataLoss, never a wrong record.
// Speed       An id carries its time: the blocks that may hold it are found by a BRIN, one or two of them in a log whose ids are made
//             by this server. Request ids are looked up in the exploded rows only: recent records and errors.
// Threads     Any number; they take turns on one connection, made when it is first needed and again after it was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/postgres/schema.h"
#include "audit/segments/record.h"
#include "base/mutex.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

class PostgresReader {
  public:
    /// `schema` has passed check_schema_name(); `clock` outlives the reader.
    PostgresReader(store::PostgresOptions options, std::string schema, const Clock& clock);

    /// The leaf after the last one committed.
    Result<std::uint64_t> end_leaf() const;
    /// kNotFound: not yet written.
    Result<segments::Record> read(std::uint64_t leaf) const;
    /// The newest with that id; nothing when there is none.
    Result<std::optional<segments::Record>> find_id(const Uuid& id) const;
    /// Newest first, `limit` at most; of recent records and errors.
    Result<std::vector<segments::Record>> find_request(std::string_view request_id, std::size_t limit) const;

    /// Leaf index and canonical bytes; false ends the scan.
    using Visit = std::function<bool(std::uint64_t leaf, Bytes record)>;
    /// Calls `visit` for the leaves of [from, to) in order and gives the leaf after the last one visited.
    Result<std::uint64_t> scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const;
    /// Builds the tree anew from every record and compares it with the peaks of each block: the log's tree, or kDataLoss.
    Result<MerkleStack> verify() const;

  private:
    struct StoredBlock {
        std::uint64_t first_leaf = 0;
        std::uint64_t records = 0;
        Bytes payload;
        std::string_view peaks;
        std::uint64_t end() const noexcept { return first_leaf + records; }
    };
    using VisitBlock = std::function<Result<bool>(const StoredBlock&)>;

    Result<store::PostgresRows> ask(const std::string& statement, const store::PostgresValues& values) const;
    static Result<StoredBlock> block_of(const store::PostgresRows& rows, int row);
    static Result<bool> visit_records(const StoredBlock& block, std::uint64_t from, std::uint64_t to,
                                      const Visit& visit);
    Result<void> for_blocks(std::uint64_t from, std::uint64_t to, const VisitBlock& visit) const;

    const store::PostgresOptions options_;
    const std::string schema_;
    const Clock& clock_;
    mutable Mutex mutex_;
    mutable std::unique_ptr<store::PostgresLink> link_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit::postgres
