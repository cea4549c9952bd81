// WorkerPool: a named, bounded set of threads for work that must not run on an event loop.
//
// Guarantee   A task that submit() accepted runs exactly once, also during shutdown. Tasks start in the order they were
//             accepted.
// Memory      At most queue_max waiting tasks.
// Threads     submit() from any thread; tasks run on `threads` threads of the pool, several at once.
// When full   submit() returns false and counts a refusal: the caller answers 503, nobody waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tidegate::runtime {

class WorkerPool {
  public:
    using Task = std::move_only_function<void()>;

    /// `name` shows up as the thread name (15 characters at most) and as the metric label.
    WorkerPool(std::string name, unsigned threads, std::size_t queue_max);
    /// As stop().
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    [[nodiscard]] bool submit(Task task) TG_EXCLUDES(mutex_);
    /// To so many threads, at least one: more start at once, those over it end after the task they are in. Any thread, also one of
    /// the pool's own. False, and nothing changes, while another resize() or stop() is at it.
    [[nodiscard]] bool resize(unsigned threads) TG_EXCLUDES(mutex_);
    /// Refuses new tasks, runs what waits, joins. May be called more than once.
    void stop() TG_EXCLUDES(mutex_);

    const std::string& name() const noexcept { return name_; }
    std::size_t thread_count() const noexcept { return thread_count_.load(std::memory_order_relaxed); }
    /// As it was made.
    std::size_t threads_configured() const noexcept { return threads_configured_; }
    std::size_t queue_max() const noexcept { return queue_max_; }
    /// Tasks waiting now.
    std::size_t depth() const noexcept { return depth_.load(std::memory_order_relaxed); }
    std::uint64_t completed() const noexcept { return completed_.load(std::memory_order_relaxed); }
    std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

  private:
    void run();
    bool resize_to(unsigned threads) TG_REQUIRES(resize_mutex_);
    void join_retired() TG_REQUIRES(resize_mutex_);

    const std::string name_;
    const std::size_t threads_configured_;
    std::atomic<std::size_t> thread_count_;
    const std::size_t queue_max_;
    Mutex mutex_;
    Condition wake_;
    std::deque<Task> queue_ TG_GUARDED_BY(mutex_);
    std::size_t idle_ TG_GUARDED_BY(mutex_) = 0;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::atomic<std::size_t> depth_{0};
    std::atomic<std::uint64_t> completed_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::size_t retiring_ TG_GUARDED_BY(mutex_) = 0;  // Threads that are to end.
    std::vector<std::thread::id> retired_ TG_GUARDED_BY(mutex_);
    Mutex resize_mutex_;
    std::vector<std::jthread> threads_ TG_GUARDED_BY(resize_mutex_);
};

}  // namespace tidegate::runtime
