// SecondLevel: kept answers in Redis, shared by the processes of one prefix; one a loop.
//
// Position    Asked when the store has nothing fresh, before a flight leaves for the origin; written after a fill.
// Guarantee   What it brings is whole (checksum), of exactly this key (its text is compared), not invalidated since it was made
//             (Coherence), and still inside its windows. Anything else is a miss and counted. Nothing waits for a write.
// Speed       One round trip; commands of one turn leave in one write. A slow or absent Redis costs one wait of the connection's
//             time limit (store/redis.h), then nothing is asked until it answers again.
// Memory      writes_bytes_max under way; one more is dropped and counted.
// Threads     The loop's. When it goes, what was asked is answered no more: the callbacks are dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "pipeline/cache/coherence.h"
#include "pipeline/cache/l2_blob.h"
#include "pipeline/cache/l2_counters.h"
#include "pipeline/cache/store.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"
#include "store/redis.h"

namespace tidegate::cache {

struct SecondLevelOptions {
    std::string prefix = "tidegate:cache";
    std::size_t object_bytes_max = std::size_t{1} * 1024 * 1024;
    std::size_t writes_bytes_max = std::size_t{16} * 1024 * 1024;
    Duration keep_max = std::chrono::hours(24);  // However long an answer is fresh.
};

/// What a fill took before it began: the store's ticket, and the number of the invalidations of all processes.
struct SharedTicket {
    Ticket ticket;
    std::uint64_t sequence = 0;
};

class SecondLevel {
  public:
    /// Null: nothing usable there.
    using Brought = std::move_only_function<void(EntryPtr)>;
    using Leased = std::move_only_function<void(bool mine)>;

    /// `pool` packs large answers. All outlive it.
    SecondLevel(runtime::EventLoop& loop, store::Redis& redis, ResponseStore& store, Coherence& coherence,
                runtime::WorkerPool& pool, const Clock& clock, L2Counters& counters, SecondLevelOptions options);
    ~SecondLevel();
    SecondLevel(const SecondLevel&) = delete;
    SecondLevel& operator=(const SecondLevel&) = delete;

    SharedTicket begin_fill() const noexcept;

    /// Looks in Redis, and keeps what it finds in the store as well. `done` comes later, on the loop. False: not asked (no
    /// connection, or not sure to hear of invalidations), and `done` will not come.
    /// `common`: what the entry may share, if its head begins so. One variant a key is kept: the last that was written.
    bool fetch(const Key& key, CommonPtr common, Brought done);
    /// After a fill. Says nothing: a write that cannot be done is dropped and counted. Private answers are not written.
    void keep(const Key& key, const EntryPtr& entry, const SharedTicket& ticket);
    /// Takes a key's answer away; for erase(), beside Coherence::announce_key().
    void forget(const Key& key);

    /// Whether this process may fetch for all: true as well when nobody can tell. `hold_max`: about one origin time.
    bool lease(const Key& key, Duration hold_max, Leased done);
    /// The fill has ended, in whatever way; after keep(), where the answer was kept: who waits finds it then.
    void release(const Key& key);
    /// Another process leads: looks again and again until its answer is there, its lease is gone, or `wait_max` has passed.
    bool await(const Key& key, Duration wait_max, CommonPtr common, Brought done);

  private:
    class Wait;

    std::string name_of(const Key& key) const;
    std::string lease_name_of(const Key& key) const;
    void pack_elsewhere(const Key& key, const EntryPtr& entry, std::uint64_t sequence, std::int64_t keep_ms);
    void send_release(const std::string& lease_name);
    bool usable() const noexcept { return redis_.connected() && coherence_.synced(); }
    EntryPtr take(const Key& key, std::string_view blob, const CommonPtr& common, Ticket ticket);
    void write(const std::string& name, std::string blob, std::int64_t keep_ms);

    runtime::EventLoop& loop_;
    store::Redis& redis_;
    ResponseStore& store_;
    Coherence& coherence_;
    runtime::WorkerPool& pool_;
    const Clock& clock_;
    L2Counters& counters_;
    const SecondLevelOptions options_;
    const std::string self_;  // Marks leases of this object.
    std::size_t writing_bytes_ = 0;
    // By the name of their lease: answers that are being packed, and whether the lease is to be released after them.
    std::unordered_map<std::string, bool> packing_;
    std::vector<std::shared_ptr<Wait>> waits_;
    std::shared_ptr<SecondLevel*> alive_;
};

}  // namespace tidegate::cache
