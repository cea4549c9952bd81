// Shard: one part of the store: an index, the queues of Admission, counters, under one spin lock.
//
// Algorithm   The index is an array of 8-byte slots: 16 bits of the hash and a pointer of 48. A slot's home grows with those 16
//             bits, so growing the array or closing a gap reads no entry, and a walk in order of the bits meets every entry once
//             whatever moves meanwhile. Linear probing to the right, load at most 0.8. Variants of a key are further slots
//             with the same bits.
// Memory      8 bytes a slot, 10 to 15 an entry, charged.
// Threads     Any thread. Entries are made before and freed after the lock is held.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "pipeline/cache/admission.h"
#include "pipeline/cache/entry.h"
#include "pipeline/cache/invalidation_log.h"
#include "pipeline/cache/spin_lock.h"
#include "pipeline/cache/store.h"

namespace tidegate::cache {

template <>
struct NodeAccess<const Entry> {
    static const Entry*& newer(const Entry& e) noexcept { return e.newer_; }
    static const Entry*& older(const Entry& e) noexcept { return e.older_; }
    static std::uint8_t& queue(const Entry& e) noexcept { return e.queue_; }
    static std::atomic<std::uint8_t>& heat(const Entry& e) noexcept { return e.heat_; }
    static std::uint64_t hash(const Entry& e) noexcept { return e.hash_low_; }
    static std::size_t charge(const Entry& e) noexcept { return e.charge(); }
};

/// The entries of one key: almost always one.
struct Candidates {
    EntryPtr first;
    std::vector<EntryPtr> more;

    void add(const Entry* entry) {
        if (first) {
            more.push_back(EntryPtr::share(entry));
        } else {
            first = EntryPtr::share(entry);
        }
    }
    /// One entry that answers every request for the key.
    bool plain() const noexcept { return first && more.empty() && first->vary().empty(); }
};

class alignas(64) Shard {
  public:
    Shard(std::size_t bytes_max, Duration keep_stale, InvalidationLog& log);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    /// All entries of the key that are still good. Counts the look-up when there is none, or one that is plain().
    Candidates find(const Key& key, UnixMillis now) TG_EXCLUDES(lock_);
    /// Counts the look-up that chose `entry` among what find() gave; null: none of them fitted.
    void chosen(const EntryPtr& entry, UnixMillis now) TG_EXCLUDES(lock_);
    /// As find(), without counting or dropping.
    Candidates peek(const Key& key) const TG_EXCLUDES(lock_);

    Stored insert(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now) TG_EXCLUDES(lock_);
    void refused_too_large() TG_EXCLUDES(lock_);

    /// Drops every variant and says how many; a fill whose ticket has fewer `erasures` will not be stored.
    std::uint64_t erase(const Key& key, std::uint64_t erasures, UnixMillis now) TG_EXCLUDES(lock_);

    /// Looks at the entries whose bits are in [from, to) and drops what is dead; how many. The others are good until the next
    /// invalidation.
    std::size_t sweep(std::uint32_t from, std::uint32_t to, UnixMillis now) TG_EXCLUDES(lock_);
    std::uint64_t fresh(std::uint32_t from, std::uint32_t to, UnixMillis now) const TG_EXCLUDES(lock_);
    /// How many bits make up about `entries` entries.
    std::uint32_t stride(std::size_t entries) const TG_EXCLUDES(lock_);
    static constexpr std::uint32_t kBitsEnd = 1U << 16U;

    void set_mode(Mode mode) TG_EXCLUDES(lock_);
    void set_bytes_max(std::size_t bytes_max) TG_EXCLUDES(lock_);
    std::size_t entries() const TG_EXCLUDES(lock_);
    std::uint64_t evicted() const TG_EXCLUDES(lock_);
    void add_to(StoreStats& stats) const TG_EXCLUDES(lock_);

  private:
    using Slot = std::uint64_t;
    // What leaves under the lock, freed when it is given back (declared before the guard).
    using Victims = std::vector<EntryPtr>;
    // Entry::queue_ of an entry that stands in no queue.
    static constexpr std::uint8_t kGone = 255;

    static Slot make_slot(std::uint32_t bits, const Entry* entry) noexcept;
    static const Entry* entry_of(Slot slot) noexcept;
    static constexpr std::uint32_t bits_of(Slot slot_or_hash) noexcept {
        return static_cast<std::uint32_t>(slot_or_hash >> 48U);
    }
    std::size_t home(std::uint32_t bits) const noexcept TG_REQUIRES(lock_) { return (bits * capacity_) >> 16U; }

    // The first slot at `from` or to its right that holds an entry of the key; slots_.size() when there is none.
    std::size_t next_of(const Key& key, std::size_t from) const noexcept TG_REQUIRES(lock_);
    std::size_t first_of(const Key& key) const noexcept TG_REQUIRES(lock_) {
        return next_of(key, home(bits_of(key.hash().low)));
    }
    Candidates all_of(const Key& key) const TG_REQUIRES(lock_);
    std::size_t index_of(const Entry& entry) const noexcept TG_REQUIRES(lock_);
    void put(const Entry& entry) TG_REQUIRES(lock_);
    void grow() TG_REQUIRES(lock_);
    bool try_place(Slot slot) noexcept TG_REQUIRES(lock_);
    void close_gap(std::size_t index) noexcept TG_REQUIRES(lock_);

    bool expired(const Entry& entry, UnixMillis now) const noexcept;
    // Known to be good without asking the log.
    bool plainly_good(const Entry& entry, UnixMillis now) const noexcept;
    // Whether the entry is good; counts why not.
    bool judge(const Entry& entry, UnixMillis now) TG_REQUIRES(lock_);
    InvalidationLog::Subject subject(const Entry& entry, std::uint64_t since) const noexcept;
    void drop(std::size_t index, Victims& victims) TG_REQUIRES(lock_);
    void drop_dead(const Key& key, UnixMillis now, Victims& victims) TG_REQUIRES(lock_);
    void drop_least_used(const Key& key, Victims& victims) TG_REQUIRES(lock_);
    void take_in(const Key& key, const Entry& entry, Victims& victims) TG_REQUIRES(lock_);
    // Evicts some; false: there is room now.
    bool make_room() TG_EXCLUDES(lock_);
    void fit_limit() noexcept TG_REQUIRES(lock_);
    std::size_t own_bytes() const noexcept TG_REQUIRES(lock_);
    std::uint64_t& erased_at(const Key& key) noexcept TG_REQUIRES(lock_) {
        return erased_[key.hash().high % erased_.size()];
    }

    InvalidationLog& log_;
    const std::int64_t keep_stale_ms_;
    mutable SpinLock lock_;
    std::size_t bytes_max_ TG_GUARDED_BY(lock_);
    std::vector<Slot> slots_ TG_GUARDED_BY(lock_);
    std::size_t capacity_ TG_GUARDED_BY(lock_) = 0;  // Homes; slots_ has some more.
    std::size_t used_ TG_GUARDED_BY(lock_) = 0;
    Admission<const Entry> admission_ TG_GUARDED_BY(lock_);
    // The last erasure of any key that falls here. Two keys in one place: a fill of one may be refused because of the other.
    std::array<std::uint64_t, 256> erased_ TG_GUARDED_BY(lock_){};
    StoreStats stats_ TG_GUARDED_BY(lock_);
};

}  // namespace tidegate::cache
