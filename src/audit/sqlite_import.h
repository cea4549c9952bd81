// Brings the decisions of a SQLite log, which this program kept before version 1 of the segment log, into the log.
//
// Guarantee   Every row once and in its order, whatever interrupts it: a server that starts goes on where the log ends. Afterwards the
//             table is called `decisions_before_segments` and nobody reads it.
// Threads     The one that starts the server, before anything else is appended.
#pragma once

#include <cstdint>
#include <string>

#include "audit/stored_log.h"

namespace tidegate::audit {

/// How many it has brought; 0 also when there is no such file or table. kConflict: rows are left and the log holds others.
Result<std::uint64_t> import_sqlite(const std::string& database_path, StoredLog& log, const Clock& clock);

}  // namespace tidegate::audit
