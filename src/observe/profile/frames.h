// Frames: the callers of a point in a thread, read from the chain of frame pointers on its stack.
//
// Guarantee   Async-signal-safe: no lock, no allocation, and no read outside the thread's own stack, whatever the registers
//             hold. Code that keeps no frame pointers (system libraries) may cut the chain or hide one caller; it cannot
//             crash the walk.
// Needs       -fno-omit-frame-pointer; x86-64 Linux with glibc, where pthread_self() lies at the upper end of a thread's
//             stack. Elsewhere kSupported is false and nothing is found.
// Threads     walk() reads the calling thread's stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tidegate::profile {

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
inline constexpr bool kSupported = true;
#else
inline constexpr bool kSupported = false;
#endif

/// Before the first walk: learns where the main thread's stack ends. Not for a signal handler.
void prepare_walks();
/// The return addresses of the frames from `frame` on (the frame pointer) that lie above `lowest` (the stack pointer); how
/// many were written to `out`.
std::size_t walk(std::uintptr_t frame, std::uintptr_t lowest, std::span<std::uintptr_t> out) noexcept;
/// The callers of the function that calls this.
std::size_t walk_here(std::span<std::uintptr_t> out) noexcept;

}  // namespace tidegate::profile
