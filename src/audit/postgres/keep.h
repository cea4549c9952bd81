// Keeping the tables: B-trees for months that have closed, an end for rows that are old enough and for what retention removes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/postgres/schema.h"
#include "store/postgres.h"

namespace tidegate::audit::postgres {

/// A month is closed an hour after its end: what was recorded in it has been committed by then.
inline constexpr UnixMillis kCloseAfter = 3'600'000;

using Ask =
    std::function<Result<store::PostgresRows>(const std::string& statement, const store::PostgresValues& values)>;
/// The months that have their partition of that table, ascending.
Result<std::vector<Month>> months_of(const Ask& ask, const std::string& schema, std::string_view table);

/// Removes the rows and blocks of leaves before the first one of the log, as its head has it: a month that has closed and holds nothing
/// else by its whole partition. Made again, it goes on where it was interrupted, or finds nothing to do.
Result<void> remove_dropped(store::PostgresLink& link, const std::string& schema, UnixMillis now);

/// Gives each closed month of `audit_recent` and `audit_errors` its B-trees, and drops the months of `audit_recent` whose
/// last moment is `recent_days` ago. Blocks and errors stay. Made again, it finds nothing to do.
Result<void> keep(store::PostgresLink& link, const std::string& schema, int recent_days, UnixMillis now);

}  // namespace tidegate::audit::postgres
