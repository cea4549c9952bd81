#include "model/onnx/memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

namespace tidegate::model::onnx {
namespace {

// Larger than any machine's memory, small enough that no rounding overflows.
constexpr std::size_t kBytesMax = std::size_t{1} << 46U;

struct Rounded {
    std::size_t bytes = 0;
    std::size_t size_class = 0;
};

// The next of eight sizes a doubling; `bytes` is at least kKeptFrom.
Rounded round_up(std::size_t bytes) noexcept {
    const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^doubling < bytes
    const std::size_t step = std::size_t{1} << (doubling - 3);
    const std::size_t rounded = (bytes + step - 1) / step * step;
    return {rounded, (doubling - 15) * 8 + (rounded >> (doubling - 3)) - 8};
}

}  // namespace

thread_local MemoryAccount* MemoryScope::current = nullptr;

// Stands before each block.
struct MemoryAccount::Head {
    MemoryAccount* account;
    void* memory;            // From malloc.
    std::size_t bytes;       // Counted for it.
    std::size_t size_class;  // kClasses: not kept.
};

MemoryAccount* MemoryAccount::open(std::uint64_t limit) {
    return new MemoryAccount(limit);
}

bool MemoryAccount::reserve(std::uint64_t bytes) noexcept {
    const std::uint64_t after = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (limit_ == 0 || after + kept() <= limit_) return true;
    drop_kept();
    if (after <= limit_) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
}

void* MemoryAccount::allocate(std::size_t bytes) noexcept {
    void* const block = obtain(bytes);
    if (block == nullptr) refusals_.fetch_add(1, std::memory_order_relaxed);
    return block;
}

void* MemoryAccount::obtain(std::size_t bytes) noexcept {
    if (bytes > kBytesMax) return nullptr;
    std::size_t whole = bytes + sizeof(Head) + kAlignment;
    std::size_t size_class = kClasses;
    void* memory = nullptr;
    if (whole >= kKeptFrom) {
        const Rounded rounded = round_up(whole);
        whole = rounded.bytes;
        size_class = rounded.size_class;
        memory = take_kept(size_class, whole);
    }
    if (memory == nullptr) {
        if (!reserve(whole)) return nullptr;
        memory = std::malloc(whole);
        if (memory == nullptr) {
            used_.fetch_sub(whole, std::memory_order_relaxed);
            return nullptr;
        }
    }
    holders_.fetch_add(1, std::memory_order_relaxed);
    const auto begin = reinterpret_cast<std::uintptr_t>(memory) + sizeof(Head);
    const std::uintptr_t aligned = (begin + kAlignment - 1) / kAlignment * kAlignment;
    new (reinterpret_cast<void*>(aligned - sizeof(Head))) Head{this, memory, whole, size_class};
    return reinterpret_cast<void*>(aligned);
}

void MemoryAccount::free(void* block) noexcept {
    if (block == nullptr) return;
    const Head head = *reinterpret_cast<Head*>(reinterpret_cast<std::uintptr_t>(block) - sizeof(Head));
    if (head.size_class == kClasses || !head.account->keep(head.memory, head.size_class, head.bytes)) {
        std::free(head.memory);
        head.account->used_.fetch_sub(head.bytes, std::memory_order_relaxed);
    }
    head.account->release();
}

void* MemoryAccount::take_kept(std::size_t size_class, std::size_t bytes) noexcept {
    const Lock lock(mutex_);
    Free* const found = free_[size_class];
    if (found == nullptr) return nullptr;
    free_[size_class] = found->next;
    used_.fetch_add(bytes, std::memory_order_relaxed);
    kept_.fetch_sub(bytes, std::memory_order_relaxed);
    return found;
}

bool MemoryAccount::keep(void* memory, std::size_t size_class, std::size_t bytes) noexcept {
    const Lock lock(mutex_);
    if (closed_) return false;
    free_[size_class] = new (memory) Free{free_[size_class]};
    kept_.fetch_add(bytes, std::memory_order_relaxed);
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return true;
}

void MemoryAccount::drop_kept() noexcept {
    std::array<Free*, kClasses> all{};
    {
        const Lock lock(mutex_);
        std::swap(all, free_);
        kept_.store(0, std::memory_order_relaxed);
    }
    for (Free* one : all) {
        while (one != nullptr) std::free(std::exchange(one, one->next));
    }
}

void MemoryAccount::close() noexcept {
    {
        const Lock lock(mutex_);
        closed_ = true;
    }
    drop_kept();
    release();
}

void MemoryAccount::release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace tidegate::model::onnx
