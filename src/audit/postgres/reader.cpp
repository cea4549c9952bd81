#include "audit/postgres/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::postgres {
namespace {

using segments::Record;
using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

constexpr std::string_view kBlockColumns = "generation, first_leaf, records, crc, peaks, payload";
// Blocks a question: a payload is 1 MiB when the log is busy, 16 MiB at most.
constexpr int kBlocksAtOnce = 4;

Error damaged(std::uint64_t leaf, std::string_view what) {
    return {ErrorCode::kDataLoss, fmt::format("the log's block at leaf {} {}", leaf, what)};
}

Result<Record> record_of(std::uint64_t leaf, Bytes bytes) {
    TG_TRY(const segments::RecordView view, segments::decode(bytes));
    return Record{.leaf = leaf, .recorded = view.recorded, .decision = segments::to_decision(view)};
}

}  // namespace

PostgresReader::PostgresReader(store::PostgresOptions options, std::string schema, const Clock& clock)
    : options_(std::move(options)), schema_(std::move(schema)), clock_(clock) {}

Result<PostgresRows> PostgresReader::ask(const std::string& statement, const PostgresValues& values) const {
    const Lock lock(mutex_);
    // A connection that was lost while nobody asked is found out by asking: a question may be put twice.
    const bool fresh = link_ == nullptr || link_->broken();
    if (fresh) {
        TG_TRY(link_, PostgresLink::connect(options_, clock_));
    }
    auto rows = link_->run(statement, values);
    if (rows || fresh || !link_->broken()) return rows;
    TG_TRY(link_, PostgresLink::connect(options_, clock_));
    return link_->run(statement, values);
}

