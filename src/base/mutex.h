// Mutex: the one lock of the code base, with clang's thread-safety attributes.
//
// Rule        std::mutex appears in this file only (tools/tidy checks). A lock is never held across a wait on
//             the network, the disk or a model.
// Cost        Free: one try, the same atomic exchange as std::mutex::lock. Taken: two readings of the clock around the wait, and
//             what the hook of set_contention_hook() costs (the contention profile).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define TG_ATTRIBUTE_(x) __attribute__((x))
#else
#define TG_ATTRIBUTE_(x)
#endif
#define TG_GUARDED_BY(mutex) TG_ATTRIBUTE_(guarded_by(mutex))
#define TG_REQUIRES(...) TG_ATTRIBUTE_(requires_capability(__VA_ARGS__))
#define TG_EXCLUDES(...) TG_ATTRIBUTE_(locks_excluded(__VA_ARGS__))

namespace tidegate {

/// Told of each wait for a Mutex, on the thread that waited and once it has the lock: how long, in nanoseconds. It must not use
/// a Mutex itself.
using ContentionHook = void (*)(std::int64_t waited_ns) noexcept;
/// Null: nobody is told, and no clock is read. Any thread.
void set_contention_hook(ContentionHook hook) noexcept;

class TG_ATTRIBUTE_(capability("mutex")) Mutex {
  public:
    void lock() TG_ATTRIBUTE_(acquire_capability()) {
        if (!mutex_.try_lock()) wait_for_lock();
    }
    void unlock() TG_ATTRIBUTE_(release_capability()) { mutex_.unlock(); }
    bool try_lock() TG_ATTRIBUTE_(try_acquire_capability(true)) { return mutex_.try_lock(); }

  private:
    void wait_for_lock();
    std::mutex mutex_;
};

/// Scoped lock; `const Lock lock(mutex_);`
class TG_ATTRIBUTE_(scoped_lockable) Lock {
  public:
    explicit Lock(Mutex& mutex) TG_ATTRIBUTE_(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
    ~Lock() TG_ATTRIBUTE_(release_capability()) { mutex_.unlock(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

  private:
    Mutex& mutex_;
};

/// Condition variable over Mutex. The caller holds the mutex; write the waiting loop out so that the analysis sees it.
class Condition {
  public:
    void wait(Mutex& mutex) TG_REQUIRES(mutex) { condition_.wait(mutex); }
    /// False when the duration passed without a notification.
    template <class Rep, class Period>
    bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> duration) TG_REQUIRES(mutex) {
        return condition_.wait_for(mutex, duration) == std::cv_status::no_timeout;
    }
    void notify_one() noexcept { condition_.notify_one(); }
    void notify_all() noexcept { condition_.notify_all(); }

  private:
    std::condition_variable_any condition_;
};

}  // namespace tidegate
