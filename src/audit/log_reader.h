// LogReader: reads durable records of the log, whatever its home: one by its leaf index, by an id, or all of a range.
//
// Position    What the views, proofs, retention and reports read from; segments/log_reader.h and postgres/reader.h are its two forms.
// Guarantee   What was acknowledged before the call is seen. A record that is damaged, or a home that does not answer, is an error, never a
//             wrong record and never an answer with less in it.
// Threads     Any number, beside the writer. Waits for a disk or a database: never on an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "audit/segments/keys.h"
#include "audit/segments/merkle.h"
#include "audit/segments/record.h"
#include "base/result.h"

namespace tidegate::audit {

/// [from, to).
struct LeafRange {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    friend bool operator==(const LeafRange&, const LeafRange&) = default;
};

/// A run of records that retention removes as one.
struct LogPart {
    LeafRange leaves;
    segments::ZoneMap zone;
    bool removable = true;  // False: the newest that is full, which stays.
};

class LogReader {
  public:
    LogReader() = default;
    LogReader(const LogReader&) = delete;
    LogReader& operator=(const LogReader&) = delete;
    virtual ~LogReader() = default;

    /// The first leaf that retention has left, and the one after the last durable.
    virtual std::uint64_t first_leaf() const = 0;
    virtual std::uint64_t end_leaf() const = 0;
    /// Of the keys of names in zone maps.
    virtual std::uint64_t seed() const noexcept = 0;

    /// kNotFound: not yet written, or removed by retention.
    virtual Result<segments::Record> read(std::uint64_t leaf) const = 0;
    /// Calls `visit` for those of `leaves` that the log has, in that order, until it gives false. What lies close together is read at once:
    /// a page of neighbours costs one read instead of one each. The record lives until `visit` comes back.
    using VisitRecord = std::function<bool(std::uint64_t leaf, const segments::RecordView& record)>;
    virtual Result<void> read_each(std::span<const std::uint64_t> leaves, const VisitRecord& visit) const = 0;
    /// The newest with that id; nothing when there is none.
    virtual Result<std::optional<segments::Record>> find_id(const Uuid& id) const = 0;
    /// Newest first, `limit` at most; only leaves that `wanted` takes (empty: all) are read.
    using Wanted = std::function<bool(std::uint64_t leaf)>;
    virtual Result<std::vector<segments::Record>> find_request(std::string_view request_id, std::size_t limit,
                                                               const Wanted& wanted) const = 0;
    Result<std::vector<segments::Record>> find_request(std::string_view request_id, std::size_t limit) const {
        return find_request(request_id, limit, Wanted());
    }
    /// The newest with that request id that `meant` takes; each one before it is read.
    using Meant = std::function<bool(const Decision&)>;
    virtual Result<std::optional<segments::Record>> find_request_if(std::string_view request_id,
                                                                    const Meant& meant) const = 0;
    virtual Result<std::vector<segments::Record>> find_input(const Sha256& input_hash, std::size_t limit,
                                                             const Wanted& wanted) const = 0;

    /// Leaf index and canonical bytes; false ends the scan.
    using Visit = std::function<bool(std::uint64_t leaf, segments::Bytes record)>;
    /// Calls `visit` for the leaves of [from, to) in order and gives the leaf after the last one visited. `to` is cut
    /// to end_leaf(). kNotFound: `from` is before first_leaf().
    virtual Result<std::uint64_t> scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const = 0;
    /// The same over those parts of the log only that may hold a match.
    virtual Result<void> scan_where(const segments::ZoneFilter& filter, const Visit& visit) const = 0;
    /// The leaves that scan_where() would visit, ascending.
    virtual Result<std::vector<LeafRange>> ranges_where(const segments::ZoneFilter& filter) const = 0;

    /// The parts that are full, oldest first, until `visit` gives false.
    using VisitPart = std::function<bool(const LogPart& part)>;
    virtual Result<void> each_part(const VisitPart& visit) const = 0;
    /// The largest tree of `leaf` leaves or fewer that the log states beside its records; nothing when there is none.
    virtual Result<std::optional<segments::MerkleStack>> tree_before(std::uint64_t leaf) const = 0;
};

}  // namespace tidegate::audit
