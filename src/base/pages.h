// PageAllocator: whole pages of the system for objects of megabytes, which go back to it at once when they are freed.
//
// Position    For what comes and goes in a server that runs for months: an allocator keeps such a block, or splits it, and the process grows by
//             one for each thread that frees. What is not written takes no memory.
// Threads     Any.
// When it fails  std::bad_alloc, as of operator new. The heap profile does not see it.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <limits>
#include <new>

namespace tidegate {

template <class T>
struct PageAllocator {
    using value_type = T;

    PageAllocator() noexcept = default;
    template <class U>
    explicit(false) PageAllocator(const PageAllocator<U>& /*other*/) noexcept {}

    T* allocate(std::size_t count) {
        if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
        void* const pages =
            ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) throw std::bad_alloc();
        return static_cast<T*>(pages);
    }
    void deallocate(T* pages, std::size_t count) noexcept { ::munmap(pages, count * sizeof(T)); }

    template <class U>
    bool operator==(const PageAllocator<U>& /*other*/) const noexcept {
        return true;
    }
};

}  // namespace tidegate
