// LogStore: where records lie: appended in groups, hashed into one tree, read back, and let go from the front.
//
// Position    Below StoredLog (audit/stored_log.h), which adds followers and the policy of failures; beside it for what needs leaf indices:
//             proofs, retention, decisions from elsewhere. segments/segment_log.h and postgres/postgres_log.h are its two forms.
// Guarantee   `placed` runs once for each append, with the leaf index only after the records are durable, in the tree, and found by the
//             reader; with an error when that is not certain. Indices are given in the order of the log, without a gap, and never
//             again to other records that were acknowledged. A group lies together, whole or not at all.
// Threads     append_group() from any: it does not wait. `placed` runs on a thread of the log, or on the caller's when refused at
//             once; it must be short and must not throw.
// When full   kUnavailable at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "audit/decision_log.h"
#include "audit/log_reader.h"
#include "audit/segments/format.h"

namespace tidegate::audit {

/// A batch that has become durable: what tiles and views are made from. Valid during the call.
struct DurableBatch {
    std::uint64_t first_leaf = 0;
    std::span<const Sha256> leaves;
    segments::Bytes payload;             // Records with their length prefixes; RecordCursor cuts them.
    const segments::MerkleStack& after;  // The tree with these leaves.
};

class LogStore {
  public:
    using Placed = std::move_only_function<void(Result<std::uint64_t>)>;

    LogStore() = default;
    LogStore(const LogStore&) = delete;
    LogStore& operator=(const LogStore&) = delete;
    virtual ~LogStore() = default;

    /// All or nothing, next to each other; `placed` gets the leaf index of the first. kTooLarge: over 16 MiB.
    virtual void append_group(std::span<const Decision> decisions, Placed placed) = 0;
    /// Waits until everything appended before the call is acknowledged or refused. Never on an event loop.
    virtual void flush() = 0;
    /// Takes nothing new (kUnavailable), writes what waits, ends the threads. Once; the destructor does it too.
    virtual void close() = 0;

    virtual const LogReader& reader() const noexcept = 0;
    /// The tree over all durable records: its size, root and peaks.
    virtual segments::MerkleStack tree() const = 0;
    virtual const segments::LogId& log_id() const noexcept = 0;
    /// Without followers and gaps, which the store does not know.
    virtual LogHealth log_health() const = 0;
    /// Removes the parts (LogReader::each_part()) that lie wholly before `leaf`, and waits for that. kUnavailable: not all of it is
    /// gone yet.
    virtual Result<void> remove_before(std::uint64_t leaf) = 0;
};

}  // namespace tidegate::audit
