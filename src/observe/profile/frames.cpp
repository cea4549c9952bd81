#include "observe/profile/frames.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

#include "observe/profile/maps.h"

// The walk reads whole stacks, the poisoned pieces between variables too.
#if defined(__clang__)
#define TG_NO_SANITIZE_ __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define TG_NO_SANITIZE_ __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))
#endif

namespace tidegate::profile {
namespace {

constinit std::atomic<std::uintptr_t> main_stack_end{0};

// No thread of ours has a larger stack (8 MiB is the system's default); a larger distance means that the stack pointer is
// not on the thread's own stack.
constexpr std::uintptr_t kStackBytesMax = 64 * 1024 * 1024;

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
TG_NO_SANITIZE_ std::uintptr_t stack_end() noexcept {
    static constinit thread_local std::uintptr_t known = 0;
    if (known != 0) return known;
    // The main thread's own block lies elsewhere, so its end comes from the memory map.
    known = ::gettid() == ::getpid() ? main_stack_end.load(std::memory_order_relaxed)
                                     : static_cast<std::uintptr_t>(::pthread_self());
    return known;
}
#else
std::uintptr_t stack_end() noexcept {
    return 0;
}
#endif

}  // namespace

void prepare_walks() {
    for (const Mapping& mapping : read_maps()) {
        if (mapping.file == "[stack]") main_stack_end.store(mapping.end, std::memory_order_relaxed);
    }
}

TG_NO_SANITIZE_ std::size_t walk(std::uintptr_t frame, std::uintptr_t lowest, std::span<std::uintptr_t> out) noexcept {
    constexpr std::uintptr_t kFrameBytes = 2 * sizeof(std::uintptr_t);
    constexpr std::uintptr_t kCodeLeast = 0x10000;  // The first pages are never mapped.
    const std::uintptr_t end = stack_end();
    if (end <= lowest || end - lowest > kStackBytesMax) return 0;
    std::size_t found = 0;
    while (found < out.size() && frame >= lowest && frame <= end - kFrameBytes && frame % sizeof(std::uintptr_t) == 0) {
        const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
        const std::uintptr_t caller = words[0];
        const std::uintptr_t returns_to = words[1];
        if (returns_to < kCodeLeast) break;
        out[found++] = returns_to;
        lowest = frame + kFrameBytes;  // Callers lie above: a chain cannot turn back.
        frame = caller;
    }
    return found;
}

std::size_t walk_here(std::span<std::uintptr_t> out) noexcept {
    if constexpr (!kSupported) return 0;
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    return walk(frame, frame, out);
}

}  // namespace tidegate::profile
