#include "app/audit_database.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/verify/blocks.h"
#include "base/file.h"

namespace tidegate::app {
namespace {

using audit::verify::BlockRow;
using audit::verify::HeadRow;
using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

store::PostgresOptions link_options(const LogDatabase& database, std::string_view what) {
    store::PostgresOptions options;
    options.url = database.url;
    options.application_name = fmt::format("tidegate {}", what);
    return options;
}

Result<HeadRow> read_database_head(PostgresLink& link, const std::string& schema) {
    TG_TRY(const PostgresRows rows,
           link.run("SELECT format, log_id, size, peaks, first_leaf, first_peaks FROM " + schema + ".audit_head",
                    PostgresValues()));
    if (rows.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    const auto column = [&](int at) { return std::string(rows.bytes(0, at)); };
    return HeadRow{column(0), column(1), column(2), column(3), column(4), column(5)};
}

/// Of blocks some 4 MiB at a time.
Result<void> read_blocks(PostgresLink& link, const std::string& schema, std::uint64_t from, std::uint64_t to,
                         const std::function<Result<void>(const BlockRow&)>& take) {
    constexpr std::size_t kBytesAtOnce = 4U * 1024 * 1024;
    constexpr std::int64_t kBlocksMax = 4096;
    const std::string statement = fmt::format(
        "SELECT generation, first_leaf, records, crc, peaks, payload FROM {}.audit_blocks WHERE first_leaf >= $1::int8"
        " AND first_leaf < $2::int8 ORDER BY first_leaf LIMIT $3::int8",
        schema);
    auto next = static_cast<std::int64_t>(from);
    for (std::int64_t at_once = 4;;) {
        PostgresValues values;
        values.add(next).add(static_cast<std::int64_t>(to)).add(at_once);
        TG_TRY(const PostgresRows rows, link.run(statement, values));
        std::size_t bytes = 0;
        for (int row = 0; row < rows.size(); ++row) {
            const BlockRow block{.generation = rows.bytes(row, 0),
                                 .first_leaf = rows.bytes(row, 1),
                                 .records = rows.bytes(row, 2),
                                 .crc = rows.bytes(row, 3),
                                 .peaks = rows.bytes(row, 4),
                                 .payload = rows.bytes(row, 5)};
            TG_CHECK(take(block));
            // Where to go on; what the number means is the verifier's matter.
            next = rows.integer(row, 1) + 1;
            bytes += block.payload.size();
        }
        if (rows.size() < at_once) return {};
        if (bytes < kBytesAtOnce / 2) at_once = std::min(kBlocksMax, at_once * 2);
        if (bytes > 2 * kBytesAtOnce) at_once = std::max<std::int64_t>(1, at_once / 2);
    }
}

}  // namespace

bool is_postgres_url(std::string_view url) noexcept {
    return url.starts_with("postgres://") || url.starts_with("postgresql://") || url.starts_with("host=") ||
           url.contains(" host=");
}

Result<LogDatabase> log_database(const AppSettings& settings) {
    const std::string_view url = settings.database.url.reveal();
    if (url.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    "audit.store is postgres and database.url is not set: postgresql://USER@HOST/DATABASE");
    }
    if (!is_postgres_url(url)) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("audit.store is postgres and database.url is the address of something else (it begins "
                                "with `{}`): postgresql://USER@HOST/DATABASE is needed",
                                url.substr(0, std::min<std::size_t>(url.find_first_of(":@/="), 16))));
    }
    TG_CHECK(audit::postgres::check_schema_name(settings.database.schema));
    return LogDatabase{.url = std::string(url), .schema = settings.database.schema};
}

service::DatabasePlace database_place(const AppSettings& settings) {
    return {.url = std::string(settings.database.url.reveal()), .schema = settings.database.schema};
}

Result<std::unique_ptr<audit::postgres::PostgresReader>> open_database_log(const LogDatabase& database,
                                                                           const Clock& clock) {
    TG_CHECK(audit::postgres::check_schema_name(database.schema));
    auto reader =
        std::make_unique<audit::postgres::PostgresReader>(link_options(database, "audit"), database.schema, clock);
    TG_CHECK(reader->refresh());
    return reader;
}

Result<audit::verify::Report> verify_database(const LogDatabase& database, const audit::verify::Evidence& evidence,
                                              const Clock& clock) {
    TG_CHECK(audit::postgres::check_schema_name(database.schema));
    TG_TRY(const auto link, PostgresLink::connect(link_options(database, "verify"), clock));
    return audit::verify::verify_blocks(
        evidence, {.head = [&] { return read_database_head(*link, database.schema); },
                   .blocks = [&](std::uint64_t from, std::uint64_t to,
                                 const auto& take) { return read_blocks(*link, database.schema, from, to, take); }});
}

}  // namespace tidegate::app
