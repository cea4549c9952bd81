#include "store/postgres_migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::store {
namespace {

constexpr std::string_view kMigrationsTable =
    "CREATE TABLE schema_migrations (room text NOT NULL, version int8 NOT NULL, name text NOT NULL, checksum text NOT "
    "NULL, applied timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (room, version))";

std::string checksum_of_step(const PostgresMigration& migration) {
    return to_hex(sha256(migration.sql));
}

/// The first 8 bytes of a hash: the lock's number, of no other lock of ours.
std::int64_t migrations_lock(std::string_view schema) {
    const Sha256 hash = sha256(fmt::format("tidegate migrations {}", schema));
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < sizeof(key); ++i) key = (key << 8U) | hash[i];
    return static_cast<std::int64_t>(key);
}

/// One run over the steps of a room, on a connection of its own: with it goes its lock.
class Migrator {
  public:
    Migrator(const PostgresMigrationOptions& options, std::string_view room, const Clock& clock)
        : options_(options), room_(room), clock_(clock) {}

    Result<PostgresMigrationReport> run(std::span<const PostgresMigration> migrations) {
        TG_TRY(link_, PostgresLink::connect(options_.link, clock_));
        TG_CHECK(take_lock());
        TG_CHECK(make_schema());
        TG_TRY(const int before, compare_applied(migrations));
        for (const PostgresMigration& migration : migrations) {
            TG_ASSERT(migration.version >= 1 &&
                      &migrations[static_cast<std::size_t>(migration.version - 1)] == &migration);
            if (migration.version <= before) continue;
            const auto done = migration.concurrently ? make_index(migration) : apply_step(migration);
            if (!done) {
                return fail(done.error().code,
                            fmt::format("step {} ({}) of the {} tables in schema {}: {}", migration.version,
                                        migration.name, room_, options_.schema, done.error().message));
            }
        }
        return PostgresMigrationReport{.version_before = before, .version_after = static_cast<int>(migrations.size())};
    }

  private:
    // Not pg_advisory_lock(): who waits in it keeps a snapshot, and CREATE INDEX CONCURRENTLY waits for every snapshot, so that the
    // two would wait for each other.
    Result<void> take_lock() {
        const SteadyTime until = clock_.now() + options_.lock_patience;
        const std::int64_t key = migrations_lock(options_.schema);
        while (true) {
            PostgresValues values;
            values.add(key);
            TG_TRY(const PostgresRows taken, link_->run("SELECT pg_try_advisory_lock($1::int8)", values));
            if (taken.integer(0, 0) != 0) return {};
            if (clock_.now() >= until) {
                return fail(ErrorCode::kUnavailable,
                            fmt::format("another program is changing the tables in schema {} of the database",
                                        options_.schema));
            }
            TG_CHECK(link_->run("SELECT pg_sleep(0.1)"));
        }
    }

    Result<void> make_schema() {
        PostgresValues name;
        name.add(std::string_view(options_.schema));
        TG_TRY(const PostgresRows there, link_->run("SELECT 1::int8 FROM pg_namespace WHERE nspname = $1::text", name));
        // Only then: asking for it needs the right to create even where it is there.
        if (there.size() == 0) TG_CHECK(link_->run("CREATE SCHEMA " + options_.schema));
        TG_CHECK(link_->run(fmt::format("SET search_path = {}; SET synchronous_commit = on", options_.schema)));
        const std::string table = options_.schema + ".schema_migrations";
        PostgresValues values;
        values.add(std::string_view(table));
        TG_TRY(const PostgresRows made, link_->run("SELECT to_regclass($1::text) IS NOT NULL", values));
        if (made.integer(0, 0) == 0) TG_CHECK(link_->run(std::string(kMigrationsTable)));
        return {};
    }

