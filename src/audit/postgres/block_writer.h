// BlockWriter: the one session that writes a log's blocks, and what is known of a COMMIT whose answer never came.
//
// Position    Used by PostgresDecisionLog's writer thread.
// Guarantee   A block is one transaction with its exploded rows and the head of the log, which moves only from where this writer knows
//             it to be: no leaf is given twice and none is left out, whoever else writes. A commit that is reported is on the
//             server's disk (synchronous_commit on, fsync on).
// Lock        An advisory lock of the session, one a log: while an earlier session of this writer lives on in the server, the lock is
//             not given, so what reconnect() reads is final.
// Threads     One.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "audit/postgres/schema.h"
#include "base/random.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

/// What the writer needs of a block; made by exploded.h. Its bytes outlive commit().
struct Block {
    std::uint64_t first_leaf = 0;
    std::uint64_t records = 0;
    segments::ZoneMap zone;  // Its earliest `recorded` says which month the block belongs to.
    Bytes payload;
    MerkleStack after;             // The tree with its leaves.
    std::vector<Month> months;     // Of its records' `recorded`, each once.
    std::string_view recent_rows;  // Binary COPY.
    std::string_view error_rows;   // Empty: none of them is an error.

    std::uint64_t end() const noexcept { return first_leaf + records; }
};

enum class Commit : std::uint8_t {
    kDone,
    kFailed,   // Surely not in the log.
    kUnknown,  // The connection was lost while the server had the COMMIT: reconnect() tells.
};

struct BlockWriterOptions {
    std::string url;
    std::string schema;
    std::string name;  // Who writes, for whoever finds the log taken.
    Duration patience{};
    Duration lock_patience{};
};

class BlockWriter {
  public:
    BlockWriter(BlockWriterOptions options, const Clock& clock, Random& random);

    /// Takes the lock, makes what is missing of the tables, begins a generation.
    /// kConflict: another writer has the log. kInvalidArgument: the server does not sync. kDataLoss: head and last block differ.
    Result<void> open();
    /// After a failure: the lock again, and the log as this writer has left it. What of an unknown commit is there shows in
    /// tree(). kConflict: another writer has been here; kDataLoss: the server has lost what it had acknowledged.
    Result<void> reconnect();
    /// A failure breaks the link. `error` says why it was not kDone.
    Commit commit(const Block& block, Error& error);

    /// What the server has, as far as it is known.
    const MerkleStack& tree() const noexcept { return tree_; }
    /// After open().
    const segments::LogId& log_id() const noexcept { return log_id_; }
    std::uint64_t first_leaf() const noexcept { return first_leaf_; }
    /// Whether the server still answers; a failure breaks the link.
    Result<void> ping();
    std::uint64_t generation() const noexcept { return generation_; }

  private:
    struct Head {
        segments::LogId log_id{};
        std::uint64_t generation = 0;
        MerkleStack tree;
        std::uint64_t first_leaf = 0;
    };
    Result<void> connect();
    Result<void> take_up();
    Result<void> take_lock();
    Error lock_holder();
    Result<void> check_server();
    Result<void> make_tables();
    Result<Head> read_head();
    Result<void> check_last_block();
    Result<void> make_partitions(const Block& block);
    Result<void> send(const Block& block);

    const BlockWriterOptions options_;
    const Clock& clock_;
    const segments::LogId new_id_;  // Of the log, where there is none yet.
    const std::string session_;     // application_name: tells this writer's sessions from all others.
    std::unique_ptr<store::PostgresLink> link_;
    MerkleStack tree_;
    MerkleStack in_doubt_;  // The tree of a commit whose outcome is unknown.
    std::uint64_t generation_ = 0;
    segments::LogId log_id_{};
    std::uint64_t first_leaf_ = 0;  // At the start.
    std::set<Month> months_;        // Those that have their partitions.
};

}  // namespace tidegate::audit::postgres