Result<std::uint64_t> PostgresReader::end_leaf() const {
    TG_TRY(const PostgresRows rows, ask("SELECT size FROM " + schema_ + ".audit_head", PostgresValues()));
    if (rows.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    return static_cast<std::uint64_t>(rows.integer(0, 0));
}

Result<PostgresReader::StoredBlock> PostgresReader::block_of(const PostgresRows& rows, int row) {
    const auto number = [&](int column) { return static_cast<std::uint64_t>(rows.integer(row, column)); };
    const StoredBlock block{.first_leaf = number(1),
                            .records = number(2),
                            .payload = segments::bytes_of(rows.bytes(row, 5)),
                            .peaks = rows.bytes(row, 4)};
    if (block_crc(number(0), block.first_leaf, block.records, block.payload) != number(3)) {
        return std::unexpected(damaged(block.first_leaf, "does not agree with its checksum"));
    }
    return block;
}

Result<bool> PostgresReader::visit_records(const StoredBlock& block, std::uint64_t from, std::uint64_t to,
                                           const Visit& visit) {
    segments::RecordCursor cursor(block.payload);
    Bytes record;
    std::uint64_t leaf = block.first_leaf;
    for (; cursor.next(record); ++leaf) {
        if (leaf < from) continue;
        if (leaf >= to || !visit(leaf, record)) return false;
    }
    if (leaf != block.end() || !cursor.at_end()) {
        return std::unexpected(damaged(block.first_leaf, "does not have as many records as it says"));
    }
    return true;
}

Result<void> PostgresReader::for_blocks(std::uint64_t from, std::uint64_t to, const VisitBlock& visit) const {
    // Asked first: whatever is before it must be there.
    TG_TRY(const std::uint64_t end, end_leaf());
    to = std::min(to, end);
    // The block that the first leaf is in, then those that follow it.
    const std::string statement = fmt::format(
        "SELECT {1} FROM {0}.audit_blocks WHERE first_leaf >= coalesce((SELECT first_leaf FROM {0}.audit_blocks"
        " WHERE first_leaf <= $1::int8 ORDER BY first_leaf DESC LIMIT 1), 0) AND first_leaf < $2::int8"
        " ORDER BY first_leaf LIMIT {2}",
        schema_, kBlockColumns, kBlocksAtOnce);
    std::uint64_t next = from;
    while (next < to) {
        PostgresValues range;
        range.add(static_cast<std::int64_t>(next)).add(static_cast<std::int64_t>(to));
        TG_TRY(const PostgresRows rows, ask(statement, range));
        const std::uint64_t asked = next;
        for (int row = 0; row < rows.size(); ++row) {
            TG_TRY(const StoredBlock block, block_of(rows, row));
            if (block.first_leaf > next || block.end() <= next || (next != from && block.first_leaf != next)) {
                return std::unexpected(damaged(next, "is missing"));
            }
            TG_TRY(const bool more, visit(block));
            if (!more) return {};
            next = block.end();
        }
        if (next == asked) return std::unexpected(damaged(next, "is missing"));
    }
    return {};
}

Result<std::uint64_t> PostgresReader::scan(std::uint64_t from, std::uint64_t to, const Visit& visit) const {
    std::uint64_t next = from;
    TG_CHECK(for_blocks(from, to, [&](const StoredBlock& block) {
        return visit_records(block, from, to, [&](std::uint64_t leaf, Bytes record) {
            next = leaf + 1;
            return visit(leaf, record);
        });
    }));
    return next;
}

Result<MerkleStack> PostgresReader::verify() const {
    TG_TRY(const std::uint64_t end, end_leaf());
    MerkleStack tree;
    TG_CHECK(for_blocks(0, end, [&](const StoredBlock& block) -> Result<bool> {
        TG_TRY(const bool whole, visit_records(block, 0, end, [&](std::uint64_t, Bytes record) {
                   tree.add(segments::leaf_hash(record));
                   return true;
               }));
        if (!whole || encode_peaks(tree) != block.peaks) {
            return std::unexpected(damaged(block.first_leaf, "does not agree with the tree of its records"));
        }
        return true;
    }));
    if (tree.size() != end) {
        return fail(ErrorCode::kDataLoss,
                    fmt::format("the log's head says {} records, {} are there", end, tree.size()));
    }
    return tree;
}

Result<Record> PostgresReader::read(std::uint64_t leaf) const {
    std::optional<Result<Record>> found;
    TG_CHECK(scan(leaf, leaf + 1, [&](std::uint64_t, Bytes record) {
        found = record_of(leaf, record);
        return false;
    }));
    if (!found) return fail(ErrorCode::kNotFound, fmt::format("no record {}", leaf));
    return *std::move(found);
}

Result<std::optional<Record>> PostgresReader::find_id(const Uuid& id) const {
    PostgresValues time;
    time.add(store::postgres_time(unix_ms_of(id)));
    TG_TRY(const PostgresRows rows,
           ask("SELECT first_leaf FROM " + schema_ +
                   ".audit_blocks WHERE time_from <= $1::timestamptz AND time_to >= $1::timestamptz ORDER BY 1 DESC",
               time));
    std::optional<Result<Record>> found;
    for (int row = 0; row < rows.size() && !found; ++row) {
        const auto first = static_cast<std::uint64_t>(rows.integer(row, 0));
        TG_CHECK(for_blocks(first, first + 1, [&](const StoredBlock& block) {
            return visit_records(block, 0, block.end(), [&](std::uint64_t leaf, Bytes record) {
                const auto view = segments::decode(record);
                if (!view) found = std::unexpected(view.error());
                // A later one of the same id wins.
                if (view && view->id == id) found = record_of(leaf, record);
                return view.has_value();
            });
        }));
    }
    if (!found) return std::nullopt;
    TG_TRY(Record record, *std::move(found));
    return record;
}

Result<std::vector<Record>> PostgresReader::find_request(std::string_view request_id, std::size_t limit) const {
    PostgresValues wanted;
    wanted.add(request_id).add(static_cast<std::int64_t>(std::min<std::size_t>(limit, 10'000)));
    // An error that is recent is in both.
    TG_TRY(const PostgresRows rows,
           ask(fmt::format(
                   "SELECT leaf FROM {0}.audit_recent WHERE request_id = $1::text UNION"
                   " SELECT leaf FROM {0}.audit_errors WHERE request_id = $1::text ORDER BY leaf DESC LIMIT $2::int8",
                   schema_),
               wanted));
    std::vector<Record> all;
    for (int row = 0; row < rows.size(); ++row) {
        TG_TRY(Record record, read(static_cast<std::uint64_t>(rows.integer(row, 0))));
        all.push_back(std::move(record));
    }
    return all;
}

}  // namespace tidegate::audit::postgres
