// operator new and delete of the program: malloc() and free(), told to the heap profile (observe/profile/heap.h).
//
// Position    Part of the program `tidegate` alone and not of a library: whoever links a room keeps the allocator it has. A build with a
//             sanitizer keeps the sanitizer's, and has no heap profile.
#include <cstdlib>
#include <new>

#include "observe/profile/heap.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TG_OWN_NEW_ 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TG_OWN_NEW_ 0
#else
#define TG_OWN_NEW_ 1
#endif
#else
#define TG_OWN_NEW_ 1
#endif

#if TG_OWN_NEW_

namespace {

const struct SayHooked {
    SayHooked() noexcept { tidegate::profile::set_heap_hooked(); }
} kSayHooked;

/// As the standard asks: the handler is called until there is memory, or there is no handler.
template <class Get>
[[gnu::always_inline]] inline void* get_or_handle(Get get) noexcept(false) {
    while (true) {
        if (void* const block = get()) [[likely]]
            return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) return nullptr;
        handler();
    }
}

[[gnu::always_inline]] inline void* plain(std::size_t bytes) {
    return get_or_handle([bytes] { return std::malloc(bytes == 0 ? 1 : bytes); });
}

[[gnu::always_inline]] inline void* aligned(std::size_t bytes, std::align_val_t alignment) {
    const std::size_t to = static_cast<std::size_t>(alignment);
    const std::size_t whole = (bytes + to - 1) / to * to;  // As aligned_alloc() asks.
    if (whole < bytes) return nullptr;
    return get_or_handle([whole, to] { return std::aligned_alloc(to, whole == 0 ? to : whole); });
}

[[gnu::always_inline]] inline void give_back(void* block) noexcept {
    if (block == nullptr) return;
    tidegate::profile::forget_block(block);
    std::free(block);
}

}  // namespace

// Not inlined: the profile leaves out the two innermost frames.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    void* const block = plain(bytes);
    if (block == nullptr) throw std::bad_alloc();
    tidegate::profile::note_block(block, bytes);
    return block;
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    void* const block = aligned(bytes, alignment);
    if (block == nullptr) throw std::bad_alloc();
    tidegate::profile::note_block(block, bytes);
    return block;
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        void* const block = plain(bytes);
        tidegate::profile::note_block(block, bytes);
        return block;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    try {
        void* const block = aligned(bytes, alignment);
        tidegate::profile::note_block(block, bytes);
        return block;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void operator delete(void* block) noexcept {
    give_back(block);
}
void operator delete(void* block, std::size_t) noexcept {
    give_back(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    give_back(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    give_back(block);
}
// The forms for arrays and the other ones without exceptions lead to these by the standard ([new.delete]).

#endif
