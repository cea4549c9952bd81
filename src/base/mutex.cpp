#include "base/mutex.h"

#include <atomic>

namespace tidegate {
namespace {

constinit std::atomic<ContentionHook> contention_hook{nullptr};

}  // namespace

void set_contention_hook(ContentionHook hook) noexcept {
    contention_hook.store(hook, std::memory_order_release);
}

void Mutex::wait_for_lock() {
    const ContentionHook hook = contention_hook.load(std::memory_order_acquire);
    if (hook == nullptr) return mutex_.lock();
    const auto began = std::chrono::steady_clock::now();
    mutex_.lock();
    hook(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began).count());
}

}  // namespace tidegate
