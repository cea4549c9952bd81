#include "pipeline/cache/store.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>

#include "base/assert.h"
#include "pipeline/cache/shard.h"
#include "pipeline/cache/tuner.h"

namespace tidegate::cache {
namespace {

constexpr std::uint64_t kShardBytesMin = 4ULL * 1024 * 1024;  // So that an object of 256 KiB may stay.
constexpr std::size_t kObjectShare = 16;  // Of a shard: a larger object would push out a sixteenth of what others use.
constexpr std::size_t kWalkEntries = 32;  // Looked at in one holding of a shard's lock: two to three microseconds.
// How long an invalidation is remembered after every entry has been compared with it: a fill that takes longer is not stored.
constexpr UnixMillis kRemember_ms = 120'000;

std::size_t shard_count(const StoreOptions& options) {
    if (options.shards != 0) {
        TG_ASSERT(std::has_single_bit(options.shards));
        return options.shards;
    }
    // Four a core: two threads meet in a shard for a twentieth of the time they spend in the store.
    std::size_t count = std::bit_ceil(std::size_t{4} * std::max(1U, std::thread::hardware_concurrency()));
    while (count > 1 && options.memory_bytes_max / count < kShardBytesMin) count /= 2;
    return count;
}

// Up to 5 % less, the same for the same answer: what was filled together does not expire together, and nothing outlives its setting.
std::uint32_t spread(std::uint32_t lifetime_s, const Key& key, UnixMillis response_ms) {
    const std::uint64_t width = lifetime_s / 20;
    if (width == 0) return lifetime_s;
    const std::uint64_t random = mix64(key.hash().high ^ static_cast<std::uint64_t>(response_ms));
    return lifetime_s - static_cast<std::uint32_t>(random % (width + 1));
}

}  // namespace

struct ResponseStore::State {
    explicit State(const StoreOptions& given) : options(given) {
        const std::size_t count = shard_count(options);
        const std::size_t shard_bytes = options.memory_bytes_max / count;
        options.shards = static_cast<std::uint32_t>(count);
        options.object_bytes_max = std::min<std::uint64_t>(options.object_bytes_max, shard_bytes / kObjectShare);
        for (std::size_t i = 0; i < count; ++i) {
            shards.push_back(std::make_unique<Shard>(shard_bytes, options.keep_stale, log));
        }
    }

    Shard& shard_of(const Key& key) { return *shards[key.hash().high & (shards.size() - 1)]; }
    void start_tuner() TG_EXCLUDES(tuner_lock);
    void tell_request(const Key& key, std::size_t charge) TG_EXCLUDES(tuner_lock);
    void tell_kept(const Key& key, std::size_t charge) TG_EXCLUDES(tuner_lock);
    Stored keep(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now);
    std::size_t walk(Shard& shard, UnixMillis now);
    void walk_all(UnixMillis now);
    void pass_ended(UnixMillis now) TG_REQUIRES(sweep_lock);

    StoreOptions options;
    InvalidationLog log;
    std::atomic<std::uint64_t> erasures{1};
    std::vector<std::unique_ptr<Shard>> shards;

    // Set once, at the first eviction; changed under the lock.
    std::atomic<Tuner*> tuner{nullptr};
    std::unique_ptr<Tuner> tuner_owner;
    mutable SpinLock tuner_lock;
    std::atomic<std::uint64_t> mode_changes{0};

