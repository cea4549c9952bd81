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

int StackTable::add(std::span<const std::uintptr_t> stack, std::int64_t first, std::int64_t second) noexcept {
    stack = stack.first(std::min(stack.size(), kFramesMax));
    const std::uint64_t hash = hash_of(stack);
    for (std::size_t probe = 0; slots_ != nullptr && probe < kProbesMax; ++probe) {
        const std::size_t at = (hash + probe) % kSlots;
        Slot& slot = slots_[at];
        std::uint32_t state = slot.state.load(std::memory_order_acquire);
        if (state == kFree && slot.state.compare_exchange_strong(state, kFilling, std::memory_order_acquire)) {
            slot.count = static_cast<std::uint32_t>(stack.size());
            slot.hash = hash;
            std::ranges::copy(stack, slot.frames.begin());
            slot.state.store(kReady, std::memory_order_release);
            state = kReady;
        }
        // One that is being filled this moment is passed by: at worst a stack has two slots, which samples() shows as two.
        if (state != kReady || slot.hash != hash ||
            !std::ranges::equal(stack, std::span(slot.frames).first(slot.count))) {
            continue;
        }
        add_at(static_cast<int>(at), first, second);
        return static_cast<int>(at);
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return -1;
}

void StackTable::add_at(int slot, std::int64_t first, std::int64_t second) noexcept {
    Slot& at = slots_[static_cast<std::size_t>(slot)];
    at.first.fetch_add(first, std::memory_order_relaxed);
    at.second.fetch_add(second, std::memory_order_relaxed);
}

std::vector<Sample> StackTable::samples() const {
    std::vector<Sample> out;
    for (std::size_t at = 0; slots_ != nullptr && at < kSlots; ++at) {
        const Slot& slot = slots_[at];
        if (slot.state.load(std::memory_order_acquire) != kReady) continue;
        const std::int64_t first = slot.first.load(std::memory_order_relaxed);
        const std::int64_t second = slot.second.load(std::memory_order_relaxed);
        if (first == 0 && second == 0) continue;
        Sample sample{.stack = {}, .values = {first, second}, .thread = {}};
        // Return addresses: one back lies in the call.
        for (std::uint32_t i = 0; i < slot.count; ++i) sample.stack.push_back(slot.frames[i] - 1);
        out.push_back(std::move(sample));
    }
    return out;
}

}  // namespace tidegate::profile
