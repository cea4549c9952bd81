// How a code of SQLite becomes an Error of ours. Used by store/*.cpp only.
#pragma once

#include <string_view>

#include "base/result.h"
#include "store/sqlite.h"

namespace tidegate::store {

/// `handle` may be null. The message holds SQLite's own words, which name tables and columns but no values.
Error sqlite_error(sqlite3* handle, int code, std::string_view what);

}  // namespace tidegate::store