    Mutex sweep_lock;  // Only ever tried.
    std::size_t sweep_shard TG_GUARDED_BY(sweep_lock) = 0;
    std::uint32_t sweep_bits TG_GUARDED_BY(sweep_lock) = 0;
    struct Pass {
        std::uint64_t sequence = 0;  // Of the log when it began: all entries have been compared with items up to it.
        UnixMillis ended_ms = 0;
    };
    std::uint64_t pass_sequence TG_GUARDED_BY(sweep_lock) = 0;
    Pass last TG_GUARDED_BY(sweep_lock), before_last TG_GUARDED_BY(sweep_lock);
};

ResponseStore::ResponseStore(const StoreOptions& options) : state_(std::make_unique<State>(options)) {}
ResponseStore::~ResponseStore() = default;

// ---- The choice of mode.

void ResponseStore::State::start_tuner() {
    std::size_t entries = 0;
    for (const auto& shard : shards) entries += shard->entries();
    auto made = std::make_unique<Tuner>(entries, options.memory_bytes_max);
    const SpinGuard guard(tuner_lock);
    if (tuner_owner) return;
    tuner_owner = std::move(made);
    tuner.store(tuner_owner.get(), std::memory_order_release);
    // It takes its memory from the entries.
    const std::size_t left =
        options.memory_bytes_max - std::min<std::size_t>(options.memory_bytes_max, Tuner::kMemoryBytesMax);
    for (const auto& shard : shards) shard->set_bytes_max(left / shards.size());
}

void ResponseStore::State::tell_request(const Key& key, std::size_t charge) {
    Tuner* const mind = tuner.load(std::memory_order_acquire);
    if (mind == nullptr || !mind->sampled(key.hash().low)) return;
    Mode mode{};
    {
        const SpinGuard guard(tuner_lock);
        if (!mind->request(key.hash().low, charge)) return;
        mode = mind->mode();
    }
    mode_changes.fetch_add(1, std::memory_order_relaxed);
    for (const auto& shard : shards) shard->set_mode(mode);
}

void ResponseStore::State::tell_kept(const Key& key, std::size_t charge) {
    Tuner* const mind = tuner.load(std::memory_order_acquire);
    if (mind == nullptr || !mind->sampled(key.hash().low)) return;
    const SpinGuard guard(tuner_lock);
    mind->kept(key.hash().low, charge);
}

// ---- Look-up and insertion.

Found ResponseStore::lookup(const Key& key, UnixMillis now, const Fits& fits) {
    Shard& shard = state_->shard_of(key);
    Candidates candidates = shard.find(key, now);
    Found found;
    if (candidates.plain()) {
        found.entry = std::move(candidates.first);
    } else if (candidates.first) {
        const auto consider = [&](EntryPtr& entry) {
            const bool newer = !found.entry || entry->timing().response_ms > found.entry->timing().response_ms;
            if (newer && (entry->vary().empty() || (fits && fits(*entry)))) found.entry = std::move(entry);
        };
        consider(candidates.first);
        for (EntryPtr& entry : candidates.more) consider(entry);
        shard.chosen(found.entry, now);
        found.other_variants = !found.entry;
    }
    if (found.entry) found.freshness = found.entry->freshness(now);
    state_->tell_request(key, found.entry ? found.entry->charge() : 0);
    return found;
}

std::vector<EntryPtr> ResponseStore::variants(const Key& key) const {
    Candidates candidates = state_->shard_of(key).peek(key);
    std::vector<EntryPtr> entries = std::move(candidates.more);
    if (candidates.first) entries.insert(entries.begin(), std::move(candidates.first));
    return entries;
}

Ticket ResponseStore::begin_fill() const noexcept {
    return {.sequence = state_->log.sequence(), .erasures = state_->erasures.load(std::memory_order_acquire)};
}

Stored ResponseStore::insert(const Key& key, const Draft& draft, Ticket ticket, UnixMillis now, EntryPtr* made) {
    const std::uint64_t size = (draft.body ? draft.body->size() : 0) + draft.head.size() + key.text().size() +
                               draft.vary.size() + draft.selecting.size();
    if (size > state_->options.object_bytes_max) {
        state_->shard_of(key).refused_too_large();
        return Stored::kTooLarge;
    }
    Draft spread_out = draft;
    if ((draft.flags & kOwnLifetime) != 0) {
        spread_out.timing.lifetime_s = spread(draft.timing.lifetime_s, key, draft.timing.response_ms);
    }
    EntryPtr entry = Entry::make(key, spread_out);
    if (made != nullptr) *made = entry;
    return state_->keep(key, std::move(entry), ticket, now);
}

Stored ResponseStore::refresh(const Key& key, const Draft& draft, const Entry& old, Ticket ticket, UnixMillis now,
                              EntryPtr* made) {
    EntryPtr entry = Entry::refreshed(key, draft, old);
    if (made != nullptr) *made = entry;
    return keep(key, std::move(entry), ticket, now);
}

Stored ResponseStore::keep(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now) {
    if (entry->charge() <= state_->options.object_bytes_max) return state_->keep(key, std::move(entry), ticket, now);
    state_->shard_of(key).refused_too_large();
    return Stored::kTooLarge;
}

Stored ResponseStore::State::keep(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now) {
    const std::size_t charge = entry->charge();
    Shard& shard = shard_of(key);
    const Stored stored = shard.insert(key, std::move(entry), ticket, now);
    if (stored != Stored::kStored) return stored;
    if (tuner.load(std::memory_order_relaxed) == nullptr && shard.evicted() > 0) start_tuner();
    tell_kept(key, charge);
    return stored;
}

// ---- Invalidation.

std::uint64_t ResponseStore::erase(const Key& key, UnixMillis now) {
    const std::uint64_t number = state_->erasures.fetch_add(1, std::memory_order_acq_rel) + 1;
    return state_->shard_of(key).erase(key, number, now);
}

std::uint64_t ResponseStore::erase_prefix(std::string_view path_prefix, UnixMillis now) {
    const Cause cause = state_->log.add_prefix(path_prefix);
    state_->walk_all(now);
    return cause == Cause::kAll ? state_->log.take_all_credit() : state_->log.take_prefix_credit(path_prefix);
}

std::uint64_t ResponseStore::erase_tag(std::uint64_t tag, UnixMillis now) {
    const Cause cause = state_->log.add_tag(tag);
    state_->walk_all(now);
    return cause == Cause::kAll ? state_->log.take_all_credit() : state_->log.take_tag_credit(tag);
}

std::uint64_t ResponseStore::clear(UnixMillis now) {
    state_->log.add_all();
    state_->walk_all(now);
    return state_->log.take_all_credit();
}

void ResponseStore::invalidate_key(const Key& key) {
    // The time does not matter: what has expired is dropped as well, only under another name.
    erase(key, 0);
}
void ResponseStore::invalidate_prefix(std::string_view path_prefix) {
    state_->log.add_prefix(path_prefix);
}
void ResponseStore::invalidate_tag(std::uint64_t tag) {
    state_->log.add_tag(tag);
}
void ResponseStore::invalidate_all() {
    state_->log.add_all();
}

// ---- Walks.

std::size_t ResponseStore::State::walk(Shard& shard, UnixMillis now) {
    std::size_t dropped = 0;
    for (std::uint32_t bits = 0; bits < Shard::kBitsEnd;) {
        const std::uint32_t to = std::min(Shard::kBitsEnd, bits + shard.stride(kWalkEntries));
        dropped += shard.sweep(bits, to, now);
        bits = to;
    }
    return dropped;
}

void ResponseStore::State::walk_all(UnixMillis now) {
    for (const auto& shard : shards) walk(*shard, now);
}

std::size_t ResponseStore::sweep(UnixMillis now, std::size_t budget) {
    State& s = *state_;
    if (!s.sweep_lock.try_lock()) return 0;
    std::size_t dropped = 0;
    for (std::size_t looked_at = 0; looked_at < budget; looked_at += kWalkEntries) {
        if (s.sweep_shard == 0 && s.sweep_bits == 0) s.pass_sequence = s.log.sequence();
        Shard& shard = *s.shards[s.sweep_shard];
        const std::uint32_t to = std::min(Shard::kBitsEnd, s.sweep_bits + shard.stride(kWalkEntries));
        dropped += shard.sweep(s.sweep_bits, to, now);
        s.sweep_bits = to;
        if (to < Shard::kBitsEnd) continue;
        s.sweep_bits = 0;
        if (++s.sweep_shard < s.shards.size()) continue;
        s.sweep_shard = 0;
        s.pass_ended(now);
        break;
    }
    s.sweep_lock.unlock();
    return dropped;
}

std::size_t ResponseStore::sweep_all(UnixMillis now) {
    std::size_t dropped = 0;
    for (const auto& shard : state_->shards) dropped += state_->walk(*shard, now);
    return dropped;
}

void ResponseStore::State::pass_ended(UnixMillis now) {
    const bool crowded = log.size() > InvalidationLog::kTagsMax / 2;
    if (!crowded && now - last.ended_ms < kRemember_ms) return;
    log.forget(crowded ? pass_sequence : before_last.sequence);
    before_last = last;
    last = {.sequence = pass_sequence, .ended_ms = now};
}

// ---- Reports.

StoreStats ResponseStore::stats() const {
    StoreStats stats{.bytes_max = state_->options.memory_bytes_max,
                     .mode_changes = state_->mode_changes.load(std::memory_order_relaxed)};
    for (const auto& shard : state_->shards) shard->add_to(stats);
    stats.bytes += state_->log.memory_bytes();
    const SpinGuard guard(state_->tuner_lock);
    if (state_->tuner_owner) stats.bytes += state_->tuner_owner->memory_bytes();
    return stats;
}

std::uint64_t ResponseStore::fresh_entries(UnixMillis now) const {
    std::uint64_t count = 0;
    for (const auto& shard : state_->shards) {
        for (std::uint32_t bits = 0; bits < Shard::kBitsEnd;) {
            const std::uint32_t to = std::min(Shard::kBitsEnd, bits + shard->stride(kWalkEntries));
            count += shard->fresh(bits, to, now);
            bits = to;
        }
    }
    return count;
}

const StoreOptions& ResponseStore::options() const noexcept {
    return state_->options;
}

}  // namespace tidegate::cache
