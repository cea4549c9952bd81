#include "audit/sqlite_import.h"

#include <fmt/format.h>

#include <filesystem>
#include <future>
#include <span>

#include "audit/schema.h"

namespace tidegate::audit {
namespace {

constexpr std::size_t kGroup = 500;

Result<void> append_group(StoredLog& log, std::span<const Decision> group) {
    std::promise<Result<std::uint64_t>> promise;
    auto outcome = promise.get_future();
    // Past audit.when_failing: rows that the log did not take must not count as brought over.
    log.store().append_group(group, [&promise](Result<std::uint64_t> placed) { promise.set_value(std::move(placed)); });
    TG_CHECK(outcome.get());
    return {};
}

/// In groups that surely fit a batch, one after the other: what is in the log is always the first rows.
Result<void> append(StoredLog& log, std::vector<Decision> decisions) {
    constexpr std::size_t kGroupBytes = 32 * 1024;
    std::vector<Decision> group;
    std::size_t bytes = 0;
    for (Decision& decision : decisions) {
        const std::size_t size = segments::encoded_size(decision);
        if (!group.empty() && bytes + size > kGroupBytes) {
            TG_CHECK(append_group(log, std::exchange(group, {})));
            bytes = 0;
        }
        bytes += size;
        group.push_back(std::move(decision));
    }
    return append_group(log, group);
}

/// Rows from `begin` (0: the first) on; fewer than kGroup at the end only.
Result<std::vector<Decision>> read_rows(store::Statement& rows, const KindTable& kinds, std::uint64_t begin) {
    rows.reset();
    rows.bind(1, static_cast<std::int64_t>(begin)).bind(2, static_cast<std::int64_t>(kGroup));
    std::vector<Decision> decisions;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return decisions;
        TG_TRY(Decision decision, read_decision(rows, kinds));
        decisions.push_back(std::move(decision));
    }
}

/// A log that holds something is one that an import was cut short in, or it is not the place for these rows: then as many of them as
/// it has records would be left out in silence.
Result<void> check_goes_on(store::Statement& rows, const KindTable& kinds, const StoredLog& log, std::uint64_t last,
                           const std::string& database_path) {
    TG_TRY(const std::vector<Decision> decisions, read_rows(rows, kinds, last));
    const auto record = log.reader().read(last);
    if (!decisions.empty() && record && record->decision.id == decisions.front().id) return {};
    return fail(ErrorCode::kConflict,
                fmt::format("{} has decisions to be brought into the log, which holds others already: give them an "
                            "audit.folder of their own, or rename the table `decisions` to leave them out",
                            database_path));
}

}  // namespace

Result<std::uint64_t> import_sqlite(const std::string& database_path, StoredLog& log, const Clock& clock) {
    std::error_code error;
    if (!std::filesystem::exists(database_path, error)) return 0;
    TG_TRY(store::Database database, store::Database::open({.path = database_path}));
    TG_TRY(const std::int64_t tables,
           database.integer("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='decisions'"));
    if (tables == 0) return 0;
    TG_CHECK(migrate_log(database, clock));
    TG_TRY(const std::int64_t total, database.integer("SELECT count(*) FROM decisions"));
    const auto rows = static_cast<std::uint64_t>(total);
    const std::uint64_t begin = log.tree().size();
    if (begin > rows) {
        return fail(ErrorCode::kConflict,
                    fmt::format("{} has {} decisions to be brought into the log, which holds {} already", database_path,
                                rows, begin));
    }
    {
        TG_TRY(const KindTable kinds, read_kinds(database));
        // `seq` ascends by one without a gap.
        TG_TRY(store::Statement select,
               database.prepare(fmt::format(
                   "SELECT {} FROM decisions WHERE seq>(SELECT min(seq) FROM decisions)+?-1 ORDER BY seq LIMIT ?",
                   kSelectColumns)));
        if (begin > 0) TG_CHECK(check_goes_on(select, kinds, log, begin - 1, database_path));
        for (std::uint64_t at = begin; at < rows;) {
            TG_TRY(std::vector<Decision> decisions, read_rows(select, kinds, at));
            if (decisions.empty()) return fail(ErrorCode::kDataLoss, database_path + ": decisions are missing");
            at += decisions.size();
            TG_CHECK(append(log, std::move(decisions)));
        }
    }
    TG_CHECK(database.execute(
        "BEGIN; DROP INDEX IF EXISTS decisions_id; DROP INDEX IF EXISTS decisions_kind; DROP TABLE IF EXISTS hours;"
        "ALTER TABLE decisions RENAME TO decisions_before_segments; COMMIT"));
    return rows - begin;
}

}  // namespace tidegate::audit
