// KeyStore: API keys, durable in the data folder's database and ready in memory.
//
// Guarantee   A change made here holds for the next request on every loop when the call returns; requests of a revoked key
//             that are under way see Caller::revoked. A change made by another process (the command line) is seen when
//             refresh() asks: it looks at a counter that triggers keep (identity.h calls it).
// Memory      About 500 bytes a key, at most kKeysMax keys; one more is refused.
// Threads     Everything from any thread but an event loop (they wait for the disk); version() and index() from any. Loops
//             read through a KeyReader.
// When it fails  The database cannot be read: the keys known stay valid, counted and said in status().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "pipeline/identity/counters.h"
#include "pipeline/identity/key_index.h"
#include "pipeline/identity/key_record.h"

namespace tidegate::store {
class Database;
}

namespace tidegate::pipeline {

struct KeyStoreOptions {
    std::string path;  // The database file; made when it is missing, readable by its owner and group only.
};

struct KeyStoreStatus {
    std::size_t active = 0;  // Neither revoked nor expired.
    std::size_t known = 0;   // All.
    bool degraded = false;   // The last look at the table failed.
    std::string reason;
};

class KeyStore {
  public:
    static constexpr std::size_t kKeysMax = 100'000;

    /// Opens or makes the file, migrates, reads. `clock`, `random` and `counters` outlive it.
    static Result<std::unique_ptr<KeyStore>> open(const KeyStoreOptions& options, const Clock& clock, Random& random,
                                                  IdentityCounters& counters);
    ~KeyStore();

    /// kFailedValidation: see check(). kConflict: kKeysMax keys exist.
    Result<NewKey> create(const KeySpec& spec);
    /// The first key of all, with scopes `admin` and `*`; nothing when there was a key already, revoked or not.
    Result<std::optional<NewKey>> create_first_admin();
    /// Newest first.
    Result<std::vector<KeyRecord>> list();
    /// kNotFound. Revoking a second time changes nothing.
    Result<KeyRecord> revoke(std::string_view public_id);
    /// A successor with the same rights, and the same end unless `expires` gives another; the old key ends after `overlap` (0:
    /// now), or earlier where it would expire earlier. kConflict: revoked, expired, or rotated already.
    Result<NewKey> rotate(std::string_view public_id, Duration overlap, std::optional<UnixMillis> expires = {});

    /// 32 random bytes made with the database: what anonymous addresses are hashed with.
    const std::string& salt() const noexcept { return salt_; }

    /// Looks whether another process changed a key, and reads them anew when it did (true). The watcher's thread only, as
    /// write_last_used().
    Result<bool> refresh();
    /// Writes when keys were last used.
    Result<void> write_last_used();

    KeyStoreStatus status() const;
    /// Grows whenever index() is another one.
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
    std::shared_ptr<const KeyIndex> index() const TG_EXCLUDES(mutex_);

  private:
    struct Watch;  // The watcher's connection and what it saw last.
    KeyStore(KeyStoreOptions options, const Clock& clock, Random& random, IdentityCounters& counters);
    Result<void> load(store::Database& database);
    void publish(const std::vector<StoredKey>& rows, std::int64_t generation);
    void note(const Result<void>& outcome);

    const KeyStoreOptions options_;
    const Clock& clock_;
    Random& random_;
    IdentityCounters& counters_;
    std::string salt_;
    std::atomic<std::uint64_t> version_{0};
    mutable Mutex mutex_;
    std::shared_ptr<const KeyIndex> index_ TG_GUARDED_BY(mutex_);
    std::int64_t generation_ TG_GUARDED_BY(mutex_) = -1;  // Of the table when index_ was read.
    std::string failure_ TG_GUARDED_BY(mutex_);           // Of the last look; empty: it went well.
    std::unique_ptr<Watch> watch_;
};

/// A loop's view of the index: current() costs one atomic load while nothing changed.
class KeyReader {
  public:
    explicit KeyReader(const KeyStore& store) : store_(&store) {}
    const KeyIndex& current() {
        if (const std::uint64_t version = store_->version(); version != seen_) [[unlikely]] {
            index_ = store_->index();
            seen_ = version;
        }
        return *index_;
    }

  private:
    const KeyStore* store_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const KeyIndex> index_;
};

}  // namespace tidegate::pipeline
