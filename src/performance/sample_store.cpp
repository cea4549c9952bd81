#include "performance/sample_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "store/migrations.h"

namespace tidegate::performance {
namespace {

// By their end: a scan is a range of the key. Words stand in the samples by their position here.
constexpr std::array<store::Migration, 1> kMigrations{{{
    .version = 1,
    .name = "samples",
    .sql = "CREATE TABLE performance_fine(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
           "CREATE TABLE performance_rolled(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
           "CREATE TABLE performance_names(number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
           "CREATE TABLE performance_slow(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, ms REAL NOT NULL, "
           "text TEXT NOT NULL) STRICT;",
}}};

// A month rolled up in one go after a long stop would hold the writer; so many a sample, twelve times what is needed.
constexpr int kRollUpsMax = 24;
// Longer than the longest interval between two samples: fine samples that begin so soon after a period does are all of it.
constexpr std::int64_t kFineGapMs = 61'000;

Result<std::optional<UnixMillis>> maybe(store::Database& database, std::string_view sql) {
    TG_TRY(store::Statement statement, database.prepare(sql));
    TG_TRY(const bool row, statement.step());
    if (!row || statement.is_null(0)) return std::optional<UnixMillis>();
    return std::optional<UnixMillis>(statement.integer(0));
}

}  // namespace

Result<std::unique_ptr<SampleStore>> SampleStore::open(const StoreOptions& options, const Clock& clock) {
    TG_TRY(
        store::Database writer,
        store::Database::open(
            {.path = options.path, .synchronous = store::Synchronous::kNormal, .cache_bytes = 1024 * 1024, .vfs = {}}));
    TG_CHECK(store::migrate(writer, "performance", kMigrations, clock));
    TG_TRY(store::Database reader,
           store::Database::open({.path = options.path, .read_only = true, .cache_bytes = 1024 * 1024, .vfs = {}}));
    std::unique_ptr<SampleStore> made(new SampleStore(options, std::move(writer), std::move(reader)));
    TG_CHECK(made->read_names());
    return made;
}

Result<void> SampleStore::read_names() {
    TG_TRY(store::Statement rows, writer_.prepare("SELECT number, name FROM performance_names ORDER BY number"));
    const Lock lock(names_mutex_);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        if (names_.number(rows.text(1)) != static_cast<std::uint64_t>(rows.integer(0))) {
            return fail(ErrorCode::kDataLoss, "the words of the stored performance samples are out of order");
        }
    }
}

Result<void> SampleStore::write_names(std::size_t known) {
    TG_TRY(store::Statement insert, writer_.prepare("INSERT OR REPLACE INTO performance_names VALUES(?,?)"));
    const Lock lock(names_mutex_);
    for (std::size_t i = known; i < names_.size(); ++i) {
        insert.bind(1, static_cast<std::int64_t>(i)).bind(2, std::string_view(*names_.name(i)));
        TG_CHECK(insert.run());
    }
    return {};
}

Result<void> SampleStore::put(std::string_view table, const Sample& sample) {
    // Asked of the table: words of a sample that was rolled back are known here and not there, and are written with this one.
    TG_TRY(const std::int64_t known, writer_.integer("SELECT coalesce(max(number) + 1, 0) FROM performance_names"));
    std::vector<std::uint8_t> bytes;
    {
        const Lock lock(names_mutex_);
        bytes = pack(sample, names_);
    }
    TG_CHECK(write_names(static_cast<std::size_t>(known)));
    TG_TRY(store::Statement insert, writer_.prepare(fmt::format("INSERT OR REPLACE INTO {} VALUES(?,?)", table)));
    insert.bind(1, std::int64_t{sample.to}).bind(2, store::Blob(bytes));
    return insert.run();
}

