#include "audit/views/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/rollup.h"
#include "audit/schema.h"
#include "audit/views/read_transaction.h"

namespace tidegate::audit {
namespace {

constexpr std::size_t kLimitMax = 500;
constexpr std::size_t kOffsetMax = 10'000;
constexpr std::size_t kChunk = 500;
// Up to so many index ranges are merged; with more kinds than that their rows are not rare, and the ids are
// walked.
constexpr std::size_t kMergedKindsMax = 64;
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Id = std::array<std::uint8_t, 16>;

std::string encode_cursor(const Uuid& id) {
    std::string out;
    unsigned bits = 0;
    unsigned held = 0;
    for (const std::uint8_t byte : id.bytes) {
        held = held << 8U | byte;
        for (bits += 8; bits >= 6; bits -= 6) out.push_back(kBase64Url[held >> (bits - 6) & 63U]);
    }
    out.push_back(kBase64Url[held << (6 - bits) & 63U]);
    return out;
}

Result<Uuid> decode_cursor(std::string_view text) {
    Uuid id;
    std::size_t filled = 0;
    unsigned bits = 0;
    unsigned held = 0;
    bool sound = text.size() == 22;
    for (const char c : text) {
        const std::size_t value = kBase64Url.find(c);
        if (!sound || value == std::string_view::npos)
            return fail(ErrorCode::kInvalidArgument, "the cursor is not one of ours");
        held = held << 6U | static_cast<unsigned>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        sound = filled < id.bytes.size();
        if (sound) id.bytes[filled++] = static_cast<std::uint8_t>(held >> bits);
    }
    // Only what encode_cursor() gives is a cursor: a UUIDv7, and no stray bits at the end.
    sound = sound && filled == 16 && id.bytes[6] >> 4U == 7 && id.bytes[8] >> 6U == 2 && encode_cursor(id) == text;
    if (!sound) return fail(ErrorCode::kInvalidArgument, "the cursor is not one of ours");
    return id;
}

// The least id of a millisecond. Times outside what an id can hold (years 1970 to 10889) are moved to its
// ends.
Id first_id_of(UnixMillis time) {
    constexpr UnixMillis kTimeMax = (UnixMillis{1} << 48) - 1;
    auto left = static_cast<std::uint64_t>(std::clamp<UnixMillis>(time, 0, kTimeMax));
    Id id{};
    for (std::size_t i = 6; i-- > 0; left >>= 8U) id[i] = static_cast<std::uint8_t>(left);
    return id;
}

struct Range {
    Id from{};  // Inclusive.
    Id to{};    // Exclusive.
};

Range range_of(const HistoryFilter& filter) {
    Range range;
    range.to.fill(0xFF);
    if (filter.from) range.from = first_id_of(*filter.from);
    if (filter.to) range.to = first_id_of(*filter.to);
    return range;
}

bool matches(const HistoryFilter& filter, const Kind& kind) {
    const auto same = [](const auto& wanted, const auto& have) { return !wanted || *wanted == have; };
    return same(filter.tenant, kind.tenant) && same(filter.service, kind.service) &&
           same(filter.operation, kind.operation) && same(filter.content_type, content_type_of(kind.operation)) &&
           same(filter.band, kind.band) && same(filter.status, kind.status);
}

// Which kinds a filter lets through, in one of three forms.
struct KindSet {
    bool all = true;
    std::vector<std::int64_t> ids;
    std::string list() const { return fmt::format("{}", fmt::join(ids, ",")); }
};

KindSet kinds_of(const HistoryFilter& filter, const KindTable& kinds) {
    KindSet set;
    for (const auto& [id, kind] : kinds) {
        if (matches(filter, kind)) {
            set.ids.push_back(id);
        } else {
            set.all = false;
        }
    }
    return set;
}

struct Found {
    Id id;
    std::int64_t seq;
};

Result<void> collect(store::Database& database, const std::string& sql, std::optional<std::int64_t> kind,
                     const Range& range, std::size_t count_max, std::vector<Found>& out) {
    TG_TRY(store::Statement rows, database.prepare(sql));
    rows.bind(1, store::Blob(range.from)).bind(2, store::Blob(range.to)).bind(3, static_cast<std::int64_t>(count_max));
    if (kind) rows.bind(4, *kind);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        const store::Blob id = rows.blob(0);
        if (id.size() != 16) return fail(ErrorCode::kDataLoss, "a stored decision has a broken id");
        Found& found = out.emplace_back();
        std::ranges::copy(id, found.id.begin());
        found.seq = rows.integer(1);
    }
}

// The newest count_max matches of the range, newest first.
Result<std::vector<Found>> find_newest(store::Database& database, const KindSet& kinds, const Range& range,
                                       std::size_t count_max) {
    constexpr std::string_view kTail = " id>=?1 AND id<?2 ORDER BY id DESC LIMIT ?3";
    std::vector<Found> found;
    if (!kinds.all && kinds.ids.size() <= kMergedKindsMax) {
        const std::string sql =
            fmt::format("SELECT id,seq FROM decisions INDEXED BY decisions_kind WHERE kind_id=?4 AND{}", kTail);
        for (const std::int64_t kind : kinds.ids) TG_CHECK(collect(database, sql, kind, range, count_max, found));
    } else {
        const std::string only = kinds.all ? "" : fmt::format(" kind_id IN ({}) AND", kinds.list());
        const std::string sql =
            fmt::format("SELECT id,seq FROM decisions INDEXED BY decisions_id WHERE{}{}", only, kTail);
        TG_CHECK(collect(database, sql, std::nullopt, range, count_max, found));
    }
    std::ranges::sort(found, std::ranges::greater{}, &Found::id);
    if (found.size() > count_max) found.resize(count_max);
    return found;
}

Result<std::vector<Decision>> read_rows(store::Database& database, const KindTable& kinds,
                                        std::span<const Found> found) {
    TG_TRY(store::Statement one, database.prepare(fmt::format("SELECT {} FROM decisions WHERE seq=?", kSelectColumns)));
    std::vector<Decision> items;
    items.reserve(found.size());
    for (const Found& place : found) {
        one.bind(1, place.seq);
        TG_TRY(const bool row, one.step());
        if (!row) return fail(ErrorCode::kDataLoss, "an index of the decision log points at nothing");
        TG_TRY(Decision decision, read_decision(one, kinds));
        items.push_back(std::move(decision));
        one.reset();
    }
    return items;
}

// From the hourly sums; nothing when a bound falls inside an hour.
Result<std::optional<std::uint64_t>> total_of(store::Database& database, const KindSet& kinds,
                                              const HistoryFilter& filter) {
    const auto whole = [](const std::optional<UnixMillis>& time) { return !time || *time % kHourMs == 0; };
    if (!whole(filter.from) || !whole(filter.to)) return std::nullopt;
    std::string sql = "SELECT coalesce(sum(decisions),0) FROM hours WHERE 1";
    if (filter.from) sql += fmt::format(" AND hour>={}", *filter.from / kHourMs);
    if (filter.to) sql += fmt::format(" AND hour<{}", *filter.to / kHourMs);
    if (!kinds.all) sql += fmt::format(" AND kind_id IN ({})", kinds.list());
    TG_TRY(const std::int64_t total, database.integer(sql));
    return static_cast<std::uint64_t>(total);
}

Result<void> check_query(const HistoryQuery& query) {
    if (query.limit < 1 || query.limit > kLimitMax) return fail(ErrorCode::kInvalidArgument, "limit must be 1 to 500");
    if (query.offset > kOffsetMax)
        return fail(ErrorCode::kInvalidArgument, "offset must be at most 10000; use the cursor");
    if (query.offset > 0 && !query.cursor.empty())
        return fail(ErrorCode::kInvalidArgument, "offset and cursor exclude each other");
    return {};
}

}  // namespace

