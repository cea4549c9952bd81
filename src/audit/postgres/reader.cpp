#include "audit/postgres/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::postgres {
namespace {

using segments::Record;
using store::PostgresRows;
using store::PostgresValues;

constexpr std::string_view kBlockColumns = "generation, first_leaf, records, crc, peaks, payload";
// Blocks a question: as many as make up some 4 MiB. A payload is 1 MiB when the log is busy (16 MiB at most) and one record when
// it is not.
constexpr std::int64_t kBlocksFirst = 4;
constexpr std::int64_t kBlocksMax = 4096;
constexpr std::size_t kBytesAtOnce = 4U * 1024 * 1024;

std::int64_t blocks_next(std::int64_t blocks, std::size_t bytes) {
    if (bytes > 2 * kBytesAtOnce) return std::max<std::int64_t>(1, blocks / 2);
    return bytes < kBytesAtOnce / 2 ? std::min(kBlocksMax, blocks * 2) : blocks;
}

Error damaged(std::uint64_t leaf, std::string_view what) {
    return {ErrorCode::kDataLoss, fmt::format("the log's block at leaf {} {}", leaf, what)};
}

Result<Record> record_of(std::uint64_t leaf, Bytes bytes) {
    TG_TRY(const segments::RecordView view, segments::decode(bytes));
    return Record{.leaf = leaf, .recorded = view.recorded, .decision = segments::to_decision(view)};
}

std::int64_t number_of(std::uint64_t leaf) {
    // What no log reaches, such as "to the end", is as good as its end.
    return static_cast<std::int64_t>(std::min<std::uint64_t>(leaf, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

PostgresReader::PostgresReader(store::PostgresOptions options, std::string schema, const Clock& clock)
    : links_(std::move(options), clock), schema_(std::move(schema)), clock_(clock) {}

Result<void> PostgresReader::refresh() {
    PostgresValues name;
    const std::string table = schema_ + ".audit_head";
    name.add(std::string_view(table));
    TG_TRY(const PostgresRows there, links_.ask("SELECT to_regclass($1::text) IS NOT NULL", name));
    if (there.integer(0, 0) == 0) {
        return fail(ErrorCode::kNotFound, fmt::format("schema {} of the database holds no log", schema_));
    }
    TG_TRY(const PostgresRows rows,
           links_.ask("SELECT format, log_id, first_leaf, size FROM " + table, PostgresValues()));
    if (rows.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    TG_CHECK(check_format(rows.integer(0, 0)));
    TG_TRY(const segments::LogId log_id, decode_log_id(rows.bytes(0, 1)));
    open(log_id, static_cast<std::uint64_t>(rows.integer(0, 2)), static_cast<std::uint64_t>(rows.integer(0, 3)));
    return {};
}

void PostgresReader::open(const segments::LogId& log_id, std::uint64_t first_leaf, std::uint64_t end_leaf) {
    log_id_ = log_id;
    set_first(first_leaf);
    set_end(end_leaf);
}

std::uint64_t PostgresReader::seed() const noexcept {
    return seed_of(log_id_);
}

std::unexpected<Error> PostgresReader::gone(std::uint64_t leaf) const {
    return fail(ErrorCode::kNotFound, fmt::format("the log begins at record {}: {} is removed", first_leaf(), leaf));
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

// A block that is not there is damage, unless retention has taken it: the head says so before the first block goes.
Error PostgresReader::missing(std::uint64_t leaf) const {
    const auto rows = links_.ask("SELECT first_leaf FROM " + schema_ + ".audit_head", PostgresValues());
    if (!rows) return rows.error();
    if (rows->size() == 1 && leaf < static_cast<std::uint64_t>(rows->integer(0, 0))) return gone(leaf).error();
    return damaged(leaf, "is missing");
}

Result<void> PostgresReader::for_blocks(std::uint64_t from, std::uint64_t to, const VisitBlock& visit) const {
    to = std::min(to, end_leaf());
    if (from < to && from < first_leaf()) return gone(from);
    // The block that the first leaf is in, then those that follow it.
    const std::string statement = fmt::format(
        "SELECT {1} FROM {0}.audit_blocks WHERE first_leaf >= coalesce((SELECT first_leaf FROM {0}.audit_blocks"
        " WHERE first_leaf <= $1::int8 ORDER BY first_leaf DESC LIMIT 1), 0) AND first_leaf < $2::int8"
        " ORDER BY first_leaf LIMIT $3::int8",
        schema_, kBlockColumns);
    std::int64_t at_once = kBlocksFirst;
    std::uint64_t next = from;
    while (next < to) {
        PostgresValues range;
        range.add(number_of(next)).add(number_of(to)).add(at_once);
        TG_TRY(const PostgresRows rows, links_.ask(statement, range));
        const std::uint64_t asked = next;
        std::size_t bytes = 0;
        for (int row = 0; row < rows.size(); ++row) {
            TG_TRY(const StoredBlock block, block_of(rows, row));
            if (block.first_leaf > next || block.end() <= next || (next != from && block.first_leaf != next)) {
                return std::unexpected(missing(next));
            }
            TG_TRY(const bool more, visit(block));
            if (!more) return {};
            next = block.end();
            bytes += block.payload.size();
        }
        if (next == asked) return std::unexpected(missing(next));
        at_once = blocks_next(at_once, bytes);
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
    TG_TRY(const PostgresRows head,
           links_.ask("SELECT first_leaf, first_peaks, size FROM " + schema_ + ".audit_head", PostgresValues()));
    if (head.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    const auto first = static_cast<std::uint64_t>(head.integer(0, 0));
    const auto end = static_cast<std::uint64_t>(head.integer(0, 2));
    TG_TRY(MerkleStack tree, decode_peaks(first, head.bytes(0, 1)));
    TG_CHECK(for_blocks(first, end, [&](const StoredBlock& block) -> Result<bool> {
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

Result<std::shared_ptr<const CutBlock>> PostgresReader::block_with(std::uint64_t leaf) const {
    if (auto known = cache_.find(leaf)) return known;
    auto cut = std::make_shared<CutBlock>();
    TG_CHECK(for_blocks(leaf, leaf + 1, [&](const StoredBlock& block) -> Result<bool> {
        cut->first_leaf = block.first_leaf;
        cut->payload.assign(block.payload.begin(), block.payload.end());
        std::size_t end = 0;
        return visit_records(block, 0, block.end(), [&](std::uint64_t, Bytes record) {
            end += 4 + record.size();
            cut->ends.push_back(static_cast<std::uint32_t>(end));
            return true;
        });
    }));
    if (cut->ends.empty()) return std::unexpected(missing(leaf));
    cache_.put(cut);
    return cut;
}

Result<Record> PostgresReader::read(std::uint64_t leaf) const {
    if (leaf >= end_leaf()) return fail(ErrorCode::kNotFound, fmt::format("the log has no record {}", leaf));
    if (leaf < first_leaf()) return gone(leaf);
    TG_TRY(const auto block, block_with(leaf));
    return record_of(leaf, block->record(leaf));
}

Result<void> PostgresReader::read_each(std::span<const std::uint64_t> leaves, const VisitRecord& visit) const {
    std::shared_ptr<const CutBlock> block;
    for (const std::uint64_t leaf : leaves) {
        if (leaf >= end_leaf() || leaf < first_leaf()) continue;
        if (block == nullptr || leaf < block->first_leaf || leaf >= block->end()) {
            auto found = block_with(leaf);
            if (!found && found.error().code == ErrorCode::kNotFound) continue;  // Retention.
            if (!found) return std::unexpected(std::move(found).error());
            block = *std::move(found);
        }
        TG_TRY(const segments::RecordView view, segments::decode(block->record(leaf)));
        if (!visit(leaf, view)) return {};
    }
    return {};
}

Result<std::optional<MerkleStack>> PostgresReader::tree_before(std::uint64_t leaf) const {
    PostgresValues below;
    below.add(number_of(leaf));
    // The newest of two ends at `leaf` or goes over it.
    TG_TRY(const PostgresRows rows,
           links_.ask("SELECT first_leaf + records, peaks FROM " + schema_ +
                          ".audit_blocks WHERE first_leaf < $1::int8 ORDER BY first_leaf DESC LIMIT 2",
                      below));
    for (int row = 0; row < rows.size(); ++row) {
        const auto end = static_cast<std::uint64_t>(rows.integer(row, 0));
        if (end > leaf || end <= first_leaf()) continue;
        TG_TRY(MerkleStack tree, decode_peaks(end, rows.bytes(row, 1)));
        return std::optional(tree);
    }
    TG_TRY(const PostgresRows head,
           links_.ask("SELECT first_leaf, first_peaks FROM " + schema_ + ".audit_head", PostgresValues()));
    if (head.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    const auto first = static_cast<std::uint64_t>(head.integer(0, 0));
    if (first > leaf) return std::optional<MerkleStack>();
    TG_TRY(MerkleStack tree, decode_peaks(first, head.bytes(0, 1)));
    return std::optional(tree);
}

}  // namespace tidegate::audit::postgres
