// KeyTable: the state of every key that is not at rest, 16 bytes each; several keys are charged together or not at all.
//
// Guarantee   admit() is atomic over all its asks, under any number of threads: the locks of all shards concerned are taken
//             in ascending order (so two requests cannot wait for each other), all TATs are read, and either all are
//             written or none. Two requests with a key in common thus happen one after the other, and each alone keeps the
//             bound of Gcra; hence N threads together never pass more than burst + rate x time. A thread with an older `now`
//             than the last one's is judged more strictly, never less.
// Algorithm   Buckets of 8 slots in two cache lines; a key may lie in two buckets (two-choice hashing, Azar et al. 1994). A
//             TAT in the past says nothing, so its slot is free: nothing is ever deleted or moved.
// Memory      Slots for twice `keys_max`, rounded up to a power of two: 32 to 64 bytes a key of keys_max. No allocation after
//             construction.
// Keys        64 bits of a mix of rule, subject and a random seed of the process: for one rule different subjects never
//             meet; that any two of a million keys of different rules do has a probability below 3e-8 (n^2 / 2^65), besides
//             what the 64-bit subjects bring along (the same again). The seed keeps strangers from choosing their bucket.
// When full   With both buckets of a new key full of live keys the one closest to rest is forgotten (it gets its last permits
//             back early) and counted in evicted(). At keys_max live keys that happens to about 1 new key in 1000, at half of
//             it to none (measured in key_table_test.cpp).
// Threads     Any. Spin locks, 64 of them, each held for some ten nanoseconds a rule; a thread that was put aside by the
//             kernel while it held one makes the others yield.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "base/clock.h"
#include "base/random.h"
#include "pipeline/limits/verdict.h"

namespace tidegate::limits {

class KeyTable {
  public:
    KeyTable(std::size_t keys_max, Random& random);
    KeyTable(const KeyTable&) = delete;
    KeyTable& operator=(const KeyTable&) = delete;

    /// Charges all asks or none, and says how each rule stands. A rule in shadow that denies is not charged and hinders no
    /// other. Two asks of one call are never for the same key.
    void admit(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept;
    /// Notes permits that were decided upon elsewhere; never fails, the TAT goes no further ahead than a full burst.
    void charge(std::span<const Ask> asks, SteadyTime now) noexcept;

    std::uint64_t evicted() const noexcept { return evicted_.load(std::memory_order_relaxed); }
    std::size_t slots() const noexcept { return (bucket_mask_ + 1) * kShards * kSlots; }

  private:
    static constexpr std::size_t kSlots = 8;
    static constexpr std::size_t kShards = 64;
    struct alignas(64) Bucket {
        std::array<std::uint64_t, kSlots> keys{};  // 0: never used.
        std::array<std::int64_t, kSlots> tats{};
    };
    struct alignas(64) Shard {
        std::atomic<bool> locked{false};
        std::unique_ptr<Bucket[]> buckets;
    };
    /// Where a key may be.
    struct Place {
        std::uint64_t key;
        Shard* shard;
        Bucket* first;
        Bucket* second;
        std::int64_t* tat;  // Its own, once found.
    };
    class Locks;

    Place place(const Ask& ask) noexcept;
    static std::int64_t* find(const Place& place) noexcept;
    std::int64_t& find_or_take(const Place& place, std::int64_t now_ns) noexcept;

    std::uint64_t seed_ = 0;
    std::uint64_t second_seed_ = 0;
    std::size_t bucket_mask_ = 0;
    std::array<Shard, kShards> shards_;
    std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace tidegate::limits
