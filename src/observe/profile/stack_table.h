// StackTable: sums by call stack, added to by any thread without a lock: what waits and allocations are kept in.
//
// Algorithm   Open addressing by a hash of the stack; a slot is claimed by compare-and-swap. One that add() used is kept for good; one that
//             only hold() used goes to another stack once it is released as often as it was held and room is wanted. One word has a slot's
//             state and its holders: who reads a stack holds its slot, who refills a slot has seen that nobody does.
// Guarantee   add(), hold() and release() take no lock and allocate nothing, so they may be called from inside a lock or an allocator.
// Memory      kSlots slots of 832 bytes in an anonymous mapping that is touched as it fills: 3.4 MB at most.
// When full   Or when kProbesMax slots in a row are kept or held: the addition is dropped and counted.
// Threads     Any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "observe/profile/profile.h"

namespace tidegate::profile {

class StackTable {
  public:
    static constexpr std::size_t kSlots = 4096;  // Different stacks: 200 to 600 of them were seen under load.
    static constexpr std::size_t kProbesMax = 32;

    StackTable();
    ~StackTable();
    StackTable(const StackTable&) = delete;
    StackTable& operator=(const StackTable&) = delete;

    /// Adds to both sums of a stack of return addresses, at most kFramesMax of them. Its slot's number, or -1: dropped.
    int add(std::span<const std::uintptr_t> stack, std::int64_t first, std::int64_t second) noexcept;
    /// As add(), for sums that are taken away again: the slot is this stack's until release() was called as often.
    int hold(std::span<const std::uintptr_t> stack, std::int64_t first, std::int64_t second) noexcept;
    /// Takes away what hold() added to the slot that it gave.
    void release(int slot, std::int64_t first, std::int64_t second) noexcept;
    /// All stacks with their two sums; those that are both zero are left out.
    std::vector<Sample> samples() const;
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  private:
    // The word of a slot: a state in the lowest two bits, whether it is kept for good, and how many hold it.
    static constexpr std::uint32_t kFree = 0, kFilling = 1, kReady = 2, kStates = 3, kKept = 4, kHolder = 8;
    struct Slot {
        std::atomic<std::uint32_t> word;
        std::uint32_t count;
        std::atomic<std::uint64_t> hash;
        std::atomic<std::int64_t> first;
        std::atomic<std::int64_t> second;
        std::array<std::uintptr_t, kFramesMax> frames;
    };
    int enter(std::span<const std::uintptr_t> stack, std::uint32_t as) noexcept;
    static bool take_hold(Slot& slot) noexcept;
    static bool join(Slot& slot, std::span<const std::uintptr_t> stack, std::uint32_t as) noexcept;
    static void fill(Slot& slot, std::span<const std::uintptr_t> stack, std::uint64_t hash, std::uint32_t as) noexcept;
    static void add_to(Slot& slot, std::int64_t first, std::int64_t second) noexcept;

    Slot* slots_ = nullptr;  // kSlots; null when the system gave no memory.
    std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace tidegate::profile
