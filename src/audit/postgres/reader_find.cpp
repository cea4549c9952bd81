// The look-ups of PostgresReader: by the times and tenants of the blocks, and by the exploded rows.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "audit/postgres/keep.h"
#include "audit/postgres/reader.h"

namespace tidegate::audit::postgres {
namespace {

using segments::Record;
using segments::RecordView;
using store::postgres_time;
using store::PostgresRows;
using store::PostgresValues;

// Of what is known of each block: 10,000 are some 2 MB.
constexpr std::int64_t kBlocksAPage = 10'000;
constexpr std::size_t kRowsAPage = 256;
// Retention removes so much as one: some 64 MiB of a busy log, and of a quiet one no question for each record.
constexpr std::size_t kPartBlocks = 64;
constexpr std::uint64_t kPartRecords = 262'144;

/// What PostgreSQL can hold as a time: years 0 to 9999.
std::int64_t time_value(UnixMillis time) {
    return postgres_time(std::clamp<UnixMillis>(time, -62'167'219'200'000, 253'402'300'799'999));
}

void add_block(LogPart& part, const LeafRange& leaves, const PostgresRows& rows, int row) {
    const auto time = [&](int column) { return store::from_postgres_time(rows.integer(row, column)); };
    segments::ZoneMap& zone = part.zone;
    if (zone.records == 0) {
        part.leaves = leaves;
        zone.time_min = zone.time_max = time(4);
        zone.recorded_min = zone.recorded_max = time(2);
    }
    part.leaves.to = leaves.to;
    zone.records += leaves.to - leaves.from;
    zone.recorded_min = std::min(zone.recorded_min, time(2));
    zone.recorded_max = std::max(zone.recorded_max, time(3));
    zone.time_min = std::min(zone.time_min, time(4));
    zone.time_max = std::max(zone.time_max, time(5));
    add_tenants(zone.tenants, rows.bytes(row, 6));
}

}  // namespace

Result<std::vector<LeafRange>> PostgresReader::ranges_where(const segments::ZoneFilter& filter) const {
    const std::uint64_t end = end_leaf();
    const bool by_tenant = filter.tenant.has_value();
    const std::uint64_t tenant = by_tenant ? segments::key_of(seed(), *filter.tenant) : 0;
    std::vector<LeafRange> ranges;
    const std::string statement = fmt::format(
        "SELECT first_leaf, records, tenants FROM {}.audit_blocks WHERE first_leaf >= $1::int8 AND first_leaf < "
        "$2::int8"
        " AND time_to >= $3::timestamptz AND time_from < $4::timestamptz ORDER BY first_leaf LIMIT $5::int8",
        schema_);
    for (std::uint64_t next = first_leaf(); next < end;) {
        PostgresValues values;
        values.add(static_cast<std::int64_t>(next)).add(static_cast<std::int64_t>(end));
        values.add(time_value(filter.from.value_or(std::numeric_limits<UnixMillis>::min())));
        values.add(filter.to ? time_value(*filter.to) : std::numeric_limits<std::int64_t>::max());  // `infinity`.
        values.add(kBlocksAPage);
        TG_TRY(const PostgresRows rows, links_.ask(statement, values));
        for (int row = 0; row < rows.size(); ++row) {
            const auto from = static_cast<std::uint64_t>(rows.integer(row, 0));
            const LeafRange range{from, from + static_cast<std::uint64_t>(rows.integer(row, 1))};
            next = range.to;
            segments::NameSet tenants;
            add_tenants(tenants, rows.bytes(row, 2));
            if (by_tenant && !tenants.may_contain(tenant)) continue;
            if (!ranges.empty() && ranges.back().to == range.from) {
                ranges.back().to = range.to;
            } else {
                ranges.push_back(range);
            }
        }
        if (rows.size() < kBlocksAPage) break;
    }
    return ranges;
}

Result<void> PostgresReader::scan_where(const segments::ZoneFilter& filter, const Visit& visit) const {
    TG_TRY(const std::vector<LeafRange> ranges, ranges_where(filter));
    bool more = true;
    for (const LeafRange& range : ranges) {
        // Retention may take what it finds before we come to it.
        for (std::uint64_t from = std::max(range.from, first_leaf()); more && from < range.to;) {
            const std::uint64_t first = first_leaf();
            const auto visited = scan(from, range.to, [&](std::uint64_t leaf, Bytes record) {
                from = leaf + 1;
                more = visit(leaf, record);
                return more;
            });
            if (visited) break;
            if (visited.error().code != ErrorCode::kNotFound || first_leaf() <= first) {
                return std::unexpected(visited.error());
            }
            from = std::max(from, first_leaf());
        }
    }
    return {};
}

Result<void> PostgresReader::each_part(const VisitPart& visit) const {
    const std::uint64_t end = end_leaf();
    const std::string statement = fmt::format(
        "SELECT first_leaf, records, recorded, recorded_to, time_from, time_to, tenants FROM {}.audit_blocks"
        " WHERE first_leaf >= $1::int8 AND first_leaf < $2::int8 ORDER BY first_leaf LIMIT $3::int8",
        schema_);
    LogPart part;
    std::size_t blocks = 0;
    for (std::uint64_t next = first_leaf(); next < end;) {
        PostgresValues values;
        values.add(static_cast<std::int64_t>(next)).add(static_cast<std::int64_t>(end)).add(kBlocksAPage);
        TG_TRY(const PostgresRows rows, links_.ask(statement, values));
        for (int row = 0; row < rows.size(); ++row) {
            const auto from = static_cast<std::uint64_t>(rows.integer(row, 0));
            const LeafRange leaves{from, from + static_cast<std::uint64_t>(rows.integer(row, 1))};
            next = leaves.to;
            if (blocks == kPartBlocks || (blocks > 0 && part.zone.records >= kPartRecords)) {
                if (!visit(part)) return {};
                part = {};
                blocks = 0;
            }
            // The newest block stays: the head is compared with it at each start.
            if (leaves.to >= end) break;
            add_block(part, leaves, rows, row);
            ++blocks;
        }
        if (rows.size() < kBlocksAPage) break;
    }
    if (blocks > 0) visit(part);
    return {};
}

Result<std::optional<Record>> PostgresReader::find_id(const Uuid& id) const {
    PostgresValues values;
    values.add(time_value(unix_ms_of(id)));
    values.add(static_cast<std::int64_t>(first_leaf())).add(static_cast<std::int64_t>(end_leaf()));
    TG_TRY(const PostgresRows rows,
           links_.ask(fmt::format("SELECT first_leaf FROM {}.audit_blocks WHERE time_from <= $1::timestamptz AND"
                                  " time_to >= $1::timestamptz AND first_leaf >= $2::int8 AND first_leaf < $3::int8"
                                  " ORDER BY 1 DESC",
                                  schema_),
                      values));
    // Whoever sends in decisions of long ago may widen the times of many blocks.
    const SteadyTime deadline = clock_.now() + kOlderPatience;
    for (int row = 0; row < rows.size(); ++row) {
        if (clock_.now() > deadline) {
            return fail(ErrorCode::kUnavailable,
                        "too many blocks of the log may hold a record of that time to look through them all: "
                        "ask for it by its request id");
        }
        TG_TRY(const auto block, block_with(static_cast<std::uint64_t>(rows.integer(row, 0))));
        // A later one of the same id wins.
        for (std::uint64_t leaf = block->end(); leaf-- > block->first_leaf;) {
            TG_TRY(const RecordView view, segments::decode(block->record(leaf)));
            if (view.id != id) continue;
            return Record{.leaf = leaf, .recorded = view.recorded, .decision = segments::to_decision(view)};
        }
    }
    return std::nullopt;
}

Result<std::vector<Record>> PostgresReader::find_request(std::string_view request_id, std::size_t limit,
                                                         const Wanted& wanted) const {
    return find({.column = "request_id",
                 .type = "text",
                 .value = request_id,
                 .equals = [&](const RecordView& view) { return view.request_id == request_id; },
                 .wanted = wanted,
                 .meant = {},
                 .limit = limit});
}

Result<std::optional<Record>> PostgresReader::find_request_if(std::string_view request_id, const Meant& meant) const {
    const Wanted all;
    TG_TRY(std::vector<Record> found,
           find({.column = "request_id",
                 .type = "text",
                 .value = request_id,
                 .equals = [&](const RecordView& view) { return view.request_id == request_id; },
                 .wanted = all,
                 .meant = meant,
                 .limit = 1}));
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
}

Result<std::vector<Record>> PostgresReader::find_input(const Sha256& input_hash, std::size_t limit,
                                                       const Wanted& wanted) const {
    return find({.column = "input_hash",
                 .type = "bytea",
                 .value = segments::text_of(input_hash),
                 .equals = [&](const RecordView& view) { return view.input_hash == input_hash; },
                 .wanted = wanted,
                 .meant = {},
                 .limit = limit});
}

Result<std::vector<Record>> PostgresReader::find(const Sought& sought) const {
    std::vector<Record> found;
    // The rows first: of a month whose rows are dropped meanwhile the second look finds the blocks.
    TG_TRY(const bool full, find_in_rows(sought, found));
    if (full) return found;
    TG_TRY(const std::uint64_t end, end_of_older());
    if (end > first_leaf()) TG_CHECK(find_in_older(sought, end, found));
    return found;
}

/// True: `limit` are found.
Result<bool> PostgresReader::find_in_rows(const Sought& sought, std::vector<Record>& found) const {
    // An error that is recent is in both tables.
    const std::string statement = fmt::format(
        "SELECT leaf FROM {0}.audit_recent WHERE {1} = $1::{2} AND leaf >= $2::int8 AND leaf < $3::int8"
        " UNION SELECT leaf FROM {0}.audit_errors WHERE {1} = $1::{2} AND leaf >= $2::int8 AND"
        " leaf < $3::int8 ORDER BY leaf DESC LIMIT $4::int8",
        schema_, sought.column, sought.type);
    for (std::uint64_t below = end_leaf(); found.size() < sought.limit;) {
        PostgresValues values;
        values.add(sought.value).add(static_cast<std::int64_t>(first_leaf()));
        values.add(static_cast<std::int64_t>(below)).add(static_cast<std::int64_t>(kRowsAPage));
        TG_TRY(const PostgresRows rows, links_.ask(statement, values));
        for (int row = 0; row < rows.size() && found.size() < sought.limit; ++row) {
            below = static_cast<std::uint64_t>(rows.integer(row, 0));
            if (sought.wanted && !sought.wanted(below)) continue;
            auto record = read(below);
            if (!record && record.error().code == ErrorCode::kNotFound) continue;  // Retention.
            if (!record) return std::unexpected(std::move(record).error());
            if (!sought.meant || sought.meant(record->decision)) found.push_back(*std::move(record));
        }
        if (static_cast<std::size_t>(rows.size()) < kRowsAPage) return found.size() == sought.limit;
    }
    return true;
}

/// The leaf after the last record that may have no row any more.
Result<std::uint64_t> PostgresReader::end_of_older() const {
    const auto ask = [this](const std::string& statement, const PostgresValues& values) {
        return links_.ask(statement, values);
    };
    TG_TRY(const std::vector<Month> months, months_of(ask, schema_, kRecent));
    if (months.empty()) return end_leaf();
    PostgresValues begin;
    begin.add(postgres_time(std::ranges::min(months).begin()));
    TG_TRY(const PostgresRows rows,
           links_.ask("SELECT first_leaf + records FROM " + schema_ +
                          ".audit_blocks WHERE recorded < $1::timestamptz ORDER BY first_leaf DESC LIMIT 1",
                      begin));
    return rows.size() == 0 ? 0 : static_cast<std::uint64_t>(rows.integer(0, 0));
}

Result<void> PostgresReader::find_in_older(const Sought& sought, std::uint64_t end, std::vector<Record>& found) const {
    const SteadyTime deadline = clock_.now() + kOlderPatience;
    std::set<std::uint64_t> known;
    for (const Record& record : found) known.insert(record.leaf);
    std::optional<Error> error;
    std::vector<Record> older;
    TG_CHECK(scan(first_leaf(), end, [&](std::uint64_t leaf, Bytes bytes) {
        const auto view = segments::decode(bytes);
        if (!view) {
            error = view.error();
        } else if (sought.equals(*view) && !known.contains(leaf) && (!sought.wanted || sought.wanted(leaf))) {
            Record record{.leaf = leaf, .recorded = view->recorded, .decision = segments::to_decision(*view)};
            if (!sought.meant || sought.meant(record.decision)) older.push_back(std::move(record));
            // Only the newest are given.
            if (older.size() > sought.limit) older.erase(older.begin());
        } else if (leaf % 4096 == 0 && clock_.now() > deadline) {
            error =
                Error{ErrorCode::kUnavailable,
                      "what is older than the recent rows of the database has to be looked through record by record, "
                      "and that takes too long: ask for the record by its id, or export the period"};
        }
        return !error;
    }));
    if (error) return std::unexpected(*std::move(error));
    std::ranges::move(older, std::back_inserter(found));
    std::ranges::sort(found, std::ranges::greater(), &Record::leaf);
    if (found.size() > sought.limit)
        found.erase(found.begin() + static_cast<std::ptrdiff_t>(sought.limit), found.end());
    return {};
}

}  // namespace tidegate::audit::postgres
