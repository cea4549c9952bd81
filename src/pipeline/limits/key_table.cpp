#include "pipeline/limits/key_table.h"

#include <sched.h>

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::limits {
namespace {

// Longer than a lock is ever held by a thread that runs.
constexpr int kSpinsBeforeYield = 200;

void pause_cpu() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

/// The locks of all shards that some places lie in, taken in ascending order and once each.
class KeyTable::Locks {
  public:
    explicit Locks(std::span<const Place> places) noexcept {
        for (const Place& place : places) insert(place.shard);
        for (std::size_t i = 0; i < count_; ++i) lock(*shards_[i]);
    }
    ~Locks() {
        for (std::size_t i = 0; i < count_; ++i) shards_[i]->locked.store(false, std::memory_order_release);
    }
    Locks(const Locks&) = delete;
    Locks& operator=(const Locks&) = delete;

  private:
    void insert(Shard* shard) noexcept {
        std::size_t at = count_;
        while (at > 0 && shards_[at - 1] > shard) --at;
        if (at > 0 && shards_[at - 1] == shard) return;
        for (std::size_t i = count_; i > at; --i) shards_[i] = shards_[i - 1];
        shards_[at] = shard;
        ++count_;
    }
    static void lock(Shard& shard) noexcept {
        int spins = 0;
        while (shard.locked.exchange(true, std::memory_order_acquire)) {
            while (shard.locked.load(std::memory_order_relaxed)) {
                if (++spins % kSpinsBeforeYield == 0) {
                    ::sched_yield();
                } else {
                    pause_cpu();
                }
            }
        }
    }

    std::array<Shard*, kAsksMax> shards_;  // All of one array: their addresses are an order.
    std::size_t count_ = 0;
};

KeyTable::KeyTable(std::size_t keys_max, Random& random) : seed_(random.next_u64()), second_seed_(random.next_u64()) {
    const std::size_t buckets = std::bit_ceil(std::max<std::size_t>(2 * keys_max / kSlots, kShards));
    bucket_mask_ = buckets / kShards - 1;
    for (Shard& shard : shards_) shard.buckets = std::make_unique<Bucket[]>(bucket_mask_ + 1);
}

KeyTable::Place KeyTable::place(const Ask& ask) noexcept {
    // For one rule a bijection of the subject. 0 marks a slot never used.
    const std::uint64_t key = std::max<std::uint64_t>(mix64(ask.subject ^ mix64(ask.rule_tag ^ seed_)), 1);
    const std::uint64_t where = mix64(key ^ second_seed_);
    Shard& shard = shards_[where % kShards];
    Bucket* buckets = shard.buckets.get();
    return {key, &shard, &buckets[(where >> 6U) & bucket_mask_], &buckets[(where >> 35U) & bucket_mask_], nullptr};
}

std::int64_t* KeyTable::find(const Place& place) noexcept {
    for (Bucket* bucket : {place.first, place.second}) {
        for (std::size_t i = 0; i < kSlots; ++i) {
            if (bucket->keys[i] == place.key) return &bucket->tats[i];
        }
    }
    return nullptr;
}

std::int64_t& KeyTable::find_or_take(const Place& place, std::int64_t now_ns) noexcept {
    if (std::int64_t* known = find(place); known != nullptr) return *known;
    Bucket* taken = place.first;
    std::size_t slot = 0;
    for (Bucket* bucket : {place.first, place.second}) {
        const auto least = static_cast<std::size_t>(std::ranges::min_element(bucket->tats) - bucket->tats.begin());
        // A slot never used has the TAT 0: the first to be taken.
        if (bucket == place.first || bucket->tats[least] < taken->tats[slot]) {
            taken = bucket;
            slot = least;
        }
        if (taken->tats[slot] <= now_ns) break;
    }
    if (taken->tats[slot] > now_ns) evicted_.fetch_add(1, std::memory_order_relaxed);
    taken->keys[slot] = place.key;
    taken->tats[slot] = now_ns;
    return taken->tats[slot];
}

void KeyTable::admit(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept {
    TG_ASSERT(asks.size() <= kAsksMax);
    const std::int64_t now_ns = now.time_since_epoch().count();
    std::array<Place, kAsksMax> places;
    for (std::size_t i = 0; i < asks.size(); ++i) places[i] = place(asks[i]);
    const std::span<const Place> used(places.data(), asks.size());
    const Locks locks(used);
    out.answer = Answer::kAllowed;
    out.shadow_denied = false;
    out.count = static_cast<std::uint8_t>(asks.size());
    for (std::size_t i = 0; i < asks.size(); ++i) {
        const Ask& ask = asks[i];
        places[i].tat = find(places[i]);
        const std::int64_t ahead = places[i].tat == nullptr ? 0 : std::max<std::int64_t>(*places[i].tat - now_ns, 0);
        const bool denied = ahead + ask.gcra.interval_ns > ask.gcra.capacity_ns;
        out.standings[i] = {ask.gcra, ahead, ask.rule, ask.shadow, denied};
        if (denied && ask.shadow) out.shadow_denied = true;
        if (denied && !ask.shadow) out.answer = Answer::kDenied;
    }
    if (out.answer == Answer::kDenied) return;
    // Known keys first: taking a slot for a new one may forget a known one, whose TAT must not be written there any more.
    for (const bool known : {true, false}) {
        for (std::size_t i = 0; i < asks.size(); ++i) {
            Standing& standing = out.standings[i];
            if (standing.denied || (places[i].tat != nullptr) != known) continue;
            standing.ahead_ns += asks[i].gcra.interval_ns;
            (known ? *places[i].tat : find_or_take(places[i], now_ns)) = now_ns + standing.ahead_ns;
        }
    }
}

void KeyTable::charge(std::span<const Ask> asks, SteadyTime now) noexcept {
    const std::int64_t now_ns = now.time_since_epoch().count();
    for (const Ask& ask : asks) {
        const Place at = place(ask);
        const Locks locks(std::span<const Place>(&at, 1));
        std::int64_t& tat = find_or_take(at, now_ns);
        tat = std::min(std::max(tat, now_ns) + ask.gcra.interval_ns, now_ns + ask.gcra.capacity_ns);
    }
}

}  // namespace tidegate::limits
