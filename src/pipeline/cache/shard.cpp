#include "pipeline/cache/shard.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::cache {
namespace {

constexpr std::size_t kCapacityMin = 32;
constexpr std::size_t kTail = 32;       // Slots to the right of the last home, so that nothing wraps around.
constexpr std::size_t kEvictions = 32;  // In one holding of the lock; some microseconds.

}  // namespace

// ---- The index.

Shard::Slot Shard::make_slot(std::uint32_t bits, const Entry* entry) noexcept {
    const auto address = std::uint64_t{reinterpret_cast<std::uintptr_t>(entry)};
    TG_ASSERT(address >> 48U == 0);  // So it is in user space on x86-64 and AArch64.
    return (std::uint64_t{bits} << 48U) | address;
}

const Entry* Shard::entry_of(Slot slot) noexcept {
    return reinterpret_cast<const Entry*>(static_cast<std::uintptr_t>(slot & 0x0000'ffff'ffff'ffffULL));
}

std::size_t Shard::next_of(const Key& key, std::size_t from) const noexcept {
    const std::uint32_t bits = bits_of(key.hash().low);
    for (std::size_t i = from; i < slots_.size() && slots_[i] != 0; ++i) {
        if (bits_of(slots_[i]) != bits) continue;
        const Entry& entry = *entry_of(slots_[i]);
        __builtin_prefetch(&entry + 1);  // Where the text is: both lines come in one wait.
        if (entry.hash_low_ == key.hash().low && entry.key_text() == key.text()) return i;
    }
    return slots_.size();
}

std::size_t Shard::index_of(const Entry& entry) const noexcept {
    const Slot slot = make_slot(bits_of(entry.hash_low_), &entry);
    std::size_t i = home(bits_of(entry.hash_low_));
    while (slots_[i] != slot) ++i;
    return i;
}

void Shard::put(const Entry& entry) {
    const Slot slot = make_slot(bits_of(entry.hash_low_), &entry);
    if ((used_ + 1) * 5 > capacity_ * 4) grow();
    while (!try_place(slot)) grow();
    ++used_;
}

bool Shard::try_place(Slot slot) noexcept {
    std::size_t i = home(bits_of(slot));
    while (i < slots_.size() && slots_[i] != 0) ++i;
    if (i == slots_.size()) return false;
    slots_[i] = slot;
    return true;
}

void Shard::grow() {
    // Half as much again: 12 bytes an entry on average, where doubling would take 13.
    std::vector<Slot> old = std::move(slots_);
    bool placed = false;
    while (!placed) {
        capacity_ += capacity_ / 2;
        slots_ = std::vector<Slot>(capacity_ + kTail);
        placed =
            std::ranges::all_of(old, [this](Slot slot) TG_REQUIRES(lock_) { return slot == 0 || try_place(slot); });
    }
    fit_limit();
}

void Shard::close_gap(std::size_t index) noexcept {
    std::size_t gap = index;
    for (std::size_t i = index + 1; i < slots_.size() && slots_[i] != 0; ++i) {
        if (home(bits_of(slots_[i])) > gap) continue;
        slots_[gap] = slots_[i];
        gap = i;
    }
    slots_[gap] = 0;
    --used_;
}

// ---- What is good.

bool Shard::expired(const Entry& entry, UnixMillis now) const noexcept {
    const std::int64_t keep = (entry.flags() & kOwnLifetime) != 0 ? 0 : keep_stale_ms_;
    return entry.usable_until() + keep <= now;
}

bool Shard::plainly_good(const Entry& entry, UnixMillis now) const noexcept {
    return entry.valid_at_.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(log_.sequence()) &&
           !expired(entry, now);
}

InvalidationLog::Subject Shard::subject(const Entry& entry, std::uint64_t since) const noexcept {
    const auto* const common = entry.common();
    return {.path = path_of(entry.key_text()),
            .tags = entry.own_tags(),
            .more_tags =
                common != nullptr ? std::span<const std::uint64_t>(common->tags()) : std::span<const std::uint64_t>(),
            .since = since};
}

bool Shard::judge(const Entry& entry, UnixMillis now) {
    if (expired(entry, now)) {
        ++stats_.expired;
        return false;
    }
    // The entry keeps the low half; the distance to now is less than 2^32, since a sweep comes round more often.
    const std::uint64_t sequence = log_.sequence();
    const std::uint32_t behind = static_cast<std::uint32_t>(sequence) - entry.valid_at_.load(std::memory_order_relaxed);
    if (behind == 0) return true;
    const auto verdict = log_.check(subject(entry, sequence - behind), true);
    if (verdict.good) {
        entry.valid_at_.store(static_cast<std::uint32_t>(verdict.checked), std::memory_order_relaxed);
        return true;
    }
    switch (verdict.cause) {
        case Cause::kPrefix:
            ++stats_.invalidated_prefix;
            break;
        case Cause::kTag:
            ++stats_.invalidated_tag;
            break;
        case Cause::kAll:
            ++stats_.invalidated_all;
            break;
    }
    return false;
}

void Shard::drop(std::size_t index, Victims& victims) {
    const Entry* const entry = entry_of(slots_[index]);
    admission_.removed(*entry);
    entry->queue_ = kGone;
    close_gap(index);
    victims.push_back(EntryPtr::adopt(entry));
}

void Shard::drop_dead(const Key& key, UnixMillis now, Victims& victims) {
    for (std::size_t i = first_of(key); i < slots_.size();) {
        if (judge(*entry_of(slots_[i]), now)) {
            i = next_of(key, i + 1);
        } else {
            drop(i, victims);
            i = next_of(key, i);  // What stood to the right may stand here now.
        }
    }
}

// ---- Look-up.

Candidates Shard::find(const Key& key, UnixMillis now) {
    Candidates found;
    Victims victims;
    const SpinGuard guard(lock_);
    admission_.seen(key.hash().low);
    for (std::size_t i = first_of(key); i < slots_.size(); i = next_of(key, i + 1)) {
        if (!plainly_good(*entry_of(slots_[i]), now)) {
            drop_dead(key, now, victims);
            found = all_of(key);
            break;
        }
        found.add(entry_of(slots_[i]));
    }
    if (!found.first) {
        ++stats_.misses;
    } else if (found.plain()) {
        admission_.used(*found.first);
        ++(found.first->fresh(now) ? stats_.hits : stats_.stale_hits);
    }
    return found;
}

Candidates Shard::all_of(const Key& key) const {
    Candidates found;
    for (std::size_t i = first_of(key); i < slots_.size(); i = next_of(key, i + 1)) found.add(entry_of(slots_[i]));
    return found;
}

void Shard::chosen(const EntryPtr& entry, UnixMillis now) {
    const SpinGuard guard(lock_);
    if (!entry) {
        ++stats_.misses;
        return;
    }
    ++(entry->fresh(now) ? stats_.hits : stats_.stale_hits);
    if (entry->queue_ != kGone) admission_.used(*entry);
}

Candidates Shard::peek(const Key& key) const {
    const SpinGuard guard(lock_);
    return all_of(key);
}

// ---- Insertion.

Stored Shard::insert(const Key& key, EntryPtr entry, Ticket ticket, UnixMillis now) {
    Victims victims;
    {
        const SpinGuard guard(lock_);
        // Under this lock: an invalidation after the question finds the entry in its walk.
        const auto verdict = log_.check(subject(*entry, ticket.sequence), false);
        if (!verdict.good || erased_at(key) > ticket.erasures) {
            ++stats_.rejected_invalidated;
            return Stored::kInvalidated;
        }
        entry->valid_at_.store(static_cast<std::uint32_t>(verdict.checked), std::memory_order_relaxed);
        drop_dead(key, now, victims);
        take_in(key, *entry.release(), victims);
        ++stats_.inserts;
    }
    while (make_room()) {
    }
    return Stored::kStored;
}

// The table's count of the entry is the caller's.
void Shard::take_in(const Key& key, const Entry& entry, Victims& victims) {
    std::size_t variants = 0;
    for (std::size_t i = first_of(key); i < slots_.size(); i = next_of(key, i + 1)) {
        const Entry* const old = entry_of(slots_[i]);
        ++variants;
        if (old->vary() != entry.vary() || old->selecting() != entry.selecting()) continue;
        admission_.replaced(*old, entry);
        old->queue_ = kGone;
        slots_[i] = make_slot(bits_of(entry.hash_low_), &entry);
        victims.push_back(EntryPtr::adopt(old));
        ++stats_.replaced;
        return;
    }
    if (variants >= kVariantsMax) drop_least_used(key, victims);
    put(entry);
    admission_.added(entry);
}

void Shard::drop_least_used(const Key& key, Victims& victims) {
    std::size_t least = first_of(key);
    const auto worth = [this](std::size_t i) TG_REQUIRES(lock_) {
        const Entry& entry = *entry_of(slots_[i]);
        return std::pair(entry.heat_.load(std::memory_order_relaxed), entry.response_ms_);
    };
    for (std::size_t i = least; i < slots_.size(); i = next_of(key, i + 1)) {
        if (worth(i) < worth(least)) least = i;
    }
    drop(least, victims);
    ++stats_.evicted_variants;
}

bool Shard::make_room() {
    Victims victims;
    const SpinGuard guard(lock_);
    fit_limit();
    if (admission_.bytes() <= admission_.bytes_max()) return false;
    victims.reserve(kEvictions);
    while (victims.size() < kEvictions && admission_.bytes() > admission_.bytes_max()) {
        const Entry* const entry = admission_.evict();
        entry->queue_ = kGone;
        close_gap(index_of(*entry));
        victims.push_back(EntryPtr::adopt(entry));
        ++stats_.evicted_for_room;
    }
    fit_limit();
    return admission_.bytes() > admission_.bytes_max();
}

void Shard::refused_too_large() {
    const SpinGuard guard(lock_);
    ++stats_.rejected_too_large;
}

// ---- Leaving.

std::uint64_t Shard::erase(const Key& key, std::uint64_t erasures, UnixMillis now) {
    Victims victims;
    const SpinGuard guard(lock_);
    erased_at(key) = std::max(erased_at(key), erasures);
    drop_dead(key, now, victims);
    std::uint64_t dropped = 0;
    for (std::size_t i = first_of(key); i < slots_.size(); i = next_of(key, i)) {
        drop(i, victims);
        ++dropped;
    }
    stats_.invalidated_key += dropped;
    return dropped;
}

std::size_t Shard::sweep(std::uint32_t from, std::uint32_t to, UnixMillis now) {
    Victims victims;
    const SpinGuard guard(lock_);
    const std::size_t end = home(to);
    for (std::size_t i = home(from); i < slots_.size() && (i < end || slots_[i] != 0);) {
        const std::uint32_t bits = bits_of(slots_[i]);
        const bool ours = slots_[i] != 0 && bits >= from && bits < to;
        if (ours && !judge(*entry_of(slots_[i]), now)) {
            drop(i, victims);
        } else {
            ++i;
        }
    }
    return victims.size();
}

std::uint64_t Shard::fresh(std::uint32_t from, std::uint32_t to, UnixMillis now) const {
    const SpinGuard guard(lock_);
    const std::size_t end = home(to);
    std::uint64_t count = 0;
    for (std::size_t i = home(from); i < slots_.size() && (i < end || slots_[i] != 0); ++i) {
        const std::uint32_t bits = bits_of(slots_[i]);
        const bool ours = slots_[i] != 0 && bits >= from && bits < to;
        if (ours && entry_of(slots_[i])->fresh(now)) ++count;
    }
    return count;
}

std::uint32_t Shard::stride(std::size_t entries) const {
    const SpinGuard guard(lock_);
    const std::size_t bits = entries * kBitsEnd / std::max<std::size_t>(used_, 1);
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(bits, 1, kBitsEnd));
}

// ---- Limits and counters.

std::size_t Shard::own_bytes() const noexcept {
    return sizeof(Shard) + slots_.capacity() * sizeof(Slot) + admission_.memory_bytes();
}

void Shard::fit_limit() noexcept {
    const std::size_t own = own_bytes();
    admission_.resize(bytes_max_ > own ? bytes_max_ - own : 0);
}

void Shard::set_mode(Mode mode) {
    const SpinGuard guard(lock_);
    admission_.set_mode(mode);
}

void Shard::set_bytes_max(std::size_t bytes_max) {
    const SpinGuard guard(lock_);
    bytes_max_ = bytes_max;
    fit_limit();
}

std::size_t Shard::entries() const {
    const SpinGuard guard(lock_);
    return used_;
}

std::uint64_t Shard::evicted() const {
    const SpinGuard guard(lock_);
    return stats_.evicted_for_room;
}

void Shard::add_to(StoreStats& stats) const {
    const SpinGuard guard(lock_);
    stats.entries += used_;
    stats.bytes += admission_.bytes() + own_bytes();
    stats.hits += stats_.hits;
    stats.stale_hits += stats_.stale_hits;
    stats.misses += stats_.misses;
    stats.inserts += stats_.inserts;
    stats.replaced += stats_.replaced;
    stats.rejected_too_large += stats_.rejected_too_large;
    stats.rejected_invalidated += stats_.rejected_invalidated;
    stats.evicted_for_room += stats_.evicted_for_room;
    stats.evicted_variants += stats_.evicted_variants;
    stats.expired += stats_.expired;
    stats.invalidated_key += stats_.invalidated_key;
    stats.invalidated_prefix += stats_.invalidated_prefix;
    stats.invalidated_tag += stats_.invalidated_tag;
    stats.invalidated_all += stats_.invalidated_all;
}

// ---- Construction.

Shard::Shard(std::size_t bytes_max, Duration keep_stale, InvalidationLog& log)
    : log_(log),
      keep_stale_ms_(std::chrono::duration_cast<std::chrono::milliseconds>(keep_stale).count()),
      bytes_max_(bytes_max),
      slots_(kCapacityMin + kTail),
      capacity_(kCapacityMin),
      admission_(bytes_max) {
    const SpinGuard guard(lock_);
    fit_limit();
}

Shard::~Shard() {
    const SpinGuard guard(lock_);
    for (const Slot slot : slots_) {
        if (slot != 0) EntryPtr::adopt(entry_of(slot));
    }
}

}  // namespace tidegate::cache
