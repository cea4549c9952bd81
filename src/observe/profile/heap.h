// Heap: which call stacks asked for the memory that is in use, and for all that was ever asked for, by sampling.
//
// Algorithm   Poisson sampling by bytes, as in tcmalloc and Go: of all bytes that are asked for one in kHeapPeriod is drawn, and the block
//             it lies in is a sample. A block of n bytes is drawn with p = 1 - exp(-n / period) and counts 1 / p times, so that sums are
//             without bias; a stack that holds much less than the period may not show at all.
// Position    Fed by the program's operator new and delete (app/heap_hooks.cpp). What C libraries take by malloc() is not seen.
// Cost        A block that is not drawn: one subtraction on the thread; its delete: one read of a small table.
// Guarantee   note() and forget() allocate nothing and never fail.
// Memory      2 MiB of tables, touched as they fill, and those of StackTable.
// When full   More than kHeapLiveMax drawn blocks at once (16 GiB in use): the next is dropped and counted. A stack that holds nothing more
//             gives its place among those in use to another; among those that ever asked for memory each keeps its own.
// Threads     Any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "observe/profile/profile.h"

namespace tidegate::profile {

/// Bytes between two samples, on average. Go's own value.
inline constexpr std::int64_t kHeapPeriod = 512 * 1024;
inline constexpr std::size_t kHeapLiveMax = 32 * 1024;

namespace heap {

inline constexpr std::size_t kMarks = 64 * 1024;
/// Bytes that this thread may ask for before the next sample is drawn.
extern constinit thread_local std::int64_t bytes_left;
/// How many drawn blocks in use have this hash; a zero says that a block was not drawn.
extern constinit std::array<std::atomic<std::uint16_t>, kMarks> marks;

inline std::size_t mark_of(const void* block) noexcept {
    // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
    return (reinterpret_cast<std::uintptr_t>(block) * 0x9e3779b97f4a7c15U) >> 48U;
}
void draw(void* block, std::size_t bytes) noexcept;
void give_back(void* block) noexcept;

}  // namespace heap

/// A block was handed out by the function that calls this one's caller. Null is none.
[[gnu::always_inline]] inline void note_block(void* block, std::size_t bytes) noexcept {
    heap::bytes_left -= static_cast<std::int64_t>(bytes);
    if (heap::bytes_left < 0) [[unlikely]]
        heap::draw(block, bytes);
}
/// Before it goes back to the allocator.
[[gnu::always_inline]] inline void forget_block(void* block) noexcept {
    if (heap::marks[heap::mark_of(block)].load(std::memory_order_relaxed) != 0) [[unlikely]]
        heap::give_back(block);
}

/// Begins to draw; a second call does nothing. False where stacks cannot be read.
bool start_heap(const Clock& clock);
/// What this program's operator new says of itself; without it there is no profile.
void set_heap_hooked() noexcept;
bool heap_hooked() noexcept;
/// Types alloc_objects, alloc_space (since start_heap()), inuse_objects, inuse_space.
Profile heap_profile(const Clock& clock);

}  // namespace tidegate::profile
