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

Result<std::uint64_t> count_rows(RowWalk& rows, const ChunkRange& range, const HistoryFilter& filter,
                                 RowCounts& counts) {
    RowCounts::Run run{.chunk = range.chunk->number, .from = range.from, .to = range.from};
    if (const auto known = counts.find(filter, run.chunk, range.from, range.to)) run = *known;
    if (run.to == range.to) return run.matches;
    TG_TRY(const auto chunk, rows.columns().load(*range.chunk));
    while (run.to < range.to) {
        const std::uint32_t block = run.to / kBlockRows;
        const std::uint32_t end = std::min(range.to, (block + 1) * kBlockRows);
        if (!rows.may_match_block(*chunk, block)) run.to = end;
        for (; run.to < end; ++run.to) run.matches += rows.matches_row(*chunk, run.to) ? 1 : 0;
    }
    if (rows.is_exact()) counts.put(filter, run);
    return run.matches;
}

/// Nothing where too much would have to be looked at.
Result<std::optional<std::uint64_t>> total_of(RowWalk& rows, const HistoryFilter& filter, RowCounts& counts) {
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
        TG_TRY(const std::uint64_t matches, count_rows(rows, range, filter, counts));
        total += matches;
    }
    if (!rows.is_exact()) return std::nullopt;
    return total;
}

/// A page as it fills: candidates are gathered until they would fill it, and read together.
class PageFill {
  public:
    PageFill(const HistoryQuery& query, const LogReader& reader, const RowWalk& rows, const LogHistory::Give& give)
        : query_(query), reader_(reader), rows_(rows), give_(give), skip_(query.offset) {}

    /// False: it is full, and there is one more.
    Result<bool> take(std::uint64_t leaf) {
        // One that is passed over is read only where that tells whether it is a match.
        if (rows_.is_exact()) {
            if (skip_ > 0) {
                --skip_;
                return true;
            }
            if (pending_.size() == room()) {
                TG_CHECK(read());
                // Retention may have taken some of them meanwhile: then there is room for this one.
                if (room() == 0) return false;
            }
        } else if (pending_.size() > room() + skip_ || pending_.size() == kReadMax) {
            TG_CHECK(read());
            if (more_) return false;
        }
        pending_.push_back(leaf);
        return true;
    }
    /// Reads what is left. Whether there is one more.
    Result<bool> finish() {
        TG_CHECK(read());
        return more_;
    }
    std::uint64_t last() const noexcept { return last_; }

  private:
    static constexpr std::size_t kReadMax = LogHistory::kLimitMax;

    std::size_t room() const noexcept { return query_.limit - given_; }
    Result<void> read() {
        const auto visit = [&](std::uint64_t leaf, const segments::RecordView& record) {
            if (!matches(query_.filter, record)) return true;
            if (skip_ > 0) {
                --skip_;
                return true;
            }
            if (room() == 0) {
                more_ = true;
                return false;
            }
            ++given_;
            last_ = leaf;
            give_(record);
            return true;
        };
        TG_CHECK(reader_.read_each(pending_, visit));
        pending_.clear();
        return {};
    }

    const HistoryQuery& query_;
    const LogReader& reader_;
    const RowWalk& rows_;
    const LogHistory::Give& give_;
    std::vector<std::uint64_t> pending_;
    std::size_t skip_;
    std::size_t given_ = 0;
    std::uint64_t last_ = 0;
    bool more_ = false;
};

}  // namespace

Result<HistoryEnd> LogHistory::page(const HistoryQuery& query, const Give& give) const {
    TG_CHECK(check_query(query));
    Walk walk;
    if (!query.cursor.empty()) {
        TG_TRY(walk.to, decode_cursor(log_, query.cursor));
    }
    HistoryEnd end;
    RowWalk rows(query.filter, walk, columns_, reader_);
    PageFill page(query, reader_, rows, give);
    bool more = false;
    TG_CHECK(each_candidate(rows, walk.order, [&](std::uint64_t leaf) -> Result<bool> {
        TG_TRY(const bool goes_on, page.take(leaf));
        more = !goes_on;
        return goes_on;
    }));
    if (!more) {
        TG_TRY(more, page.finish());
    }
    if (more) end.next_cursor = encode_cursor(log_, page.last());
    if (query.cursor.empty()) {
        TG_TRY(end.total, total_of(rows, query.filter, counts_));
    } else {
        RowWalk all(query.filter, {}, columns_, reader_);
        TG_TRY(end.total, total_of(all, query.filter, counts_));
    }
    return end;
}

Result<HistoryPage> LogHistory::page(const HistoryQuery& query) const {
    HistoryPage page;
    TG_TRY(static_cast<HistoryEnd&>(page), this->page(query, [&](const segments::RecordView& record) {
        page.items.push_back(segments::to_decision(record));
    }));
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