    // The highest version in the schema, having compared each applied step with ours.
    Result<int> compare_applied(std::span<const PostgresMigration> migrations) {
        PostgresValues values;
        values.add(room_);
        TG_TRY(const PostgresRows rows,
               link_->run("SELECT version, checksum FROM schema_migrations WHERE room = $1::text ORDER BY version",
                          values));
        int version = 0;
        for (int row = 0; row < rows.size(); ++row) {
            version = static_cast<int>(rows.integer(row, 0));
            if (version < 1 || version > static_cast<int>(migrations.size())) {
                return fail(
                    ErrorCode::kUnavailable,
                    fmt::format("the {} tables in schema {} are at version {} and this program knows up to {}: a newer "
                                "program has written there; run that one",
                                room_, options_.schema, version, migrations.size()));
            }
            const PostgresMigration& ours = migrations[static_cast<std::size_t>(version - 1)];
            if (rows.bytes(row, 1) != checksum_of_step(ours)) {
                return fail(
                    ErrorCode::kDataLoss,
                    fmt::format("step {} ({}) of the {} tables in schema {} was applied in another form than this "
                                "program has: the tables are not what the code expects",
                                version, ours.name, room_, options_.schema));
            }
        }
        return version;
    }

    Result<void> note(const PostgresMigration& migration) {
        const std::string checksum = checksum_of_step(migration);
        PostgresValues values;
        values.add(room_).add(std::int64_t{migration.version}).add(migration.name).add(std::string_view(checksum));
        TG_CHECK(
            link_->run("INSERT INTO schema_migrations (room, version, name, checksum) VALUES ($1::text, $2::int8, "
                       "$3::text, $4::text)",
                       values));
        return {};
    }

    Result<void> apply_step(const PostgresMigration& migration) {
        TG_CHECK(link_->run("BEGIN"));
        Result<void> done;
        if (auto ran = link_->run(std::string(migration.sql), options_.step_patience); !ran) {
            done = std::unexpected(std::move(ran).error());
        }
        if (done) done = note(migration);
        if (done) {
            TG_TRY(const PostgresRows committed, link_->run("COMMIT"));
            if (committed.command() == "COMMIT") return {};
            return fail(ErrorCode::kInternal, "the database rolled it back");
        }
        // Its failure adds nothing: without the COMMIT nothing is there.
        [[maybe_unused]] const auto undone = link_->run("ROLLBACK");
        return done;
    }

    enum class Index : std::uint8_t { kNone, kInvalid, kValid };
    Result<Index> look_at(std::string_view name) {
        const std::string whole = fmt::format("{}.{}", options_.schema, name);
        PostgresValues values;
        values.add(std::string_view(whole));
        TG_TRY(const PostgresRows rows,
               link_->run("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1::text)", values));
        if (rows.size() == 0) return Index::kNone;
        return rows.integer(0, 0) != 0 ? Index::kValid : Index::kInvalid;
    }

    // By itself: PostgreSQL refuses it in a transaction.
    Result<void> make_index(const PostgresMigration& migration) {
        TG_TRY(Index found, look_at(migration.name));
        if (found == Index::kInvalid) {
            TG_CHECK(link_->run(fmt::format("DROP INDEX CONCURRENTLY {}", migration.name), options_.step_patience));
            found = Index::kNone;
        }
        if (found == Index::kNone) TG_CHECK(link_->run(std::string(migration.sql), options_.step_patience));
        TG_TRY(const Index made, look_at(migration.name));
        if (made != Index::kValid) return fail(ErrorCode::kInternal, "the index was made and is not valid");
        return note(migration);
    }

    const PostgresMigrationOptions& options_;
    const std::string_view room_;
    const Clock& clock_;
    std::unique_ptr<PostgresLink> link_;
};

}  // namespace

bool is_schema_name(std::string_view name) noexcept {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    return !name.empty() && name.size() <= 40 && !(name[0] >= '0' && name[0] <= '9') &&
           std::ranges::all_of(name, fits) && !name.starts_with("pg_");
}

Result<PostgresMigrationReport> migrate(const PostgresMigrationOptions& options, std::string_view room,
                                        std::span<const PostgresMigration> migrations, const Clock& clock) {
    if (!is_schema_name(options.schema)) {
        return fail(ErrorCode::kInvalidArgument,
                    "database.schema is named with 1 to 40 of a-z, 0-9 and _, not beginning with a digit or pg_");
    }
    return Migrator(options, room, clock).run(migrations);
}

}  // namespace tidegate::store