Result<void> SampleStore::append(const Sample& sample, const std::vector<SlowStatement>& slow) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
    TG_CHECK(put("performance_fine", sample));
    if (!slow.empty()) {
        TG_TRY(store::Statement insert, writer_.prepare("INSERT INTO performance_slow(time_ms,ms,text) VALUES(?,?,?)"));
        for (const SlowStatement& one : slow) {
            insert.bind(1, std::int64_t{one.time}).bind(2, one.ms).bind(3, std::string_view(one.text));
            TG_CHECK(insert.run());
        }
        TG_CHECK(writer_.execute(fmt::format(
            "DELETE FROM performance_slow WHERE id <= (SELECT max(id) FROM performance_slow) - {}", kSlowMax)));
    }
    return transaction.commit();
}

Result<void> SampleStore::look_after(UnixMillis now) {
    TG_CHECK(roll_up(now));
    TG_CHECK(drop_old(now));
    return keep_to_size();
}

Result<void> SampleStore::roll_up(UnixMillis now) {
    for (int i = 0; i < kRollUpsMax; ++i) {
        // What lies in the future is of a clock that was set back since: it must not stand in the way of the present.
        TG_TRY(const auto done,
               maybe(writer_, fmt::format("SELECT max(to_ms) FROM performance_rolled WHERE to_ms <= {}", now)));
        TG_TRY(const auto next, maybe(writer_, fmt::format("SELECT min(to_ms) FROM performance_fine WHERE to_ms > {}",
                                                           done.value_or(0))));
        if (!next) return {};
        const std::int64_t begin = (*next - 1) / kRolledMs * kRolledMs;
        if (begin + kRolledMs > now) return {};
        Sample merged;
        TG_CHECK(scan_table(writer_, "performance_fine", begin, begin + kRolledMs, [&](Sample&& sample) {
            merged.merge(sample);
            return true;
        }));
        // Its key is the end of the five minutes, so that the next ones are looked for behind them.
        merged.to = begin + kRolledMs;
        TG_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
        TG_CHECK(put("performance_rolled", merged));
        TG_CHECK(transaction.commit());
    }
    return {};
}

Result<void> SampleStore::drop_old(UnixMillis now) {
    TG_TRY(const auto rolled,
           maybe(writer_, fmt::format("SELECT max(to_ms) FROM performance_rolled WHERE to_ms <= {}", now)));
    // What is not rolled up yet stays.
    const std::int64_t fine_to = std::min(now - options_.keep_fine_ms, rolled.value_or(0));
    TG_CHECK(writer_.execute(fmt::format("DELETE FROM performance_fine WHERE to_ms <= {}", fine_to)));
    return writer_.execute(
        fmt::format("DELETE FROM performance_rolled WHERE to_ms <= {0};"
                    "DELETE FROM performance_slow WHERE time_ms <= {0}",
                    now - options_.keep_ms));
}

Result<std::uint64_t> SampleStore::bytes_used() {
    TG_TRY(const std::int64_t pages, writer_.integer("PRAGMA page_count"));
    TG_TRY(const std::int64_t unused, writer_.integer("PRAGMA freelist_count"));
    TG_TRY(const std::int64_t page, writer_.integer("PRAGMA page_size"));
    return static_cast<std::uint64_t>((pages - unused) * page);
}

Result<void> SampleStore::keep_to_size() {
    for (const std::string_view table : {"performance_fine", "performance_rolled"}) {
        for (;;) {
            TG_TRY(const std::uint64_t used, bytes_used());
            if (used <= options_.bytes_max) return {};
            // A twentieth at a time, at least one.
            TG_CHECK(writer_.execute(
                fmt::format("DELETE FROM {0} WHERE to_ms IN (SELECT to_ms FROM {0} ORDER BY to_ms LIMIT "
                            "(SELECT count(*) / 20 + 1 FROM {0}))",
                            table)));
            if (writer_.changes() == 0) break;
        }
    }
    return {};
}

