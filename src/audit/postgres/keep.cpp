#include "audit/postgres/keep.h"

#include <fmt/format.h>

#include <vector>

namespace tidegate::audit::postgres {
namespace {

// A month of 100 million rows on a slow disk.
constexpr Duration kIndexPatience = std::chrono::hours(2);
constexpr UnixMillis kDay = 86'400'000;

Result<std::vector<Month>> months_of(store::PostgresLink& link, const std::string& schema, std::string_view table) {
    const std::string parent = fmt::format("{}.{}", schema, table);
    store::PostgresValues values;
    values.add(std::string_view(parent));
    TG_TRY(const store::PostgresRows rows,
           link.run("SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                    " WHERE i.inhparent = to_regclass($1::text) ORDER BY 1",
                    values));
    std::vector<Month> months;
    for (int row = 0; row < rows.size(); ++row) {
        if (const auto month = partition_month(table, rows.bytes(row, 0))) months.push_back(*month);
    }
    return months;
}

}  // namespace

Result<void> keep(store::PostgresLink& link, const std::string& schema, int recent_days, UnixMillis now) {
    for (const std::string_view table : {kRecent, kErrors}) {
        TG_TRY(const std::vector<Month> months, months_of(link, schema, table));
        for (const Month month : months) {
            const std::string partition = partition_name(table, month);
            if (table == kRecent && month.end() + recent_days * kDay <= now) {
                TG_CHECK(link.run(fmt::format("DROP TABLE IF EXISTS {}.{}", schema, partition)));
            } else if (month.end() + kCloseAfter <= now) {
                TG_CHECK(link.run(fmt::format("CREATE INDEX IF NOT EXISTS {1}_id ON {0}.{1} (id);"
                                              "CREATE INDEX IF NOT EXISTS {1}_request ON {0}.{1} (request_id);"
                                              "CREATE INDEX IF NOT EXISTS {1}_tenant ON {0}.{1} (tenant, \"time\");"
                                              "CREATE INDEX IF NOT EXISTS {1}_input ON {0}.{1} (input_hash)",
                                              schema, partition),
                                  kIndexPatience));
            }
        }
    }
    return {};
}

}  // namespace tidegate::audit::postgres
