#include "performance/sample_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "store/migrations.h"

namespace tidegate::performance {
namespace {

// By their end: a scan is a range of the key. Words stand in the samples by their position here.
constexpr std::array<store::Migration, 2> kMigrations{
    {{
         .version = 1,
         .name = "samples",
         .sql = "CREATE TABLE performance_fine(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
                "CREATE TABLE performance_rolled(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
                "CREATE TABLE performance_names(number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
                "CREATE TABLE performance_slow(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, ms REAL NOT NULL, "
                "text TEXT NOT NULL) STRICT;",
     },
     {
         .version = 2,
         .name = "blocks and hours",
         // The indexes are for counting: a table of large rows has its rows on many pages.
         .sql =
             "CREATE TABLE performance_packed(to_ms INTEGER PRIMARY KEY, samples INTEGER NOT NULL, data BLOB NOT NULL) "
             "STRICT;"
             "CREATE TABLE performance_hours(to_ms INTEGER PRIMARY KEY, data BLOB NOT NULL, from_ms INTEGER NOT NULL) "
             "STRICT;"
             "CREATE INDEX performance_packed_samples ON performance_packed(samples);"
             "CREATE INDEX performance_rolled_ends ON performance_rolled(to_ms);"
             "CREATE INDEX performance_hours_ends ON performance_hours(to_ms);",
     }}};

// A month rolled up in one go (of a file of an earlier version) would hold the writer; so many a sample, many times what is needed.
constexpr int kRollUpsMax = 12;
// Longer than the longest interval between two samples: fine samples that begin so soon after a period does are all of it.
constexpr std::int64_t kFineGapMs = 61'000;

Result<std::optional<UnixMillis>> maybe(store::Database& database, std::string_view sql) {
    TG_TRY(store::Statement statement, database.prepare(sql));
    TG_TRY(const bool row, statement.step());
    if (!row || statement.is_null(0)) return std::optional<UnixMillis>();
    return std::optional<UnixMillis>(statement.integer(0));
}

Result<Held> ends_of(store::Database& database, std::string_view table, std::int64_t step) {
    TG_TRY(const auto first, maybe(database, fmt::format("SELECT min(to_ms) FROM {}", table)));
    TG_TRY(const auto last, maybe(database, fmt::format("SELECT max(to_ms) FROM {}", table)));
    return Held{.step_ms = step, .begin = first ? *first - step : 0, .until = last.value_or(0)};
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

Result<void> SampleStore::store_names() {
    // Asked of the table: words of a sample that was rolled back are known here and not there, and are written with this one.
    TG_TRY(const std::int64_t known, writer_.integer("SELECT coalesce(max(number) + 1, 0) FROM performance_names"));
    TG_TRY(store::Statement insert, writer_.prepare("INSERT OR REPLACE INTO performance_names VALUES(?,?)"));
    const Lock lock(names_mutex_);
    for (std::size_t i = static_cast<std::size_t>(known); i < names_.size(); ++i) {
        insert.bind(1, static_cast<std::int64_t>(i)).bind(2, std::string_view(*names_.name(i)));
        TG_CHECK(insert.run());
    }
    return {};
}

Result<void> SampleStore::put(std::string_view table, const Sample& sample) {
    std::vector<std::uint8_t> bytes;
    {
        const Lock lock(names_mutex_);
        bytes = pack(sample, names_);
    }
    TG_CHECK(store_names());
    TG_TRY(store::Statement insert, writer_.prepare(fmt::format("INSERT OR REPLACE INTO {} VALUES(?,?)", table)));
    insert.bind(1, std::int64_t{sample.to}).bind(2, store::Blob(bytes));
    return insert.run();
}

Result<void> SampleStore::put_block(UnixMillis end, std::span<const Sample> samples) {
    Result<std::vector<std::uint8_t>> bytes;
    {
        const Lock lock(names_mutex_);
        bytes = pack_block(samples, names_);
    }
    if (!bytes) return std::unexpected(bytes.error());
    TG_CHECK(store_names());
    TG_TRY(store::Statement insert, writer_.prepare("INSERT OR REPLACE INTO performance_packed VALUES(?,?,?)"));
    insert.bind(1, std::int64_t{end}).bind(2, static_cast<std::int64_t>(samples.size())).bind(3, store::Blob(*bytes));
    return insert.run();
}

Result<void> SampleStore::append(const Sample& sample, const std::vector<SlowStatement>& slow) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
    // Two in one millisecond, or of a clock that was set back: none of the two may take the other's place.
    TG_TRY(auto same, find("performance_fine", sample.to));
    if (same) same->merge(sample);
    TG_CHECK(put("performance_fine", same ? *same : sample));
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
    // What cannot be packed must not keep old samples for ever.
    const Result<void> rolled = roll_up(now);
    TG_CHECK(drop_old(now));
    TG_CHECK(keep_to_size());
    return rolled;
}

Result<std::optional<Sample>> SampleStore::find(std::string_view table, UnixMillis end) {
    std::optional<Sample> found;
    TG_CHECK(scan_table(writer_, table, end - 1, end, [&](Sample&& sample) {
        found = std::move(sample);
        return true;
    }));
    return found;
}

Result<void> SampleStore::roll_up(UnixMillis now) {
    for (int i = 0; i < kRollUpsMax; ++i) {
        // What lies in the future is of a clock that was set back since: it waits for its time.
        TG_TRY(const auto next, maybe(writer_, "SELECT min(to_ms) FROM performance_fine"));
        if (!next) break;
        const UnixMillis begin = (*next - 1) / kRolledMs * kRolledMs;
        if (begin + kRolledMs > now) break;
        TG_CHECK(pack_five_minutes(begin));
    }
    return merge_hours(now);
}

Result<void> SampleStore::pack_five_minutes(UnixMillis begin) {
    const UnixMillis end = begin + kRolledMs;
    std::vector<Sample> samples;
    Sample added;
    const auto take = [&](Sample&& sample) {
        samples.push_back(std::move(sample));
        return true;
    };
    TG_CHECK(scan_table(writer_, "performance_fine", begin, end, take));
    for (const Sample& sample : samples) added.merge(sample);
    TG_TRY(std::optional<Sample> rolled, find("performance_rolled", end));
    // An earlier version's (form 1) was made of these very samples and of those that are gone by now.
    TG_TRY(
        const auto first_form,
        maybe(writer_, fmt::format("SELECT substr(data, 1, 1) = x'01' FROM performance_rolled WHERE to_ms = {}", end)));
    const std::size_t fresh = samples.size();
    TG_CHECK(scan_blocks(writer_, begin, end, take));
    const bool has_block = samples.size() > fresh;
    std::ranges::sort(samples, {}, &Sample::to);
    const bool is_whole = has_block || !rolled || (fresh > 0 && samples.front().from <= begin + kFineGapMs);
    TG_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
    if (fresh > 0 && first_form.value_or(0) == 0) {
        // A clock that was set back has these minutes twice: what is new is added.
        if (rolled) {
            rolled->merge(added);
        } else {
            rolled = std::move(added);
        }
        // Its key is the end of the five minutes.
        rolled->to = end;
        TG_CHECK(put("performance_rolled", *rolled));
        TG_CHECK(merge_hour_again(begin / kHourMs * kHourMs));
    }
    // A block of a part would hide what the rolled up ones know of the rest.
    if (!samples.empty() && is_whole) {
        const Result<void> packed = put_block(end, samples);
        // Too much for a block (very many routes at short intervals): of these minutes the rolled up sample stays alone. Kept, they would be
        // tried again at each sample, and nothing after them would be packed.
        if (!packed && packed.error().code != ErrorCode::kTooLarge) return packed;
    }
    TG_CHECK(writer_.execute(fmt::format("DELETE FROM performance_fine WHERE to_ms > {} AND to_ms <= {}", begin, end)));
    return transaction.commit();
}

Result<void> SampleStore::merge_hour(UnixMillis begin) {
    Sample merged;
    TG_CHECK(scan_table(writer_, "performance_rolled", begin, begin + kHourMs, [&](Sample&& sample) {
        merged.merge(sample);
        return true;
    }));
    merged.to = begin + kHourMs;
    std::vector<std::uint8_t> bytes;
    {
        const Lock lock(names_mutex_);
        bytes = pack(merged, names_);
    }
    TG_CHECK(store_names());
    TG_TRY(store::Statement insert, writer_.prepare("INSERT OR REPLACE INTO performance_hours VALUES(?,?,?)"));
    insert.bind(1, std::int64_t{merged.to}).bind(2, store::Blob(bytes)).bind(3, std::int64_t{merged.from});
    return insert.run();
}

/// Where it was merged already.
Result<void> SampleStore::merge_hour_again(UnixMillis begin) {
    TG_TRY(const auto merged,
           maybe(writer_, fmt::format("SELECT to_ms FROM performance_hours WHERE to_ms = {}", begin + kHourMs)));
    return merged ? merge_hour(begin) : Result<void>();
}

Result<void> SampleStore::merge_hours(UnixMillis now) {
    for (int i = 0; i < kRollUpsMax; ++i) {
        TG_TRY(const auto done,
               maybe(writer_, fmt::format("SELECT max(to_ms) FROM performance_hours WHERE to_ms <= {}", now)));
        TG_TRY(const auto next, maybe(writer_, fmt::format("SELECT min(to_ms) FROM performance_rolled WHERE to_ms > {}",
                                                           done.value_or(0))));
        TG_TRY(const auto fine, maybe(writer_, "SELECT min(to_ms) FROM performance_fine"));
        if (!next) return {};
        const UnixMillis begin = (*next - 1) / kHourMs * kHourMs;
        if (begin + kHourMs > now || (fine && *fine <= begin + kHourMs)) return {};
        TG_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
        TG_CHECK(merge_hour(begin));
        TG_CHECK(transaction.commit());
    }
    return {};
}

Result<void> SampleStore::drop_old(UnixMillis now) {
    TG_TRY(const auto rolled,
           maybe(writer_, fmt::format("SELECT max(to_ms) FROM performance_rolled WHERE to_ms <= {}", now)));
    const UnixMillis fine_to = now - options_.keep_fine_ms;
    // What is not rolled up yet stays.
    return writer_.execute(
        fmt::format("DELETE FROM performance_fine WHERE to_ms <= {0};"
                    "DELETE FROM performance_packed WHERE to_ms <= {1};"
                    "DELETE FROM performance_rolled WHERE to_ms <= {2};"
                    "DELETE FROM performance_hours WHERE to_ms <= {2};"
                    "DELETE FROM performance_slow WHERE time_ms <= {2}",
                    std::min(fine_to, rolled.value_or(0)), fine_to, now - options_.keep_ms));
}

Result<std::uint64_t> SampleStore::bytes_used() {
    TG_TRY(const std::int64_t pages, writer_.integer("PRAGMA page_count"));
    TG_TRY(const std::int64_t unused, writer_.integer("PRAGMA freelist_count"));
    TG_TRY(const std::int64_t page, writer_.integer("PRAGMA page_size"));
    return static_cast<std::uint64_t>((pages - unused) * page);
}

Result<void> SampleStore::keep_to_size() {
    for (const std::string_view table :
         {"performance_packed", "performance_fine", "performance_rolled", "performance_hours"}) {
        for (;;) {
            TG_TRY(const std::uint64_t used, bytes_used());
            if (used <= options_.bytes_max) return {};
            // A hundredth at a time, at least one.
            TG_CHECK(writer_.execute(
                fmt::format("DELETE FROM {0} WHERE to_ms IN (SELECT to_ms FROM {0} ORDER BY to_ms LIMIT "
                            "(SELECT count(*) / 100 + 1 FROM {0}))",
                            table)));
            if (writer_.changes() == 0) break;
        }
    }
    return {};
}

Result<bool> SampleStore::scan_table(store::Database& database, std::string_view table, UnixMillis from, UnixMillis to,
                                     const Visit& visit) {
    TG_TRY(store::Statement rows,
           database.prepare(fmt::format("SELECT data FROM {} WHERE to_ms > ? AND to_ms <= ? ORDER BY to_ms", table)));
    rows.bind(1, std::int64_t{from}).bind(2, std::int64_t{to});
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return true;
        Result<Sample> sample = fail(ErrorCode::kInternal, "");
        {
            const Lock lock(names_mutex_);
            sample = unpack(rows.blob(0), names_);
        }
        if (!sample) {
            unreadable_.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        if (!visit(*std::move(sample))) return false;
    }
}

/// The fine samples of whole five minutes.
Result<bool> SampleStore::scan_blocks(store::Database& database, UnixMillis from, UnixMillis to, const Visit& visit) {
    TG_TRY(
        store::Statement rows,
        database.prepare("SELECT samples, data FROM performance_packed WHERE to_ms > ? AND to_ms < ? ORDER BY to_ms"));
    rows.bind(1, std::int64_t{from}).bind(2, std::int64_t{to} + kRolledMs);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return true;
        Result<std::vector<Sample>> samples = fail(ErrorCode::kInternal, "");
        {
            const Lock lock(names_mutex_);
            samples = unpack_block(rows.blob(1), names_);
        }
        if (!samples) {
            unreadable_.fetch_add(static_cast<std::uint64_t>(rows.integer(0)), std::memory_order_relaxed);
            continue;
        }
        for (Sample& sample : *samples) {
            if (sample.to > from && sample.to <= to && !visit(std::move(sample))) return false;
        }
    }
}

Result<HeldSteps> SampleStore::held() {
    HeldSteps out{};
    TG_TRY(const Held blocks, ends_of(reader_, "performance_packed", kRolledMs));
    TG_TRY(out[1], ends_of(reader_, "performance_rolled", kRolledMs));
    TG_TRY(out[2], ends_of(reader_, "performance_hours", kHourMs));
    // The first hour of a server that began within it is no whole one.
    TG_TRY(const auto first, maybe(reader_, "SELECT from_ms FROM performance_hours ORDER BY to_ms LIMIT 1"));
    if (first) out[2].begin = std::max(out[2].begin, *first / kRolledMs * kRolledMs);
    TG_TRY(const auto fine, maybe(reader_, "SELECT min(to_ms) FROM performance_fine"));
    out[0] = {.step_ms = 1, .begin = blocks.begin, .until = blocks.begin < blocks.until || fine ? INT64_MAX : 0};
    if (fine && (blocks.begin >= blocks.until || *fine < blocks.begin)) {
        // Of the five minutes that they begin in some may be gone: then what was rolled up of these tells more.
        const UnixMillis begin = (*fine - 1) / kRolledMs * kRolledMs;
        TG_TRY(const auto rolled,
               maybe(reader_, fmt::format("SELECT to_ms FROM performance_rolled WHERE to_ms = {}", begin + kRolledMs)));
        out[0].begin = rolled && *fine > begin + kFineGapMs ? begin + kRolledMs : begin;
    }
    return out;
}

Result<void> SampleStore::scan_stretches(std::span<const Stretch> stretches, const Visit& visit) {
    constexpr std::array<std::string_view, kSteps> kTables{"performance_fine", "performance_rolled",
                                                           "performance_hours"};
    for (const Stretch& stretch : stretches) {
        bool goes_on = true;
        if (stretch.step == 0) {
            TG_TRY(goes_on, scan_blocks(reader_, stretch.from, stretch.to, visit));
            if (!goes_on) return {};
        }
        TG_TRY(goes_on, scan_table(reader_, kTables[stretch.step], stretch.from, stretch.to, visit));
        if (!goes_on) return {};
    }
    return {};
}

Result<void> SampleStore::scan(UnixMillis from, UnixMillis to, std::int64_t step_ms, const Visit& visit) {
    const Lock lock(reader_mutex_);
    // One view of the file: between two statements samples may move from rows into a block.
    TG_CHECK(reader_.execute("BEGIN"));
    Result<void> done;
    if (const auto steps = held()) {
        std::size_t coarsest = kSteps - 1;
        while (coarsest > 0 && (*steps)[coarsest].step_ms > step_ms / 3) --coarsest;
        done = scan_stretches(plan_scan(from, to, *steps, coarsest), visit);
    } else {
        done = std::unexpected(steps.error());
    }
    const Result<void> ended = reader_.execute("COMMIT");
    return done ? ended : done;
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
    std::optional<UnixMillis> first;
    for (const std::string_view table : {"performance_fine", "performance_rolled", "performance_hours"}) {
        TG_TRY(const auto found, maybe(reader_, fmt::format("SELECT min(to_ms) FROM {}", table)));
        if (found) first = std::min(first.value_or(*found), *found);
    }
    // The key of a block is the end of its five minutes: its first sample lies within them.
    TG_TRY(const auto block, maybe(reader_, "SELECT min(to_ms) FROM performance_packed"));
    if (block) {
        TG_CHECK(scan_blocks(reader_, *block - kRolledMs, *block, [&](Sample&& sample) {
            first = std::min(first.value_or(sample.to), sample.to);
            return false;
        }));
    }
    if (!first) return fail(ErrorCode::kNotFound, "there is no sample yet");
    return *first;
}

Result<SampleStore::Size> SampleStore::size() {
    const Lock lock(reader_mutex_);
    TG_TRY(const std::int64_t pages, reader_.integer("PRAGMA page_count"));
    TG_TRY(const std::int64_t unused, reader_.integer("PRAGMA freelist_count"));
    TG_TRY(const std::int64_t page, reader_.integer("PRAGMA page_size"));
    TG_TRY(const std::int64_t fine, reader_.integer("SELECT (SELECT count(*) FROM performance_fine) + "
                                                    "(SELECT coalesce(sum(samples), 0) FROM performance_packed)"));
    TG_TRY(const std::int64_t rolled, reader_.integer("SELECT (SELECT count(*) FROM performance_rolled) + "
                                                      "(SELECT count(*) FROM performance_hours)"));
    return Size{.bytes = static_cast<std::uint64_t>((pages - unused) * page),
                .fine = static_cast<std::uint64_t>(fine),
                .rolled = static_cast<std::uint64_t>(rolled)};
}

}  // namespace tidegate::performance
