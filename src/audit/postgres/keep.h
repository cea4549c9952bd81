// Keeping the exploded rows: B-trees for months that have closed, an end for months that are old enough.
#pragma once

#include <string>

#include "audit/postgres/schema.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

/// A month is closed an hour after its end: what was recorded in it has been committed by then.
inline constexpr UnixMillis kCloseAfter = 3'600'000;

/// Gives each closed month of `audit_recent` and `audit_errors` its B-trees, and drops the months of `audit_recent` whose
/// last moment is `recent_days` ago. Blocks and errors stay. Made again, it finds nothing to do.
Result<void> keep(store::PostgresLink& link, const std::string& schema, int recent_days, UnixMillis now);

}  // namespace tidegate::audit::postgres
