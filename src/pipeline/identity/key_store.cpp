#include "pipeline/identity/key_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "pipeline/identity/key_table.h"

namespace tidegate::pipeline {
namespace {

/// As store/'s default: the decision writer holds the file for milliseconds, a command line no longer.
constexpr int kBusyTimeoutMs = 5'000;

/// The file holds the salt of the callers' addresses and what they were answered: other users of the machine have no business
/// in it. SQLite gives its -wal and -shm the rights of the file itself.
///
/// A file that is there is not opened: closing any descriptor of it would take away the locks that SQLite's connections of this process
/// hold on it (fcntl(2), "Advisory record locking"). Another process that closes the database then takes itself for the last one and
/// removes the log under us: what it wrote was never seen here.
Result<void> make_private(const std::string& path) {
    const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0 && errno != EEXIST) return fail(ErrorCode::kUnavailable, "cannot open or make the database " + path);
    if (made >= 0) ::close(made);
    struct stat info{};
    // Somebody else's file is used as it is: its rights are its owner's business.
    if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 07U) != 0) {
        for (const char* suffix : {"", "-wal", "-shm"}) {
            static_cast<void>(::chmod((path + suffix).c_str(), info.st_mode & 0770U));
        }
    }
    return {};
}

Result<store::Database> open_database(const std::string& path) {
    // The server's caretaker moves the log into the file; nobody waits for that here.
    return store::Database::open(
        {.path = path, .busy_timeout_ms = kBusyTimeoutMs, .cache_bytes = 512 * 1024, .wal_autocheckpoint_pages = 0});
}

/// A row and its text; the secret stands in the text alone.
NewKey make_key(KeyRecord record, Random& random, StoredKey& row) {
    const std::string secret = make_secret(random);
    row.record = record;
    row.secret_hash = sha256(secret);
    std::string text = std::string(kKeyPrefix) + record.public_id + "_" + secret;
    return {std::move(record), std::move(text)};
}

KeyRecord record_of(const KeySpec& spec, Random& random, UnixMillis now) {
    KeyRecord record;
    record.public_id = make_public_id(random);
    record.family = record.public_id;
    record.name = spec.name;
    record.tenant = spec.tenant;
    for (const std::string& scope : spec.scopes) {
        if (std::ranges::find(record.scopes, scope) == record.scopes.end()) record.scopes.push_back(scope);
    }
    record.rate = spec.rate;
    record.daily_cap = spec.daily_cap;
    record.created = now;
    record.expires = spec.expires;
    return record;
}

}  // namespace

struct KeyStore::Watch {
    store::Database database;
};

KeyStore::KeyStore(KeyStoreOptions options, const Clock& clock, Random& random, IdentityCounters& counters)
    : options_(std::move(options)), clock_(clock), random_(random), counters_(counters) {}

KeyStore::~KeyStore() = default;

Result<std::unique_ptr<KeyStore>> KeyStore::open(const KeyStoreOptions& options, const Clock& clock, Random& random,
                                                 IdentityCounters& counters) {
    TG_CHECK(make_private(options.path));
    std::unique_ptr<KeyStore> keys(new KeyStore(options, clock, random, counters));
    TG_TRY(store::Database database, open_database(options.path));
    TG_CHECK(migrate_keys(database, clock));
    TG_TRY(keys->salt_, read_salt(database, random));
    keys->watch_ = std::make_unique<Watch>(Watch{std::move(database)});
    TG_CHECK(keys->load(keys->watch_->database));
    return keys;
}

Result<void> KeyStore::load(store::Database& database) {
    // One read transaction: rows and generation of one moment.
    TG_CHECK(database.execute("BEGIN"));
    const auto generation = read_generation(database);
    auto rows = generation ? read_keys(database) : std::unexpected(generation.error());
    TG_CHECK(database.execute("COMMIT"));
    if (!rows) return std::unexpected(rows.error());
    publish(*rows, *generation);
    return {};
}

void KeyStore::publish(const std::vector<StoredKey>& rows, std::int64_t generation) {
    for (;;) {
        const std::shared_ptr<const KeyIndex> former = index();
        // Built without the lock, which loops take to have a look: a large table takes a while.
        auto fresh = std::make_shared<const KeyIndex>(rows, former.get());
        const Lock lock(mutex_);
        if (generation <= generation_) return;  // Somebody read later than we did.
        if (index_ != former) continue;
        index_ = std::move(fresh);
        generation_ = generation;
        version_.fetch_add(1, std::memory_order_release);
        counters_.key_reloads.add();
        return;
    }
}

std::shared_ptr<const KeyIndex> KeyStore::index() const {
    const Lock lock(mutex_);
    return index_;
}

Result<NewKey> KeyStore::create(const KeySpec& spec) {
    const UnixMillis now = clock_.unix_ms();
    TG_CHECK(check(spec, now));
    TG_TRY(store::Database database, open_database(options_.path));
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    TG_TRY(const std::int64_t count, count_keys(database));
    if (count >= static_cast<std::int64_t>(kKeysMax)) {
        return fail(ErrorCode::kConflict, "there are as many keys as this server keeps");
    }
    StoredKey row;
    NewKey made = make_key(record_of(spec, random_, now), random_, row);
    TG_CHECK(insert_key(database, row));
    TG_CHECK(transaction.commit());
    TG_CHECK(load(database));
    return made;
}

