#include "store/migrations.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::store {
namespace {

constexpr std::string_view kTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations("
    "room TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_ms "
    "INTEGER NOT NULL,"
    "PRIMARY KEY(room, version)) STRICT, WITHOUT ROWID";

std::string checksum_of(const Migration& migration) {
    return to_hex(sha256(migration.sql));
}

// Highest version in the file, having compared each applied step with ours.
Result<int> compare_applied(Database& database, std::string_view room, std::span<const Migration> migrations) {
    TG_TRY(Statement rows,
           database.prepare("SELECT version, checksum FROM schema_migrations WHERE room=? ORDER BY version"));
    rows.bind(1, room);
    int version = 0;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return version;
        version = static_cast<int>(rows.integer(0));
        if (version > static_cast<int>(migrations.size())) {
            return fail(
                ErrorCode::kUnavailable,
                fmt::format("the {} tables are at schema version {} and this program knows up to {}: a newer program "
                            "has written here; run that one",
                            room, version, migrations.size()));
        }
        const Migration& ours = migrations[static_cast<std::size_t>(version - 1)];
        if (rows.text(1) != checksum_of(ours)) {
            return fail(
                ErrorCode::kDataLoss,
                fmt::format("schema step {} ({}) of {} was applied in another form than this program has: the tables "
                            "are not what the code expects",
                            version, ours.name, room));
        }
    }
}

Result<void> apply(Database& database, std::string_view room, const Migration& migration, const Clock& clock) {
    TG_TRY(Transaction transaction, Transaction::begin(database));
    {
        // Another process may have been faster between our look and our lock.
        TG_TRY(Statement seen, database.prepare("SELECT 1 FROM schema_migrations WHERE room=? AND version=?"));
        seen.bind(1, room).bind(2, std::int64_t{migration.version});
        TG_TRY(const bool applied, seen.step());
        if (applied) return {};
    }
    TG_CHECK(database.execute(migration.sql));
    const std::string checksum = checksum_of(migration);
    TG_TRY(Statement entry, database.prepare("INSERT INTO schema_migrations VALUES(?,?,?,?,?)"));
    entry.bind(1, room).bind(2, std::int64_t{migration.version}).bind(3, migration.name);
    entry.bind(4, std::string_view(checksum)).bind(5, clock.unix_ms());
    TG_CHECK(entry.run());
    return transaction.commit();
}

}  // namespace

Result<MigrationReport> migrate(Database& database, std::string_view room, std::span<const Migration> migrations,
                                const Clock& clock) {
    for (std::size_t i = 0; i < migrations.size(); ++i) TG_ASSERT(migrations[i].version == static_cast<int>(i) + 1);
    TG_CHECK(database.execute(kTable));
    MigrationReport report;
    TG_TRY(report.version_before, compare_applied(database, room, migrations));
    report.version_after = report.version_before;
    for (const Migration& migration : migrations.subspan(static_cast<std::size_t>(report.version_before))) {
        TG_CHECK(apply(database, room, migration, clock));
        report.version_after = migration.version;
    }
    return report;
}

}  // namespace tidegate::store
