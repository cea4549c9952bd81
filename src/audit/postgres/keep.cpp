#include "audit/postgres/keep.h"

#include <fmt/format.h>

#include <vector>

namespace tidegate::audit::postgres {
namespace {

// A month of 100 million rows on a slow disk.
constexpr Duration kIndexPatience = std::chrono::hours(2);
constexpr UnixMillis kDay = 86'400'000;

Ask on(store::PostgresLink& link) {
    return [&link](const std::string& statement, const store::PostgresValues& values) {
        return link.run(statement, values);
    };
}

struct Partition {
    std::string name;
    std::string_view leaf;
    bool closed;
};

Result<void> remove_from(store::PostgresLink& link, const Partition& of, std::int64_t cut, std::int64_t latest) {
    store::PostgresValues first;
    first.add(cut);
    TG_TRY(const store::PostgresRows younger,
           link.run(fmt::format("SELECT 1::int8 FROM {} WHERE {} >= $1::int8 LIMIT 1", of.name, of.leaf), first));
    if (of.closed && younger.size() == 0) {
        TG_CHECK(link.run("DROP TABLE IF EXISTS " + of.name));
        return {};
    }
    store::PostgresValues values;
    values.add(cut).add(latest);
    TG_CHECK(link.run(
        fmt::format("DELETE FROM {} WHERE {} < $1::int8 AND recorded <= $2::timestamptz", of.name, of.leaf), values));
    return {};
}

}  // namespace

Result<std::vector<Month>> months_of(const Ask& ask, const std::string& schema, std::string_view table) {
    const std::string parent = fmt::format("{}.{}", schema, table);
    store::PostgresValues values;
    values.add(std::string_view(parent));
    TG_TRY(const store::PostgresRows rows,
           ask("SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
               " WHERE i.inhparent = to_regclass($1::text) ORDER BY 1",
               values));
    std::vector<Month> months;
    for (int row = 0; row < rows.size(); ++row) {
        if (const auto month = partition_month(table, rows.bytes(row, 0))) months.push_back(*month);
    }
    return months;
}

Result<void> remove_dropped(store::PostgresLink& link, const std::string& schema, UnixMillis now) {
    TG_TRY(const store::PostgresRows dropped,
           link.run(fmt::format("SELECT h.first_leaf, max(b.recorded_to) FROM {0}.audit_head h JOIN {0}.audit_blocks b"
                                " ON b.first_leaf < h.first_leaf GROUP BY h.first_leaf",
                                schema),
                    store::PostgresValues()));
    if (dropped.size() == 0) return {};
    const std::int64_t cut = dropped.integer(0, 0);
    // None of them was recorded later: younger months are not looked through.
    const std::int64_t latest = dropped.integer(0, 1);
    // The blocks last: as long as one is there, this is not done.
    for (const std::string_view table : {kRecent, kErrors, kBlocks}) {
        TG_TRY(const std::vector<Month> months, months_of(on(link), schema, table));
        for (const Month month : months) {
            if (month.begin() > store::from_postgres_time(latest)) continue;
            TG_CHECK(remove_from(link,
                                 {.name = schema + "." + partition_name(table, month),
                                  .leaf = table == kBlocks ? "first_leaf" : "leaf",
                                  .closed = month.end() + kCloseAfter <= now},
                                 cut, latest));
        }
    }
    return {};
}

Result<void> keep(store::PostgresLink& link, const std::string& schema, int recent_days, UnixMillis now) {
    for (const std::string_view table : {kRecent, kErrors}) {
        TG_TRY(const std::vector<Month> months, months_of(on(link), schema, table));
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