Result<HistoryPage> History::page(const HistoryQuery& query) const {
    TG_CHECK(check_query(query));
    Range range = range_of(query.filter);
    if (!query.cursor.empty()) {
        TG_TRY(const Uuid last, decode_cursor(query.cursor));
        range.to = std::min(range.to, last.bytes);
    }
    TG_TRY(const ReaderPool::Lease database, pool_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*database));
    TG_TRY(const KindTable kinds, read_kinds(*database));
    const KindSet wanted = kinds_of(query.filter, kinds);
    // One more than asked for tells whether there is a next page.
    TG_TRY(std::vector<Found> found, find_newest(*database, wanted, range, query.offset + query.limit + 1));
    const bool more = found.size() > query.offset + query.limit;
    if (more) found.pop_back();
    const std::size_t skip = std::min(query.offset, found.size());
    HistoryPage page;
    TG_TRY(page.items, read_rows(*database, kinds, std::span(found).subspan(skip)));
    TG_TRY(page.total, total_of(*database, wanted, query.filter));
    if (more) page.next_cursor = encode_cursor(page.items.back().id);
    return page;
}

Result<Decision> History::get(const Uuid& id, const std::optional<std::string>& tenant) const {
    TG_TRY(const ReaderPool::Lease database, pool_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*database));
    TG_TRY(store::Statement rows,
           database->prepare(fmt::format("SELECT {} FROM decisions WHERE id=?", kSelectColumns)));
    rows.bind(1, store::Blob(id.bytes));
    TG_TRY(const bool row, rows.step());
    if (!row) return fail(ErrorCode::kNotFound, "no such decision");
    TG_TRY(const KindTable kinds, read_kinds(*database));
    TG_TRY(Decision decision, read_decision(rows, kinds));
    // Another tenant's decision looks exactly like one that does not exist.
    if (tenant && decision.tenant != *tenant) return fail(ErrorCode::kNotFound, "no such decision");
    return decision;
}

Result<void> History::for_each(const HistoryFilter& filter, const std::function<bool(const Decision&)>& visit) const {
    Range range = range_of(filter);
    for (;;) {
        std::vector<Decision> items;
        {
            TG_TRY(const ReaderPool::Lease database, pool_->borrow());
            TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*database));
            TG_TRY(const KindTable kinds, read_kinds(*database));
            TG_TRY(const std::vector<Found> found, find_newest(*database, kinds_of(filter, kinds), range, kChunk));
            TG_TRY(items, read_rows(*database, kinds, found));
        }
        for (const Decision& decision : items) {
            if (!visit(decision)) return {};
        }
        if (items.size() < kChunk) return {};
        range.to = items.back().id.bytes;
    }
}

}  // namespace tidegate::audit
