// PostgresReader: reads the records of a log in PostgreSQL.
//
// Position    A form of audit/log_reader.h, which says what each call gives. PostgresLog tells it how far the log goes; alone (the command
//             line) refresh() asks the database.
// Guarantee   What was acknowledged before the call is seen. A block is compared with its checksum, and its records counted: damage is
//             kDataLoss, never a wrong record; a database that does not answer is kUnavailable, never less than there is.
// Speed       A record by its leaf: one question, or none when its block was read a moment ago. An id carries its time: the blocks that may
//             hold it are found by a BRIN, one or two of them in a log whose ids are made by this server. Request ids and inputs
//             are looked up in the exploded rows; records older than those are looked through block by block for kOlderPatience.
// Threads     Any number; kLinksMax questions at once (audit/postgres/link_pool.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log_reader.h"
#include "audit/postgres/block_cache.h"
#include "audit/postgres/link_pool.h"
#include "audit/postgres/schema.h"
#include "audit/segments/format.h"

namespace tidegate::audit::postgres {

class PostgresReader final : public LogReader {
  public:
    /// Longer than that nobody waits for an answer over HTTP.
    static constexpr Duration kOlderPatience = std::chrono::seconds(20);

    /// `schema` has passed check_schema_name(); `clock` outlives the reader. Then refresh() or open(), before anything else.
    PostgresReader(store::PostgresOptions options, std::string schema, const Clock& clock);

    /// Reads which log it is and how far it goes now. kNotFound: the schema holds none.
    Result<void> refresh();
    /// The same from who writes it.
    void open(const segments::LogId& log_id, std::uint64_t first_leaf, std::uint64_t end_leaf);
    void set_first(std::uint64_t leaf) noexcept { first_.store(leaf, std::memory_order_release); }
    void set_end(std::uint64_t leaf) noexcept { end_.store(leaf, std::memory_order_release); }
    const segments::LogId& log_id() const noexcept { return log_id_; }

    using LogReader::find_request;
    std::uint64_t first_leaf() const override { return first_.load(std::memory_order_acquire); }
    std::uint64_t end_leaf() const override { return end_.load(std::memory_order_acquire); }
    std::uint64_t seed() const noexcept override;
    Result<segments::Record> read(std::uint64_t leaf) const override;
    Result<void> read_each(std::span<const std::uint64_t> leaves, const VisitRecord& visit) const override;
    /// kUnavailable also: the blocks of its time could not be looked through in kOlderPatience.
    Result<std::optional<segments::Record>> find_id(const Uuid& id) const override;
    /// kUnavailable also: what is older than the exploded rows could not be looked through in kOlderPatience.
    Result<std::vector<segments::Record>> find_request(std::string_view request_id, std::size_t limit,
                                                       const Wanted& wanted) const override;
    Result<std::optional<segments::Record>> find_request_if(std::string_view request_id,
                                                            const Meant& meant) const override;
    Result<std::vector<segments::Record>> find_input(const Sha256& input_hash, std::size_t limit,
                                                     const Wanted& wanted) const override;
    Result<std::uint64_t> scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const override;
    /// By blocks: their times and tenants.
    Result<void> scan_where(const segments::ZoneFilter& filter, const Visit& visit) const override;
    Result<std::vector<LeafRange>> ranges_where(const segments::ZoneFilter& filter) const override;
    Result<void> each_part(const VisitPart& visit) const override;
    Result<std::optional<MerkleStack>> tree_before(std::uint64_t leaf) const override;

    /// Builds the tree anew from every record that is left and compares it with the peaks of each block: the log's tree, or kDataLoss.
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
    // What is looked for by a column of the exploded rows.
    struct Sought {
        std::string_view column;
        std::string_view type;
        std::string_view value;
        std::function<bool(const segments::RecordView&)> equals;
        const Wanted& wanted;
        std::function<bool(const Decision&)> meant;
        std::size_t limit;
    };

    static Result<StoredBlock> block_of(const store::PostgresRows& rows, int row);
    static Result<bool> visit_records(const StoredBlock& block, std::uint64_t from, std::uint64_t to,
                                      const Visit& visit);
    Result<void> for_blocks(std::uint64_t from, std::uint64_t to, const VisitBlock& visit) const;
    Result<std::shared_ptr<const CutBlock>> block_with(std::uint64_t leaf) const;
    std::unexpected<Error> gone(std::uint64_t leaf) const;
    Error missing(std::uint64_t leaf) const;

    Result<std::vector<segments::Record>> find(const Sought& sought) const;
    Result<bool> find_in_rows(const Sought& sought, std::vector<segments::Record>& found) const;
    Result<std::uint64_t> end_of_older() const;
    Result<void> find_in_older(const Sought& sought, std::uint64_t end, std::vector<segments::Record>& found) const;

    const LinkPool links_;
    const std::string schema_;
    const Clock& clock_;
    const BlockCache cache_;
    segments::LogId log_id_{};
    std::atomic<std::uint64_t> first_{0};
    std::atomic<std::uint64_t> end_{0};
};

}  // namespace tidegate::audit::postgres
