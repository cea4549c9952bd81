// Vault: content that a policy keeps beside the record, encrypted under keys that can be destroyed one by one.
//
// Position    Beside the log: a record holds a commitment, its content lies here under the record's id. One SQLite file, privacy.db.
// Guarantee   Content is opened only under the key, tenant, record id and part that it was sealed for, else kDataLoss. After erase() has
//             given success the key is gone from memory, database and write-ahead log, and what was put before the call is covered.
// Algorithm   AES-256-GCM; a data key for each subject or tenant-month (key_store.h), sealed under the master key. One writer thread
//             seals and commits whatever waits in one transaction. An erasure waits its turn behind the content put before it.
// Memory      queue_bytes_max of content that waits to be sealed; it is plain text there.
// Threads     put(), contents(), erase() from any thread; erase() and read() wait for the disk: never on an event loop.
// When full   put(): kUnavailable, or counted as lost and success, as Options::when_full says.
// When it fails  A commit that fails is tried again each second with what waits kept; put() then behaves as when full at the bound.
//             Nothing is lost in silence: health() counts it. A kill loses what was not committed yet (milliseconds of content;
//             the records themselves are durable on their own).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "audit/privacy/key_store.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "store/sqlite.h"

namespace tidegate::audit::privacy {

enum class Part : std::uint8_t { kInput = 1, kOutput = 2 };

/// What one record's content is filed under.
struct Filing {
    Uuid record;
    std::string tenant;
    std::string subject;  // Empty: the key of the tenant's month.
};

struct Content {
    std::optional<std::string> input;
    std::optional<std::string> output;
};

/// Whose content to make unreadable: a subject's, or everything of a month that had no subject.
struct Erasure {
    std::string tenant;
    std::string subject;  // As it stands in Decision::actor; empty: a month.
    int month = 0;        // 202611
};

struct Erased {
    Uuid event;                        // Id of the event that is to be logged.
    Sha256 subject_hash{};             // Keyed with the tenant's key: what the event says instead of the subject.
    std::uint64_t keys_destroyed = 0;  // 0: there was none.
    std::uint64_t contents = 0;        // Parts that were sealed under them.
    UnixMillis time = 0;
};
/// An erasure whose event is not known to be in the log.
struct UnloggedErasure {
    std::string tenant;
    int month = 0;  // 0: a subject.
    Erased erased;
};

enum class ContentState : std::uint8_t { kKept, kNone, kErased };
struct ContentAnswer {
    ContentState state = ContentState::kNone;
    Content content;  // With kKept.
};

struct VaultHealth {
    bool degraded = false;           // The last commit failed.
    std::string reason;              // Of the last failure; empty when none ever was.
    std::uint64_t stored = 0;        // Parts committed.
    std::uint64_t stored_bytes = 0;  // Plain.
    std::uint64_t lost = 0;  // Parts dropped because the queue was full (when_full: drop) or the vault closed degraded.
    std::uint64_t refused = 0;  // Parts refused because the queue was full (when_full: refuse).
    std::uint64_t commits = 0;
    std::uint64_t commit_failures = 0;
    std::uint64_t queue_parts = 0;  // Waiting now.
    std::uint64_t queue_bytes = 0;
    std::uint64_t erasures = 0;
    std::uint64_t unlogged_erasures = 0;
};

class VaultWriter;

class Vault {
  public:
    enum class WhenFull : std::uint8_t { kRefuse, kDrop };
    struct Options {
        WhenFull when_full = WhenFull::kRefuse;
        std::uint64_t queue_bytes_max = 64ULL * 1024 * 1024;
        std::uint64_t messages_per_key_max = kMessagesPerKeyMax;  // Then the subject or month gets a further key.
        Duration retry_interval = std::chrono::seconds(1);
        /// For tests: called with the name of each step that a kill may come after.
        std::function<void(std::string_view)> at_step = {};
    };
    /// `keys` outlives the vault. Finishes what an erasure that was cut short has left.
    static Result<std::unique_ptr<Vault>> open(KeyStore& keys, const Options& options, const Clock& clock,
                                               Random& random);
    ~Vault();
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;

    /// Queues the parts of one record: both or none.
    Result<void> put(Filing filing, Content content);
    /// kDataLoss: it does not check out. `tenant` is the caller's: another's content is kNone.
    Result<ContentAnswer> read(const Uuid& record, std::string_view tenant);

    /// Destroys the keys. Idempotent: again, with keys_destroyed 0. `event`: the id that its event is to have.
    Result<Erased> erase(const Erasure& what, const Uuid& event);
    /// Its event is durable in the log. Returns at once.
    void note_logged(const Uuid& event);
    /// At start: events that are to be appended (again).
    Result<std::vector<UnloggedErasure>> unlogged();

    VaultHealth health() const;
    /// Waits until everything put before is committed or lost.
    void flush();
    void close();

  private:
    // What waits for the writer: content, an erasure, or that an event is logged.
    struct Item;
    Vault(KeyStore& keys, const Options& options, const Clock& clock, Random& random);
    void run();
    /// False: closed, and nothing waits.
    bool take(std::vector<Item>& batch) TG_EXCLUDES(mutex_);
    void give_back(std::vector<Item> batch, const Error& error) TG_EXCLUDES(mutex_);
    void settled(const std::vector<Item>& batch) TG_EXCLUDES(mutex_);
    Result<void> work(std::vector<Item>& batch);
    Result<Erased> destroy(const Item& item);
    void step(std::string_view name) const;
    bool wait_settled(Duration longest) TG_EXCLUDES(mutex_);

    KeyStore& keys_;
    const Options options_;
    const Clock& clock_;
    Random& random_;
    std::unique_ptr<VaultWriter> session_;  // The writer thread's.

    Mutex reading_;  // Held over a read of the disk: the connection is for one at a time, and readers are few.
    std::unique_ptr<store::Database> reader_ TG_GUARDED_BY(reading_);

    mutable Mutex mutex_;
    Condition wake_;
    Condition progressed_;
    std::deque<Item> queue_ TG_GUARDED_BY(mutex_);
    VaultHealth health_ TG_GUARDED_BY(mutex_);
    std::uint64_t accepted_ TG_GUARDED_BY(mutex_) = 0;  // Items.
    std::uint64_t finished_ TG_GUARDED_BY(mutex_) = 0;
    bool closing_ TG_GUARDED_BY(mutex_) = false;
    std::thread writer_;
};

}  // namespace tidegate::audit::privacy
