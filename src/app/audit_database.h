// The database that holds the record, where `audit.store` is `postgres`: its address, and what reads it without the server.
//
// Position    audit/postgres writes and reads the log; here are the settings' words made into its options, and the rows that the independent
//             verifier (audit/verify/blocks.h) asks for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/settings.h"
#include "audit/postgres/reader.h"
#include "audit/verify/verify.h"
#include "services/module/module.h"

namespace tidegate::app {

/// `postgres://...`, `postgresql://...`, or libpq's words with `host=` among them.
bool is_postgres_url(std::string_view url) noexcept;

struct LogDatabase {
    std::string url;
    std::string schema;
};
/// Of `database.url` and `database.schema`. kInvalidArgument: no url, or one of another database; the url is not in the message.
Result<LogDatabase> log_database(const AppSettings& settings);

/// The same for a service, which says itself what it needs.
service::DatabasePlace database_place(const AppSettings& settings);

/// For reading alone: takes no lock and writes nothing. `clock` outlives it.
Result<std::unique_ptr<audit::postgres::PostgresReader>> open_database_log(const LogDatabase& database,
                                                                           const Clock& clock);
/// `evidence.folder`: of the server that writes the log, with its checkpoints; empty: none.
Result<audit::verify::Report> verify_database(const LogDatabase& database, const audit::verify::Evidence& evidence,
                                              const Clock& clock);

}  // namespace tidegate::app
