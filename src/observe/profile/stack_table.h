// StackTable: sums by call stack, added to by any thread without a lock: what waits and allocations are kept in.
//
// Algorithm   Open addressing by a hash of the stack; a slot is claimed once by compare-and-swap and never given back.
// Guarantee   add() takes no lock and allocates nothing, so it may be called from inside a lock or an allocator.
// Memory      kSlots slots of 832 bytes in an anonymous mapping that is touched as it fills: 3.4 MB at most.
// When full   Or when kProbesMax slots in a row are taken: the addition is dropped and counted.
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
    /// Adds to the sums of a slot that add() gave.
    void add_at(int slot, std::int64_t first, std::int64_t second) noexcept;
    /// All stacks with their two sums; those that are both zero are left out.
    std::vector<Sample> samples() const;
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  private:
    enum State : std::uint32_t { kFree, kFilling, kReady };
    struct Slot {
        std::atomic<std::uint32_t> state;
        std::uint32_t count;
        std::uint64_t hash;
        std::atomic<std::int64_t> first;
        std::atomic<std::int64_t> second;
        std::array<std::uintptr_t, kFramesMax> frames;
    };
    Slot* slots_ = nullptr;  // kSlots; null when the system gave no memory.
    std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace tidegate::profile
