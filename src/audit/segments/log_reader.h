// segments::LogReader: reads durable records of the log in its segments.
//
// Position    A form of audit/log_reader.h, which says what each call gives.
// Guarantee   What was acknowledged before the call is seen. A record read by index or id is compared with the first bytes of its
//             leaf hash, a scanned batch with its checksum: damage is an error, never a wrong record.
// Speed       bench/results/segment_log.json.
// Threads     Any number; beside the writer, without its lock. Reads the disk: never on an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "audit/log_reader.h"
#include "audit/segments/catalog.h"
#include "audit/segments/record.h"

namespace tidegate::audit::segments {

class LogReader final : public audit::LogReader {
  public:
    /// Both outlive the reader.
    LogReader(const LogFolder& folder, const Catalog& catalog, std::uint64_t seed)
        : folder_(folder), catalog_(catalog), seed_(seed) {}

    using audit::LogReader::find_request;
    std::uint64_t first_leaf() const override;
    std::uint64_t end_leaf() const override;
    std::uint64_t seed() const noexcept override { return seed_; }
    Result<Record> read(std::uint64_t leaf) const override;
    Result<void> read_each(std::span<const std::uint64_t> leaves, const VisitRecord& visit) const override;
    Result<std::optional<Record>> find_id(const Uuid& id) const override;
    Result<std::vector<Record>> find_request(std::string_view request_id, std::size_t limit,
                                             const Wanted& wanted) const override;
    Result<std::optional<Record>> find_request_if(std::string_view request_id, const Meant& meant) const override;
    Result<std::vector<Record>> find_input(const Sha256& input_hash, std::size_t limit,
                                           const Wanted& wanted) const override;
    Result<std::uint64_t> scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const override;
    /// By segments.
    Result<void> scan_where(const ZoneFilter& filter, const Visit& visit) const override;
    Result<std::vector<LeafRange>> ranges_where(const ZoneFilter& filter) const override;
    Result<void> each_part(const VisitPart& visit) const override;
    Result<std::optional<MerkleStack>> tree_before(std::uint64_t leaf) const override;
    /// The begun segments, oldest first: headers and, of sealed ones, zone maps.
    std::shared_ptr<const Catalog::Entries> segments() const { return catalog_.entries(); }

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
    bool may_hold(const SegmentEntry& entry, const ZoneFilter& filter) const;
    Result<void> find(const Sought& sought, std::vector<Record>& out) const;
    Result<void> find_in(const SegmentEntry& entry, const Sought& sought, std::vector<Record>& out) const;
    Result<void> read_matching(const SegmentEntry& entry, std::span<const std::uint32_t> candidates,
                               const Sought& sought, std::vector<Record>& out) const;
    bool is_gone(const SegmentEntry& entry) const;
    static const SegmentEntry* entry_with(const Catalog::Entries& entries, std::uint64_t leaf);
    Result<bool> read_run(const SegmentEntry& entry, std::span<const std::uint64_t> leaves,
                          const VisitRecord& visit) const;
    Result<Record> read_from(const SegmentEntry& entry, std::uint32_t record) const;
    Result<Record> read_record(const LogFile& file, const SegmentEntry& entry, std::uint32_t record) const;
    Result<bool> scan_segment(const SegmentEntry& entry, std::uint64_t& leaf, std::uint64_t to,
                              const Visit& visit) const;

    const LogFolder& folder_;
    const Catalog& catalog_;
    const std::uint64_t seed_;
};

}  // namespace tidegate::audit::segments
