// MemoryAccount: the memory that one session has from the runtime's allocator: counted, bounded, used again.
//
// Guarantee   Every block knows its account, so that it may be freed on any thread and after its session is gone. used() is exact:
//             what the blocks hold with their rounding and heads.
// Algorithm   Small blocks come from malloc, which keeps them by thread. Blocks of kKeptFrom and more are rounded up to one of
//             eight sizes a doubling (at most 12.5 % more) and kept by size when they are freed: a pass of the same shape then
//             touches no fresh page.
// Memory      used() + kept() stays at or under the limit; what is kept goes first.
// Threads     Every member from any thread.
// When full   allocate() gives nullptr.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/mutex.h"

namespace tidegate::model::onnx {

class MemoryAccount {
  public:
    /// malloc gives smaller blocks back to the next caller without a system call; from here on it may not.
    static constexpr std::size_t kKeptFrom = 64U * 1024;
    static constexpr std::size_t kAlignment = 64;

    /// `limit` 0: none. Lives until close() and its last block are both gone.
    static MemoryAccount* open(std::uint64_t limit);
    /// No session any more: gives back what is kept, and each block as it is freed.
    void close() noexcept;

    /// Aligned to kAlignment; nullptr over the limit or without memory.
    void* allocate(std::size_t bytes) noexcept;
    /// A block of any account.
    static void free(void* block) noexcept;

    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    /// Freed, and ready for the next pass.
    std::uint64_t kept() const noexcept { return kept_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const noexcept { return limit_; }
    /// Allocations that were refused so far, on whichever thread: a pass computes on several.
    std::uint64_t refusals() const noexcept { return refusals_.load(std::memory_order_relaxed); }

  private:
    struct Head;
    struct Free {
        Free* next;
    };
    // Eight classes for each doubling from 2^16 to 2^48.
    static constexpr std::size_t kClasses = 32 * 8;

    explicit MemoryAccount(std::uint64_t limit) noexcept : limit_(limit) {}
    ~MemoryAccount() = default;
    void* obtain(std::size_t bytes) noexcept;
    bool reserve(std::uint64_t bytes) noexcept;
    void* take_kept(std::size_t size_class, std::size_t bytes) noexcept TG_EXCLUDES(mutex_);
    bool keep(void* memory, std::size_t size_class, std::size_t bytes) noexcept TG_EXCLUDES(mutex_);
    void drop_kept() noexcept TG_EXCLUDES(mutex_);
    void release() noexcept;

    const std::uint64_t limit_;
    std::atomic<std::uint64_t> used_{0};
    std::atomic<std::uint64_t> kept_{0};
    std::atomic<std::uint64_t> refusals_{0};
    std::atomic<std::uint64_t> holders_{1};  // The session, and each live block.
    Mutex mutex_;
    bool closed_ TG_GUARDED_BY(mutex_) = false;
    std::array<Free*, kClasses> free_ TG_GUARDED_BY(mutex_){};
};

/// The account that allocations of this thread go to.
struct MemoryScope {
    explicit MemoryScope(MemoryAccount* account) noexcept : before_(current) { current = account; }
    ~MemoryScope() { current = before_; }
    MemoryScope(const MemoryScope&) = delete;
    MemoryScope& operator=(const MemoryScope&) = delete;

    static thread_local MemoryAccount* current;

  private:
    MemoryAccount* before_;
};

}  // namespace tidegate::model::onnx
