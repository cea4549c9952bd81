// ResponseStore: answers kept in this process, bounded in bytes, shared by all threads.
//
// Position    The first level of the response cache. It keeps and finds; whether an answer may be kept or used is decided by
//             the rules (pipeline_cache_rules), who asks whom when it is missing by Flights, what other processes know by L2.
// Guarantee   A look-up gives an answer only when the whole key text is equal and the variant fits. After an invalidation has
//             returned no look-up gives what it named, and no fill that began before it is stored.
// Algorithm   Who stays: admission.h, chosen by measurement (bench/results/cache_sim.json; 9 traces, 3 sizes). Neither S3-FIFO
//             nor W-TinyLFU alone does it: S3-FIFO loses 15 points to W-TinyLFU on Zipf mixed with a loop (36.4 against 51.9 %)
//             and 3 on variable sizes, W-TinyLFU up to 52 points to LRU where recency counts (14.2 against 66.2). So both and LRU
//             run in miniature (tuner.h) and the best leads: at most 0.73 points below the better of the two everywhere, above
//             it on 14 of the 27, and never more than 0.3 below LRU.
// Speed       A look-up with the hash of its key: 70 ns with 10,000 entries, 134 with 100,000 (bench/results/cache_bench.json).
// Memory      memory_bytes_max in all, entries charged with everything they hold; 90 bytes beside key, head and body, 10,000
//             predictions in 4.97 MB (tests/pipeline_cache/memory_test.cpp counts). A shard has a part of it that is its own.
// Threads     Any thread. A shard's spin lock is held for a probe of the index and a count, or for some 30 evictions, never for
//             a copy of a body or a call into other code. Growing the index copies 8 bytes an entry under it.
// When full   The least wanted answers leave. One larger than 1/16 of a shard or object_bytes_max is never taken.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "pipeline/cache/entry.h"
#include "pipeline/cache/key.h"

namespace tidegate::cache {

struct StoreOptions {
    std::uint64_t memory_bytes_max = 256ULL * 1024 * 1024;
    std::uint64_t object_bytes_max = 8ULL * 1024 * 1024;
    /// How long after its last window (freshness, stale-while-revalidate, stale-if-error) an answer stays: to be validated, or to
    /// stand in for an origin that is away where a route allows it. Not for answers with kOwnLifetime.
    Duration keep_stale = std::chrono::hours(1);
    /// A power of two; 0: chosen from the number of cores and from memory_bytes_max (a shard has at least 1 MiB).
    std::uint32_t shards = 0;
};

/// Variants of one key; one more pushes the least used out.
inline constexpr std::size_t kVariantsMax = 16;

/// When a fill began. Take it before anything is read that the answer is made of.
struct Ticket {
    std::uint64_t sequence = 0;  // Of invalidations by prefix, tag, all.
    std::uint64_t erasures = 0;  // Of single keys.
};

enum class Stored : std::uint8_t {
    kStored,
    kTooLarge,     // Over object_bytes_max or 1/16 of a shard.
    kInvalidated,  // What it is made of was invalidated after the fill began.
};

struct Found {
    EntryPtr entry;  // Null: none that fits.
    Freshness freshness = Freshness::kStale;
    bool other_variants = false;  // The key is known, but no variant fits (`vary-miss`).
};

/// Whether a stored variant (its vary() and selecting()) fits the request at hand: a reference to a callable of the caller's, good
/// for the call it is passed to. Asked only of entries that vary, outside any lock. (A std::function would take memory for
/// every look-up.)
class Fits {
  public:
    Fits() = default;
    template <class Test>
        requires(!std::is_same_v<std::remove_cvref_t<Test>, Fits>)
    Fits(const Test& test) noexcept
        : test_(&test), call_([](const void* object, const Entry& variant) -> bool {
              return (*static_cast<const Test*>(object))(variant);
          }) {}

