#include "observe/profile/stack_table.h"

#include <sys/mman.h>

#include <algorithm>

namespace tidegate::profile {
namespace {

std::uint64_t hash_of(std::span<const std::uintptr_t> stack) noexcept {
    // FNV-1a by words (Fowler, Noll, Vo), then one round to mix the high half down.
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const std::uintptr_t address : stack) hash = (hash ^ address) * 0x100000001b3U;
    hash ^= hash >> 32U;
    return hash == 0 ? 1 : hash;
}

}  // namespace

StackTable::StackTable() {
    void* got = ::mmap(nullptr, kSlots * sizeof(Slot), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // Zero bytes are free slots.
    if (got != MAP_FAILED) slots_ = static_cast<Slot*>(got);
}

StackTable::~StackTable() {
    if (slots_ != nullptr) ::munmap(slots_, kSlots * sizeof(Slot));
}

void StackTable::add_to(Slot& slot, std::int64_t first, std::int64_t second) noexcept {
    slot.first.fetch_add(first, std::memory_order_relaxed);
    slot.second.fetch_add(second, std::memory_order_relaxed);
}

/// The caller has set the slot to kFilling: it is his alone. `as`: kKept or kHolder.
void StackTable::fill(Slot& slot, std::span<const std::uintptr_t> stack, std::uint64_t hash,
                      std::uint32_t as) noexcept {
    slot.count = static_cast<std::uint32_t>(stack.size());
    slot.hash.store(hash, std::memory_order_relaxed);
    std::ranges::copy(stack, slot.frames.begin());
    slot.first.store(0, std::memory_order_relaxed);
    slot.second.store(0, std::memory_order_relaxed);
    slot.word.store(kReady | as, std::memory_order_release);
}

/// False: it is no one's, or is being filled this moment.
bool StackTable::take_hold(Slot& slot) noexcept {
    std::uint32_t word = slot.word.load(std::memory_order_relaxed);
    while ((word & kStates) == kReady) {
        if (slot.word.compare_exchange_weak(word, word + kHolder, std::memory_order_acquire)) return true;
    }
    return false;
}

/// False: it is another stack's.
bool StackTable::join(Slot& slot, std::span<const std::uintptr_t> stack, std::uint32_t as) noexcept {
    const auto is_its = [&] { return std::ranges::equal(stack, std::span(slot.frames).first(slot.count)); };
    // Kept for good it changes no more, and needs no holder.
    if (as == kKept && (slot.word.load(std::memory_order_acquire) & (kStates | kKept)) == (kReady | kKept)) {
        return is_its();
    }
    if (!take_hold(slot)) return false;
    const bool same = is_its();
    if (same && as == kKept) slot.word.fetch_or(kKept, std::memory_order_relaxed);
    if (!same || as == kKept) slot.word.fetch_sub(kHolder, std::memory_order_release);
    return same;
}

int StackTable::enter(std::span<const std::uintptr_t> stack, std::uint32_t as) noexcept {
    const std::uint64_t hash = hash_of(stack);
    for (std::size_t probe = 0; slots_ != nullptr && probe < kProbesMax; ++probe) {
        const std::size_t at = (hash + probe) % kSlots;
        Slot& slot = slots_[at];
        std::uint32_t word = slot.word.load(std::memory_order_acquire);
        if (word == kFree && slot.word.compare_exchange_strong(word, kFilling, std::memory_order_acquire)) {
            fill(slot, stack, hash, as);
            return static_cast<int>(at);
        }
        // One that is being filled this moment is passed by: at worst a stack has two slots, which samples() shows as two.
        if ((word & kStates) != kReady || slot.hash.load(std::memory_order_relaxed) != hash) continue;
        if (join(slot, stack, as)) return static_cast<int>(at);
    }
    // No room: that of a stack which nobody holds and nobody keeps.
    for (std::size_t probe = 0; slots_ != nullptr && probe < kProbesMax; ++probe) {
        const std::size_t at = (hash + probe) % kSlots;
        std::uint32_t word = kReady;
        // Acquire: whoever held it before is done with reading it.
        if (!slots_[at].word.compare_exchange_strong(word, kFilling, std::memory_order_acquire)) continue;
        fill(slots_[at], stack, hash, as);
        return static_cast<int>(at);
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return -1;
}

int StackTable::add(std::span<const std::uintptr_t> stack, std::int64_t first, std::int64_t second) noexcept {
    const int slot = enter(stack.first(std::min(stack.size(), kFramesMax)), kKept);
    if (slot >= 0) add_to(slots_[slot], first, second);
    return slot;
}

int StackTable::hold(std::span<const std::uintptr_t> stack, std::int64_t first, std::int64_t second) noexcept {
    const int slot = enter(stack.first(std::min(stack.size(), kFramesMax)), kHolder);
    if (slot >= 0) add_to(slots_[slot], first, second);
    return slot;
}

void StackTable::release(int slot, std::int64_t first, std::int64_t second) noexcept {
    Slot& at = slots_[static_cast<std::size_t>(slot)];
    add_to(at, -first, -second);
    at.word.fetch_sub(kHolder, std::memory_order_release);
}

std::vector<Sample> StackTable::samples() const {
    std::vector<Sample> out;
    for (std::size_t at = 0; slots_ != nullptr && at < kSlots; ++at) {
        Slot& slot = slots_[at];
        if (!take_hold(slot)) continue;
        const std::int64_t first = slot.first.load(std::memory_order_relaxed);
        const std::int64_t second = slot.second.load(std::memory_order_relaxed);
        if (first != 0 || second != 0) {
            Sample sample{.stack = {}, .values = {first, second}, .thread = {}};
            // Return addresses: one back lies in the call.
            for (std::uint32_t i = 0; i < slot.count; ++i) sample.stack.push_back(slot.frames[i] - 1);
            out.push_back(std::move(sample));
        }
        slot.word.fetch_sub(kHolder, std::memory_order_release);
    }
    return out;
}

}  // namespace tidegate::profile
