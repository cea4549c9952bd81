// Migrations: brings a room's tables from the version in the file to the version the code knows.
//
// Guarantee   Each step runs in one transaction with its entry in `schema_migrations`: a crash leaves the step done or
//             not begun. A step once applied must not change: its SHA-256 is compared at each start.
// When it fails  kUnavailable: the file is newer than this program. kDataLoss: an applied step differs from ours.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.h"
#include "store/sqlite.h"

namespace tidegate::store {

struct Migration {
    int version;  // 1, 2, 3 ... without a gap.
    std::string_view name;
    std::string_view sql;
};

struct MigrationReport {
    int version_before = 0;
    int version_after = 0;
};

/// Applies what is missing of `room`'s list. One process at a time; a second waits for the first one's
/// transaction.
Result<MigrationReport> migrate(Database& database, std::string_view room, std::span<const Migration> migrations,
                                const Clock& clock);

}  // namespace tidegate::store
