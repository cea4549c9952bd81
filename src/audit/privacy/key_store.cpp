#include "audit/privacy/key_store.h"

#include <array>
#include <utility>

#include "audit/privacy/blob_text.h"
#include "audit/privacy/master_key.h"
#include "store/migrations.h"

namespace tidegate::audit::privacy {
namespace {

constexpr std::array<store::Migration, 1> kMigrations{{{1, "keys, contents, erasures", R"sql(
CREATE TABLE tenant_keys(
  tenant TEXT PRIMARY KEY, sealed BLOB NOT NULL, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- A data key of a subject (name: its keyed hash) or of a month (name: 202611); a further generation when one has sealed enough.
CREATE TABLE data_keys(
  id BLOB PRIMARY KEY, tenant TEXT NOT NULL, kind INTEGER NOT NULL, name BLOB NOT NULL, generation INTEGER NOT NULL,
  sealed BLOB NOT NULL, messages INTEGER NOT NULL, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX data_keys_by_name ON data_keys(tenant, kind, name, generation);
CREATE TABLE contents(
  record BLOB NOT NULL, part INTEGER NOT NULL, tenant TEXT NOT NULL, key_id BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX contents_by_record ON contents(record, part);
CREATE TABLE erasures(
  event BLOB PRIMARY KEY, tenant TEXT NOT NULL, month INTEGER NOT NULL, subject BLOB NOT NULL, keys INTEGER NOT NULL,
  contents INTEGER NOT NULL, time_ms INTEGER NOT NULL, logged INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE erased_keys(
  id BLOB PRIMARY KEY, event BLOB NOT NULL) STRICT, WITHOUT ROWID;
)sql"}}};

std::string associated_with(std::string_view tenant) {
    return std::string("tidegate tenant key 1:").append(tenant);
}

Result<store::Database> connect_to(const std::string& path, const std::string& vfs, bool read_only) {
    TG_TRY(store::Database database, store::Database::open({.path = path,
                                                            .read_only = read_only,
                                                            .synchronous = store::Synchronous::kFull,
                                                            .wal_autocheckpoint_pages = 1'000,
                                                            .vfs = vfs}));
    // What is deleted is overwritten with zeroes in the database's pages.
    if (!read_only) TG_CHECK(database.execute("PRAGMA secure_delete=ON"));
    return database;
}

Result<Key> take_master(const KeyStore::Options& options, store::Database& database, Random& random) {
    auto loaded = load_master_key(options.master_key_path);
    if (loaded || loaded.error().code != ErrorCode::kNotFound) return loaded;
    TG_TRY(const std::int64_t sealed,
           database.integer("SELECT (SELECT count(*) FROM tenant_keys)+(SELECT count(*) FROM data_keys)"));
    if (sealed > 0) {
        return fail(
            ErrorCode::kDataLoss,
            "the master key (privacy.master_key_path) is missing, and there are keys sealed under it: put it back; "
            "a new one cannot open what is kept");
    }
    return create_master_key(options.master_key_path, random);
}

}  // namespace

Sha256 TenantKeys::commit(const Sha256& plain) const {
    return hmac_sha256(commitment.chars(), {reinterpret_cast<const char*>(plain.data()), plain.size()});
}

Sha256 TenantKeys::subject(std::string_view name) const {
    return hmac_sha256(subjects.chars(), name);
}

KeyStore::KeyStore(Options options, store::FileLock lock, store::Database database, Key master, const Clock& clock,
                   Random& random)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      clock_(clock),
      random_(random),
      master_(std::move(master)),
      database_(std::move(database)) {}

Result<std::unique_ptr<KeyStore>> KeyStore::open(const Options& options, const Clock& clock, Random& random) {
    TG_TRY(store::FileLock lock, store::FileLock::take(options.path + ".lock"));
    TG_TRY(store::Database database, connect_to(options.path, options.vfs, false));
    TG_CHECK(store::migrate(database, "privacy", kMigrations, clock));
    TG_TRY(Key master, take_master(options, database, random));
    std::unique_ptr<KeyStore> opened(
        new KeyStore(options, std::move(lock), std::move(database), std::move(master), clock, random));
    const Lock making(opened->making_);
    TG_CHECK(opened->load());
    return opened;
}

Result<void> KeyStore::load() {
    TG_TRY(store::Statement rows, database_.prepare("SELECT tenant, sealed FROM tenant_keys"));
    const Lock lock(mutex_);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        const std::string tenant(rows.text(0));
        auto bytes = privacy::open(master_, chars(rows.blob(1)), associated_with(tenant));
        if (!bytes || bytes->size() != Key::kBytes) {
            return fail(
                ErrorCode::kDataLoss,
                "a tenant's key does not open under the master key (privacy.master_key_path): it is another one, or "
                "privacy.db is damaged");
        }
        const Key key = Key::from(*bytes);
        wipe(*bytes);
        tenants_.insert_or_assign(tenant, std::make_shared<const TenantKeys>(TenantKeys{
                                              derive(key, "tidegate commitment 1"), derive(key, "tidegate subject 1"),
                                              derive(key, "tidegate pseudonym 1")}));
    }
}

Result<store::Database> KeyStore::connect(bool read_only) const {
    return connect_to(options_.path, options_.vfs, read_only);
}

Result<TenantKeysPtr> KeyStore::tenant(std::string_view name) {
    {
        const Lock lock(mutex_);
        if (const auto found = tenants_.find(name); found != tenants_.end()) return found->second;
    }
    return make(name);
}

Result<TenantKeysPtr> KeyStore::make(std::string_view name) {
    const Lock making(making_);
    {
        const Lock lock(mutex_);  // Another thread may have been faster.
        if (const auto found = tenants_.find(name); found != tenants_.end()) return found->second;
    }
    const Key key = Key::random(random_);
    const std::string sealed = seal(master_, key.chars(), associated_with(name), random_);
    TG_TRY(store::Statement insert, database_.prepare("INSERT INTO tenant_keys VALUES(?,?,?)"));
    insert.bind(1, name).bind(2, store::Blob(reinterpret_cast<const std::uint8_t*>(sealed.data()), sealed.size()));
    insert.bind(3, clock_.unix_ms());
    TG_CHECK(insert.run());
    auto keys = std::make_shared<const TenantKeys>(TenantKeys{
        derive(key, "tidegate commitment 1"), derive(key, "tidegate subject 1"), derive(key, "tidegate pseudonym 1")});
    const Lock lock(mutex_);
    tenants_.insert_or_assign(std::string(name), keys);
    return keys;
}

}  // namespace tidegate::audit::privacy