Result<std::optional<NewKey>> KeyStore::create_first_admin() {
    const KeySpec spec{.name = "first admin key", .scopes = {"admin", "*"}};
    TG_TRY(store::Database database, open_database(options_.path));
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    TG_TRY(const std::int64_t count, count_keys(database));
    if (count > 0) return std::optional<NewKey>();
    StoredKey row;
    NewKey made = make_key(record_of(spec, random_, clock_.unix_ms()), random_, row);
    TG_CHECK(insert_key(database, row));
    TG_CHECK(transaction.commit());
    TG_CHECK(load(database));
    return std::optional<NewKey>(std::move(made));
}

Result<std::vector<KeyRecord>> KeyStore::list() {
    TG_TRY(store::Database database, open_database(options_.path));
    TG_TRY(std::vector<StoredKey> rows, read_keys(database));
    std::vector<KeyRecord> records;
    records.reserve(rows.size());
    std::unordered_map<std::string_view, UnixMillis> used;
    const std::shared_ptr<const KeyIndex> index = this->index();
    for (const auto& state : index->states()) used[state->public_id] = state->used.load(std::memory_order_relaxed);
    for (StoredKey& row : rows) {
        // The table is up to a minute behind.
        const auto here = used.find(row.record.public_id);
        const UnixMillis last = here == used.end() ? 0 : here->second;
        if (last > row.record.last_used.value_or(0)) row.record.last_used = last;
        records.push_back(std::move(row.record));
    }
    return records;
}

Result<KeyRecord> KeyStore::revoke(std::string_view public_id) {
    TG_TRY(store::Database database, open_database(options_.path));
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    TG_TRY(StoredKey key, read_key(database, public_id));
    if (!key.record.revoked) {
        key.record.revoked = clock_.unix_ms();
        TG_CHECK(update_key(database, key.record));
    }
    TG_CHECK(transaction.commit());
    TG_CHECK(load(database));
    return std::move(key.record);
}

Result<NewKey> KeyStore::rotate(std::string_view public_id, Duration overlap, std::optional<UnixMillis> expires) {
    const UnixMillis now = clock_.unix_ms();
    if (expires && *expires <= now) return fail(ErrorCode::kFailedValidation, "the key would have expired already");
    TG_TRY(store::Database database, open_database(options_.path));
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database));
    TG_TRY(StoredKey old, read_key(database, public_id));
    if (old.record.rotated_to) {
        return fail(ErrorCode::kConflict,
                    "This key was rotated already; rotate its successor " + *old.record.rotated_to + ".");
    }
    if (const auto state = old.record.state(now); state != KeyRecord::State::kActive) {
        return fail(ErrorCode::kConflict, "This key is " + std::string(to_string(state)) + "; make a new one.");
    }
    KeyRecord successor = old.record;
    successor.public_id = make_public_id(random_);
    successor.created = now;
    successor.rotated_from = old.record.public_id;
    successor.last_used.reset();
    if (expires) successor.expires = expires;
    StoredKey row;
    NewKey made = make_key(std::move(successor), random_, row);
    old.record.rotated_to = made.record.public_id;
    old.record.overlap_ends = now + std::chrono::duration_cast<std::chrono::milliseconds>(overlap).count();
    TG_CHECK(insert_key(database, row));
    TG_CHECK(update_key(database, old.record));
    TG_CHECK(transaction.commit());
    TG_CHECK(load(database));
    return made;
}

Result<bool> KeyStore::refresh() {
    const auto look = [this]() -> Result<bool> {
        // One row, four times a second: nothing that could say "unchanged" for a wrong reason stands before it.
        TG_TRY(const std::int64_t generation, read_generation(watch_->database));
        bool changed = false;
        {
            const Lock lock(mutex_);
            changed = generation != generation_;
        }
        if (changed) TG_CHECK(load(watch_->database));
        return changed;
    };
    auto outcome = look();
    note(outcome ? Result<void>() : std::unexpected(outcome.error()));
    return outcome;
}

Result<void> KeyStore::write_last_used() {
    const std::shared_ptr<const KeyIndex> index = this->index();
    std::vector<KeyUse> uses;
    std::vector<KeyState*> states;
    for (const auto& state : index->states()) {
        const UnixMillis used = state->used.load(std::memory_order_relaxed);
        if (used <= state->used_written.load(std::memory_order_relaxed)) continue;
        uses.push_back({state->public_id, used});
        states.push_back(state.get());
    }
    if (uses.empty()) return {};
    const auto outcome = write_uses(watch_->database, uses);
    note(outcome);
    if (!outcome) return outcome;
    for (std::size_t i = 0; i < uses.size(); ++i) states[i]->used_written.store(uses[i].at, std::memory_order_relaxed);
    return {};
}

void KeyStore::note(const Result<void>& outcome) {
    if (!outcome) counters_.key_store_failures.add();
    const Lock lock(mutex_);
    failure_ = outcome ? "" : outcome.error().message;
}

KeyStoreStatus KeyStore::status() const {
    const std::shared_ptr<const KeyIndex> index = this->index();
    const Lock lock(mutex_);
    return {.active = index->count_active(clock_.unix_ms()),
            .known = index->states().size(),
            .degraded = !failure_.empty(),
            .reason = failure_};
}

}  // namespace tidegate::pipeline
