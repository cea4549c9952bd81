// KeyStore: the tenants' keys, and the keys of content that an erasure destroys; all sealed under the master key.
//
// Position    The file privacy.db, with the master key in a file of its own (master_key.h). The Vault keeps its contents there too.
// Guarantee   What was opened once is the key that was made: a changed or swapped row is kDataLoss. Two processes: the second does
//             not start. A tenant's key, once given, is durable.
// Algorithm   Tenant key: 32 random bytes, made at first use; its parts (commitment, subjects, pseudonyms) are derived by HMAC.
// Memory      Every tenant's three keys, 200 bytes a tenant. Data keys are the Vault's writer's, kept for the batch alone.
// Threads     tenant() from any thread: a look-up under a short lock; the first time that a tenant is ever seen it writes to the disk
//             (milliseconds).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "audit/privacy/crypto.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "store/file_lock.h"
#include "store/sqlite.h"

namespace tidegate::audit::privacy {

/// The keys of one tenant, each for one purpose.
struct TenantKeys {
    Key commitment;
    Key subjects;
    Key pseudonyms;

    /// What stands in Decision::input_hash: HMAC(commitment, SHA-256 of the input). Of the digest, not the input, so that whoever has
    /// only the plain hash (a caller of /duplicates, a decision made elsewhere) meets the same commitment.
    Sha256 commit(const Sha256& plain) const;
    /// What stands for a subject in keys and events.
    Sha256 subject(std::string_view name) const;
};
using TenantKeysPtr = std::shared_ptr<const TenantKeys>;

class KeyStore {
  public:
    struct Options {
        std::string path;             // privacy.db
        std::string master_key_path;  // Made (0600) when neither it nor a sealed key exists.
        std::string vfs;              // For tests, see store/sqlite.h.
    };
    /// kPermissionDenied: others may read the master key. kDataLoss: sealed keys exist and the master key does not, or is another one.
    static Result<std::unique_ptr<KeyStore>> open(const Options& options, const Clock& clock, Random& random);

    Result<TenantKeysPtr> tenant(std::string_view name);

    const Key& master() const noexcept { return master_; }
    /// A connection to privacy.db as the rules here want it: secure_delete, no checkpoint by itself.
    Result<store::Database> connect(bool read_only) const;

  private:
    KeyStore(Options options, store::FileLock lock, store::Database database, Key master, const Clock& clock,
             Random& random);
    Result<void> load() TG_REQUIRES(making_);
    Result<TenantKeysPtr> make(std::string_view name);

    const Options options_;
    store::FileLock lock_;
    const Clock& clock_;
    Random& random_;
    const Key master_;
    Mutex making_;  // Held while a tenant's first key is written: the others need none of it.
    store::Database database_ TG_GUARDED_BY(making_);
    Mutex mutex_;
    std::map<std::string, TenantKeysPtr, std::less<>> tenants_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit::privacy
