// SpinLock: for the few tens of nanoseconds in which a shard of the cache is changed.
//
// Why not Mutex   An uncontended exchange costs half of a pthread mutex, in one byte. Whoever waits long, because the holder was
//                 preempted, gives its core away instead of burning it.
#pragma once

#include <sched.h>

#include <atomic>

#include "base/mutex.h"

namespace tidegate::cache {

class TG_ATTRIBUTE_(capability("mutex")) SpinLock {
  public:
    void lock() noexcept TG_ATTRIBUTE_(acquire_capability()) {
        unsigned turns = 0;
        while (held_.exchange(true, std::memory_order_acquire)) {
            while (held_.load(std::memory_order_relaxed)) {
                // About a microsecond, twenty times what the lock is held for.
                if (++turns % 64 == 0) {
                    sched_yield();
                } else {
                    pause();
                }
            }
        }
    }
    void unlock() noexcept TG_ATTRIBUTE_(release_capability()) { held_.store(false, std::memory_order_release); }

  private:
    static void pause() noexcept {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    std::atomic<bool> held_{false};
};

/// Scoped; `const SpinGuard guard(lock_);`
class TG_ATTRIBUTE_(scoped_lockable) SpinGuard {
  public:
    explicit SpinGuard(SpinLock& lock) noexcept TG_ATTRIBUTE_(acquire_capability(lock)) : lock_(lock) { lock_.lock(); }
    ~SpinGuard() TG_ATTRIBUTE_(release_capability()) { lock_.unlock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

  private:
    SpinLock& lock_;
};

}  // namespace tidegate::cache
