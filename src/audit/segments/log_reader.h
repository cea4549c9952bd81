// LogReader: reads durable records of the log: one by its leaf index, by an id, or all of a range.
//
// Guarantee   What was acknowledged before the call is seen. A record read by index or id is compared with the first bytes of its
//             leaf hash, a scanned batch with its checksum: damage is an error, never a wrong record.
// Speed       bench/results/segment_log.json.
// Threads     Any number; beside the writer, without its lock. Reads the disk: never on an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "audit/segments/catalog.h"
#include "audit/segments/record.h"

namespace tidegate::audit::segments {

class LogReader {
  public:
    /// Both outlive the reader.
    LogReader(const LogFolder& folder, const Catalog& catalog, std::uint64_t seed)
        : folder_(folder), catalog_(catalog), seed_(seed) {}

    /// The first leaf that retention has left, and the one after the last durable.
    std::uint64_t first_leaf() const;
    std::uint64_t end_leaf() const;
    /// The begun segments, oldest first: headers and, of sealed ones, zone maps.
    std::shared_ptr<const Catalog::Entries> segments() const { return catalog_.entries(); }
    /// Of the keys of names in zone maps.
    std::uint64_t seed() const noexcept { return seed_; }

    /// kNotFound: not yet written, or removed by retention.
    Result<Record> read(std::uint64_t leaf) const;
    /// The newest with that id; nothing when there is none.
    Result<std::optional<Record>> find_id(const Uuid& id) const;
    /// Newest first, `limit` at most; only leaves that `wanted` takes are read.
    using Wanted = std::function<bool(std::uint64_t leaf)>;
    Result<std::vector<Record>> find_request(std::string_view request_id, std::size_t limit,
                                             const Wanted& wanted = {}) const;
    /// The newest with that request id that `meant` takes; each one before it is read.
    using Meant = std::function<bool(const Decision&)>;
    Result<std::optional<Record>> find_request_if(std::string_view request_id, const Meant& meant) const;
    Result<std::vector<Record>> find_input(const Sha256& input_hash, std::size_t limit,
                                           const Wanted& wanted = {}) const;

    /// Leaf index and canonical bytes; false ends the scan.
    using Visit = std::function<bool(std::uint64_t leaf, Bytes record)>;
    /// Calls `visit` for the leaves of [from, to) in order and gives the leaf after the last one visited. `to` is cut
    /// to end_leaf(). kNotFound: `from` is before first_leaf().
    Result<std::uint64_t> scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const;
    /// The same over those segments only that may hold a match.
    Result<void> scan_where(const ZoneFilter& filter, const Visit& visit) const;

  private:
    using Matches = std::function<bool(const Decision&)>;
    struct Sought {
        Run run;
        std::uint64_t key;
        std::optional<UnixMillis> time;
        const Matches& matches;
        const Wanted& wanted;
        std::size_t limit;
    };
    Result<void> find(const Sought& sought, std::vector<Record>& out) const;
    Result<void> find_in(const SegmentEntry& entry, const Sought& sought, std::vector<Record>& out) const;
    Result<void> read_matching(const SegmentEntry& entry, std::span<const std::uint32_t> candidates,
                               const Sought& sought, std::vector<Record>& out) const;
    bool is_gone(const SegmentEntry& entry) const;
    Result<Record> read_from(const SegmentEntry& entry, std::uint32_t record) const;
    Result<Record> read_record(const LogFile& file, const SegmentEntry& entry, std::uint32_t record) const;
    Result<bool> scan_segment(const SegmentEntry& entry, std::uint64_t& leaf, std::uint64_t to,
                              const Visit& visit) const;

    const LogFolder& folder_;
    const Catalog& catalog_;
    const std::uint64_t seed_;
};

}  // namespace tidegate::audit::segments
