// PostgresMigrations: brings a room's tables in PostgreSQL from the version in the schema to the version the code knows.
//
// Guarantee   A step runs in one transaction with its entry in `schema_migrations`: done or not begun. An index of a table that is in use is
//             made beside its readers and writers (CREATE INDEX CONCURRENTLY), which no transaction can hold: what a failure leaves of it
//             (an index that PostgreSQL calls invalid, and does not use) is dropped and made again at the next start. A step once applied
//             must not change: its SHA-256 is compared at each start. One program at a time.
// When it fails  With the reason: a step that did not work is never taken for done. kUnavailable: the schema is newer than this program,
//             another program is at it, or no server. kDataLoss: an applied step differs from ours.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "store/postgres.h"

namespace tidegate::store {

/// 1 to 40 of a-z, 0-9 and `_`, no digit first, not `pg_`: it goes into statements as it is.
bool is_schema_name(std::string_view name) noexcept;

struct PostgresMigration {
    int version;            // 1, 2, 3 ... without a gap.
    std::string_view name;  // Without quotes; of an index made concurrently: its own.
    std::string_view sql;   // Tables without a schema are those of ours.
    bool concurrently = false;
};

struct PostgresMigrationOptions {
    PostgresOptions link;
    std::string schema;
    Duration lock_patience = std::chrono::minutes(2);  // For another program that is at it.
    Duration step_patience = std::chrono::hours(2);    // An index of 100 million rows.
};

struct PostgresMigrationReport {
    int version_before = 0;
    int version_after = 0;
};

/// Makes the schema, too, where it is missing.
Result<PostgresMigrationReport> migrate(const PostgresMigrationOptions& options, std::string_view room,
                                        std::span<const PostgresMigration> migrations, const Clock& clock);

}  // namespace tidegate::store
