// make_in_pages: an object of megabytes in whole pages of the system, which go back to it at once when it ends.
//
// Position    For what comes and goes in a server that runs for months: an allocator keeps such a block, or splits it, and the process grows by
//             one for each thread that frees. What is not written takes no memory.
// Threads     Any.
// When it fails  Where the system gives no pages: ordinary memory. The heap profile sees only that.
#pragma once

#include <sys/mman.h>

#include <memory>

namespace tidegate {

/// Numbers without an initializer of their own are indeterminate, as after make_shared_for_overwrite.
template <class T>
std::shared_ptr<T> make_in_pages() {
    void* const pages = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return std::make_shared_for_overwrite<T>();
    T* const object = static_cast<T*>(pages);
    std::uninitialized_default_construct_n(object, 1);
    return std::shared_ptr<T>(object, [](T* ended) {
        std::destroy_at(ended);
        ::munmap(ended, sizeof(T));
    });
}

}  // namespace tidegate