Result<void> SampleStore::scan_table(store::Database& database, std::string_view table, UnixMillis from, UnixMillis to,
                                     const std::function<bool(Sample&&)>& visit) {
    TG_TRY(store::Statement rows,
           database.prepare(fmt::format("SELECT data FROM {} WHERE to_ms > ? AND to_ms <= ? ORDER BY to_ms", table)));
    rows.bind(1, std::int64_t{from}).bind(2, std::int64_t{to});
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        Result<Sample> sample = fail(ErrorCode::kInternal, "");
        {
            const Lock lock(names_mutex_);
            sample = unpack(rows.blob(0), names_);
        }
        if (!sample) {
            unreadable_.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        if (!visit(*std::move(sample))) return {};
    }
}

/// Up to where the rolled samples are to be read: of the five minutes that the fine ones begin in, some may be gone.
Result<UnixMillis> SampleStore::rolled_until(std::optional<UnixMillis> fine, UnixMillis to) {
    if (!fine) return to;
    const UnixMillis end = ((*fine - 1) / kRolledMs + 1) * kRolledMs;
    TG_TRY(const auto rolled,
           maybe(reader_, fmt::format("SELECT to_ms FROM performance_rolled WHERE to_ms = {}", end)));
    return rolled ? end : end - kRolledMs;
}

Result<void> SampleStore::scan(UnixMillis from, UnixMillis to, const std::function<bool(Sample&&)>& visit) {
    const Lock lock(reader_mutex_);
    TG_TRY(const auto fine, maybe(reader_, "SELECT min(to_ms) FROM performance_fine"));
    bool goes_on = true;
    UnixMillis at = from;
    // Where the period begins before the fine samples do, what was rolled up comes first.
    if (!fine || *fine > from + kFineGapMs) {
        TG_TRY(at, rolled_until(fine, to));
        TG_CHECK(scan_table(reader_, "performance_rolled", from, std::min(at, to),
                            [&](Sample&& sample) { return goes_on = visit(std::move(sample)); }));
        at = std::max(from, at);
    }
    if (!goes_on || !fine) return {};
    return scan_table(reader_, "performance_fine", at, to, visit);
}

Result<std::vector<SlowStatement>> SampleStore::slow(UnixMillis from, UnixMillis to, std::size_t limit) {
    const Lock lock(reader_mutex_);
    TG_TRY(store::Statement rows,
           reader_.prepare("SELECT time_ms, ms, text FROM performance_slow WHERE time_ms > ? AND "
                           "time_ms <= ? ORDER BY ms DESC LIMIT ?"));
    rows.bind(1, std::int64_t{from}).bind(2, std::int64_t{to}).bind(3, static_cast<std::int64_t>(limit));
    std::vector<SlowStatement> out;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return out;
        out.push_back({.time = rows.integer(0), .ms = rows.real(1), .text = std::string(rows.text(2))});
    }
}

Result<UnixMillis> SampleStore::first() {
    const Lock lock(reader_mutex_);
    TG_TRY(const auto fine, maybe(reader_, "SELECT min(to_ms) FROM performance_fine"));
    TG_TRY(const auto rolled, maybe(reader_, "SELECT min(to_ms) FROM performance_rolled"));
    if (!fine && !rolled) return fail(ErrorCode::kNotFound, "there is no sample yet");
    return std::min(fine.value_or(INT64_MAX), rolled.value_or(INT64_MAX));
}

Result<SampleStore::Size> SampleStore::size() {
    const Lock lock(reader_mutex_);
    TG_TRY(const std::int64_t pages, reader_.integer("PRAGMA page_count"));
    TG_TRY(const std::int64_t unused, reader_.integer("PRAGMA freelist_count"));
    TG_TRY(const std::int64_t page, reader_.integer("PRAGMA page_size"));
    TG_TRY(const std::int64_t fine, reader_.integer("SELECT count(*) FROM performance_fine"));
    TG_TRY(const std::int64_t rolled, reader_.integer("SELECT count(*) FROM performance_rolled"));
    return Size{.bytes = static_cast<std::uint64_t>((pages - unused) * page),
                .fine = static_cast<std::uint64_t>(fine),
                .rolled = static_cast<std::uint64_t>(rolled)};
}

}  // namespace tidegate::performance
