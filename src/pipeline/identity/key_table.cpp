#include "pipeline/identity/key_table.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "base/assert.h"
#include "base/strings.h"
#include "store/migrations.h"

namespace tidegate::pipeline {
namespace {

constexpr std::array<store::Migration, 1> kMigrations{{
    {.version = 1, .name = "keys, generation, salt", .sql = R"sql(
CREATE TABLE identity_state(name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO identity_state VALUES('generation', 0);
CREATE TABLE api_keys(
  public_id TEXT PRIMARY KEY,
  family TEXT NOT NULL,
  secret_sha256 BLOB NOT NULL CHECK(length(secret_sha256)=32),
  name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  scopes TEXT NOT NULL,
  rate_count INTEGER, rate_period_ms INTEGER, rate_burst INTEGER,
  daily_cap_milli INTEGER,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  rotated_from TEXT, rotated_to TEXT, overlap_ends_ms INTEGER,
  revoked_ms INTEGER,
  last_used_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_created ON api_keys(created_ms);
CREATE TRIGGER api_keys_inserted AFTER INSERT ON api_keys BEGIN
  UPDATE identity_state SET value=value+1 WHERE name='generation';
END;
CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys BEGIN
  UPDATE identity_state SET value=value+1 WHERE name='generation';
END;
CREATE TRIGGER api_keys_updated AFTER UPDATE OF public_id, family, secret_sha256, name, tenant, scopes, rate_count,
  rate_period_ms, rate_burst, daily_cap_milli, created_ms, expires_ms, rotated_from, rotated_to, overlap_ends_ms, revoked_ms
  ON api_keys BEGIN
  UPDATE identity_state SET value=value+1 WHERE name='generation';
END;
)sql"},
}};

constexpr std::string_view kSelect =
    "SELECT public_id,family,secret_sha256,name,tenant,scopes,rate_count,rate_period_ms,rate_burst,daily_cap_milli,"
    "created_ms,expires_ms,rotated_from,rotated_to,overlap_ends_ms,revoked_ms,last_used_ms FROM api_keys";

std::optional<UnixMillis> time_at(const store::Statement& row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

std::optional<std::string> text_at(const store::Statement& row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(std::string(row.text(column)));
}

std::optional<Rate> rate_at(const store::Statement& row) {
    if (row.is_null(6) || row.is_null(7) || row.is_null(8)) return std::nullopt;
    // What parse_rate allows, whatever somebody has written by hand.
    const auto bounded = [](std::int64_t number) {
        return static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(number, 1, std::numeric_limits<std::uint32_t>::max()));
    };
    constexpr std::int64_t kPeriodMaxMs = 366LL * 86'400'000;
    return Rate{.count = bounded(row.integer(6)),
                .period = std::chrono::milliseconds(std::clamp<std::int64_t>(row.integer(7), 1, kPeriodMaxMs)),
                .burst = bounded(row.integer(8))};
}

Result<StoredKey> key_at(const store::Statement& row) {
    StoredKey key;
    KeyRecord& record = key.record;
    const store::Blob hash = row.blob(2);
    if (hash.size() != key.secret_hash.size())
        return fail(ErrorCode::kDataLoss, "a stored key has no sound secret hash");
    std::ranges::copy(hash, key.secret_hash.begin());
    record.public_id = row.text(0);
    record.family = row.text(1);
    record.name = row.text(3);
    record.tenant = row.text(4);
    for (const std::string_view scope : split(row.text(5), ' ')) {
        if (!scope.empty()) record.scopes.emplace_back(scope);
    }
    record.rate = rate_at(row);
    if (!row.is_null(9)) record.daily_cap = Points{row.integer(9)};
    record.created = row.integer(10);
    record.expires = time_at(row, 11);
    record.rotated_from = text_at(row, 12);
    record.rotated_to = text_at(row, 13);
    record.overlap_ends = time_at(row, 14);
    record.revoked = time_at(row, 15);
    record.last_used = time_at(row, 16);
    return key;
}

std::optional<std::string_view> view(const std::optional<std::string>& text) {
    return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

}  // namespace

Result<void> migrate_keys(store::Database& database, const Clock& clock) {
    TG_CHECK(store::migrate(database, "identity", kMigrations, clock));
    return {};
}

Result<std::string> read_salt(store::Database& database, Random& random) {
    std::array<std::uint8_t, 32> fresh{};
    random.fill(std::as_writable_bytes(std::span(fresh)));
    TG_TRY(store::Statement insert, database.prepare("INSERT OR IGNORE INTO identity_state VALUES('salt',?)"));
    insert.bind(1, store::Blob(fresh));
    TG_CHECK(insert.run());
    TG_TRY(store::Statement row, database.prepare("SELECT value FROM identity_state WHERE name='salt'"));
    TG_TRY(const bool found, row.step());
    const store::Blob salt = found ? row.blob(0) : store::Blob();
    if (salt.size() != fresh.size()) return fail(ErrorCode::kDataLoss, "the stored salt has not 32 bytes");
    return std::string(reinterpret_cast<const char*>(salt.data()), salt.size());
}

Result<std::int64_t> read_generation(store::Database& database) {
    return database.integer("SELECT value FROM identity_state WHERE name='generation'");
}

Result<std::int64_t> count_keys(store::Database& database) {
    return database.integer("SELECT count(*) FROM api_keys");
}

Result<std::vector<StoredKey>> read_keys(store::Database& database) {
    TG_TRY(store::Statement rows, database.prepare(std::string(kSelect) + " ORDER BY created_ms DESC, public_id"));
    std::vector<StoredKey> keys;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return keys;
        TG_TRY(StoredKey key, key_at(rows));
        keys.push_back(std::move(key));
    }
}

Result<StoredKey> read_key(store::Database& database, std::string_view public_id) {
    TG_TRY(store::Statement rows, database.prepare(std::string(kSelect) + " WHERE public_id=?"));
    rows.bind(1, public_id);
    TG_TRY(const bool row, rows.step());
    if (!row) return fail(ErrorCode::kNotFound, "There is no key of this id.");
    return key_at(rows);
}

Result<void> insert_key(store::Database& database, const StoredKey& key) {
    const KeyRecord& record = key.record;
    std::string scopes;
    for (const std::string& scope : record.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
    TG_TRY(store::Statement insert,
           database.prepare("INSERT INTO api_keys(public_id,family,secret_sha256,name,tenant,scopes,rate_count,"
                            "rate_period_ms,rate_burst,daily_cap_milli,created_ms,expires_ms,rotated_from) "
                            "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"));
    insert.bind(1, std::string_view(record.public_id)).bind(2, std::string_view(record.family));
    insert.bind(3, store::Blob(key.secret_hash)).bind(4, std::string_view(record.name));
    insert.bind(5, std::string_view(record.tenant)).bind(6, std::string_view(scopes));
    if (record.rate) {
        insert.bind(7, std::int64_t{record.rate->count});
        insert.bind(8, std::chrono::duration_cast<std::chrono::milliseconds>(record.rate->period).count());
        insert.bind(9, std::int64_t{record.rate->burst});
    } else {
        insert.bind_null(7).bind_null(8).bind_null(9);
    }
    insert.bind(10, record.daily_cap ? std::optional(record.daily_cap->milli) : std::nullopt);
    insert.bind(11, record.created).bind(12, record.expires).bind(13, view(record.rotated_from));
    return insert.run();
}

Result<void> update_key(store::Database& database, const KeyRecord& record) {
    TG_TRY(store::Statement update,
           database.prepare("UPDATE api_keys SET revoked_ms=?, rotated_to=?, overlap_ends_ms=? WHERE public_id=?"));
    update.bind(1, record.revoked).bind(2, view(record.rotated_to)).bind(3, record.overlap_ends);
    update.bind(4, std::string_view(record.public_id));
    TG_CHECK(update.run());
    return database.changes() == 1 ? Result<void>() : fail(ErrorCode::kNotFound, "There is no key of this id.");
}

Result<void> write_uses(store::Database& database, const std::vector<KeyUse>& uses) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    TG_TRY(store::Statement update,
           database.prepare("UPDATE api_keys SET last_used_ms=max(coalesce(last_used_ms,0),?) WHERE public_id=?"));
    for (const KeyUse& use : uses) {
        update.bind(1, use.at).bind(2, use.public_id);
        TG_CHECK(update.run());
    }
    return transaction.commit();
}

}  // namespace tidegate::pipeline
