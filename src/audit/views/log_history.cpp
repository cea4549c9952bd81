#include "audit/views/log_history.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/segments/crc32c.h"
#include "audit/views/log_history_walk.h"
#include "base/strings.h"

namespace tidegate::audit {
namespace {

// A total is given while at most so many chunks have to be scanned for it: half a millisecond each, or a few more to load it.
constexpr std::size_t kChunksScannedMax = 8;
constexpr std::string_view kNotOurs = "the cursor is not one of ours";

/// The leaf and a check that also names the log: a cursor of another log points nowhere here.
std::string encode_cursor(const segments::LogId& log, std::uint64_t leaf) {
    std::array<std::uint8_t, 24> bytes{};
    std::ranges::copy(log, bytes.begin());
    segments::put(bytes.data() + log.size(), leaf);
    return fmt::format("{:x}-{:08x}", leaf, segments::crc32c(bytes));
}

Result<std::uint64_t> decode_cursor(const segments::LogId& log, std::string_view text) {
    const std::size_t dash = text.find('-');
    std::uint64_t leaf = 0;
    if (dash == 0 || dash == std::string_view::npos || dash > 16) {
        return fail(ErrorCode::kInvalidArgument, std::string(kNotOurs));
    }
    for (const char c : text.substr(0, dash)) {
        const std::size_t digit = std::string_view("0123456789abcdef").find(c);
        if (digit == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, std::string(kNotOurs));
        leaf = leaf << 4U | digit;
    }
    if (encode_cursor(log, leaf) != text) return fail(ErrorCode::kInvalidArgument, std::string(kNotOurs));
    return leaf;
}

Result<void> check_query(const HistoryQuery& query) {
    if (query.limit < 1 || query.limit > LogHistory::kLimitMax) {
        return fail(ErrorCode::kInvalidArgument, "limit must be 1 to 500");
    }
    if (query.offset > LogHistory::kOffsetMax) {
        return fail(ErrorCode::kInvalidArgument, "offset must be at most 10000; use the cursor");
    }
    if (query.offset > 0 && !query.cursor.empty()) {
        return fail(ErrorCode::kInvalidArgument, "offset and cursor exclude each other");
    }
    return {};
}

/// Nothing where too much would have to be looked at.
Result<std::optional<std::uint64_t>> total_of(const HistoryFilter& filter, const Columns& columns,
                                              const LogReader& reader) {
    RowWalk rows(filter, {}, columns, reader);
    std::size_t scanned = 0;
    std::uint64_t total = 0;
    for (const ChunkRange& range : rows.chunks()) {
        const bool may_match = rows.may_match(range);
        if (!rows.is_exact()) return std::nullopt;
        if (!may_match) continue;
        if (rows.is_inside(range)) {
            total += rows.count_kinds(range);
            continue;
        }
        if (++scanned > kChunksScannedMax) return std::nullopt;
        TG_TRY(const auto chunk, columns.load(*range.chunk));
        for (std::uint32_t row = range.from; row < range.to; ++row) total += rows.matches_row(*chunk, row) ? 1 : 0;
    }
    if (!rows.is_exact()) return std::nullopt;
    return total;
}

/// A record that matches; nothing when it does not, or retention has taken it meanwhile.
Result<std::optional<Decision>> read_match(const LogReader& reader, const HistoryFilter& filter, std::uint64_t leaf) {
    auto record = reader.read(leaf);
    if (!record && record.error().code == ErrorCode::kNotFound) return std::nullopt;
    if (!record) return std::unexpected(std::move(record).error());
    if (!matches(filter, record->decision)) return std::nullopt;
    return std::move(record->decision);
}

}  // namespace

Result<HistoryPage> LogHistory::page(const HistoryQuery& query) const {
    TG_CHECK(check_query(query));
    Walk walk;
    if (!query.cursor.empty()) {
        TG_TRY(walk.to, decode_cursor(log_, query.cursor));
    }
    HistoryPage page;
    std::size_t skip = query.offset;
    std::uint64_t last = 0;
    RowWalk rows(query.filter, walk, columns_, reader_);
    TG_CHECK(each_candidate(rows, walk.order, [&](std::uint64_t leaf) -> Result<bool> {
        const bool counts_only = skip > 0 || page.items.size() == query.limit;
        // One that is passed over is read only where that tells whether it is a match.
        if (!counts_only || !rows.is_exact()) {
            TG_TRY(auto decision, read_match(reader_, query.filter, leaf));
            if (!decision) return true;
            if (!counts_only) {
                page.items.push_back(*std::move(decision));
                last = leaf;
                return true;
            }
        }
        if (skip > 0) {
            --skip;
            return true;
        }
        page.next_cursor = encode_cursor(log_, last);
        return false;
    }));
    TG_TRY(page.total, total_of(query.filter, columns_, reader_));
    return page;
}

Result<Decision> LogHistory::get(const Uuid& id, const std::optional<std::string>& tenant) const {
    TG_TRY(auto record, reader_.find_id(id));
    // Another tenant's decision looks exactly like one that does not exist.
    if (!record || record->decision.kind != RecordKind::kDecision || (tenant && record->decision.tenant != *tenant)) {
        return fail(ErrorCode::kNotFound, "no such decision");
    }
    return std::move(record->decision);
}

Result<std::vector<Decision>> LogHistory::find(const std::optional<std::string>& tenant, const Find& find) const {
    HistoryFilter filter;
    filter.tenant = tenant;
    KindMatch wanted(filter, columns_.kinds());
    std::optional<Error> error;
    // By the columns, so that another tenant's records of the same name cost no read of them.
    TG_TRY(auto records, find([&](std::uint64_t leaf) {
               const auto kind = columns_.kind_of(leaf);
               if (kind) return wanted(*kind);
               if (kind.error().code != ErrorCode::kNotFound) error = kind.error();
               return false;
           }));
    if (error) return std::unexpected(*std::move(error));
    std::vector<Decision> found;
    for (segments::Record& record : records) {
        if (matches(filter, record.decision)) found.push_back(std::move(record.decision));
    }
    return found;
}

Result<std::vector<Decision>> LogHistory::by_request(std::string_view request_id,
                                                     const std::optional<std::string>& tenant,
                                                     std::size_t limit) const {
    return find(tenant,
                [&](const LogReader::Wanted& wanted) { return reader_.find_request(request_id, limit, wanted); });
}

Result<std::vector<Decision>> LogHistory::by_input(const Sha256& input_hash, const std::optional<std::string>& tenant,
                                                   std::size_t limit) const {
    return find(tenant, [&](const LogReader::Wanted& wanted) { return reader_.find_input(input_hash, limit, wanted); });
}

Result<void> LogHistory::for_each(const HistoryFilter& filter,
                                  const std::function<bool(const Decision&)>& visit) const {
    return for_each(filter, {}, [&](std::uint64_t, const Decision& decision) { return visit(decision); });
}

}  // namespace tidegate::audit