    explicit operator bool() const noexcept { return call_ != nullptr; }
    bool operator()(const Entry& variant) const { return call_(test_, variant); }

  private:
    const void* test_ = nullptr;
    bool (*call_)(const void* object, const Entry& variant) = nullptr;
};

struct StoreStats {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = 0;
    std::uint64_t hits = 0;        // Fresh.
    std::uint64_t stale_hits = 0;  // Found, not fresh.
    std::uint64_t misses = 0;
    std::uint64_t inserts = 0;
    std::uint64_t replaced = 0;  // Inserts in the place of an older answer of the same key and variant.
    std::uint64_t rejected_too_large = 0;
    std::uint64_t rejected_invalidated = 0;
    std::uint64_t evicted_for_room = 0;
    std::uint64_t evicted_variants = 0;  // Over kVariantsMax.
    std::uint64_t expired = 0;           // Past its windows and keep_stale; found by a look-up or by sweep().
    std::uint64_t invalidated_key = 0;
    std::uint64_t invalidated_prefix = 0;
    std::uint64_t invalidated_tag = 0;
    std::uint64_t invalidated_all = 0;
    std::uint64_t mode_changes = 0;  // Of the way answers are chosen to stay (admission.h).
    friend bool operator==(const StoreStats&, const StoreStats&) = default;
};

class ResponseStore {
  public:
    explicit ResponseStore(const StoreOptions& options);
    ~ResponseStore();
    ResponseStore(const ResponseStore&) = delete;
    ResponseStore& operator=(const ResponseStore&) = delete;

    /// The newest variant that fits, fresh or not. One past its windows and keep_stale is not given.
    Found lookup(const Key& key, UnixMillis now, const Fits& fits = {});
    /// All variants of a key, for validators to send (If-None-Match with every tag) and for inspection. Counts nothing.
    std::vector<EntryPtr> variants(const Key& key) const;

    Ticket begin_fill() const noexcept;
    /// Takes the place of a stored variant with equal `vary` and `selecting`. `made`, where given, is the entry, whether it was
    /// stored or not (null when it is too large): what whoever waits for the answer gets.
    Stored insert(const Key& key, const Draft& draft, Ticket ticket, UnixMillis now, EntryPtr* made = nullptr);
    /// An entry that was made elsewhere, as it is (its lifetime is not spread again).
    Stored keep(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now);
    /// After a 304: new head and times, the old body.
    Stored refresh(const Key& key, const Draft& draft, const Entry& old, Ticket ticket, UnixMillis now,
                   EntryPtr* made = nullptr);

    /// Each says how many entries that were still usable it dropped, variants counted one by one. erase() costs one probe; the
    /// others take effect at once and then look at every entry in small steps, about 0.1 s for a million: call them from a pool.
    std::uint64_t erase(const Key& key, UnixMillis now);
    std::uint64_t erase_prefix(std::string_view path_prefix, UnixMillis now);
    std::uint64_t erase_tag(std::uint64_t tag, UnixMillis now);
    std::uint64_t clear(UnixMillis now);

    /// Takes effect at once, without counting: for the loop that hears of it from another process. sweep() frees the memory.
    void invalidate_key(const Key& key);
    void invalidate_prefix(std::string_view path_prefix);
    void invalidate_tag(std::uint64_t tag);
    void invalidate_all();

    /// Frees what has expired or was invalidated; looks at up to `budget` entries, going round. For a timer. Says how many it
    /// freed.
    std::size_t sweep(UnixMillis now, std::size_t budget);
    /// The same for every entry, at once: from a pool, as erase_tag().
    std::size_t sweep_all(UnixMillis now);

    StoreStats stats() const;
    /// Entries that are fresh now; looks at all of them.
    std::uint64_t fresh_entries(UnixMillis now) const;
    /// As they hold: object_bytes_max is no more than a shard takes, shards is not 0.
    const StoreOptions& options() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tidegate::cache
