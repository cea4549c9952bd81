#include "runtime/worker_pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace tidegate::runtime {

WorkerPool::WorkerPool(std::string name, unsigned threads, std::size_t queue_max)
    : name_(std::move(name)), threads_configured_(threads), thread_count_(threads), queue_max_(queue_max) {
    TG_ASSERT(threads > 0 && queue_max > 0);
    const Lock lock(resize_mutex_);
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

WorkerPool::~WorkerPool() {
    stop();
}

bool WorkerPool::submit(Task task) {
    bool wake = false;
    {
        const Lock lock(mutex_);
        if (stopping_ || queue_.size() >= queue_max_) {
            refused_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        queue_.push_back(std::move(task));
        depth_.store(queue_.size(), std::memory_order_relaxed);
        // A busy thread looks at the queue before it sleeps: no system call is needed to tell it.
        wake = idle_ > 0;
    }
    if (wake) wake_.notify_one();
    return true;
}

void WorkerPool::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    const Lock lock(resize_mutex_);
    threads_.clear();  // Joins.
}

bool WorkerPool::resize(unsigned threads) {
    TG_ASSERT(threads > 0);
    // Not waited for: stop() holds it while it waits for the threads, and one of them may be here.
    if (!resize_mutex_.try_lock()) return false;
    const bool done = resize_to(threads);
    resize_mutex_.unlock();
    return done;
}

bool WorkerPool::resize_to(unsigned threads) {
    join_retired();
    std::size_t more = 0;
    {
        const Lock lock(mutex_);
        if (stopping_) return false;
        const std::size_t now = thread_count();
        if (threads < now) {
            retiring_ += now - threads;
        } else {
            // Those that were to end and have not yet go on instead.
            more = threads - now;
            const std::size_t kept = std::min(more, retiring_);
            retiring_ -= kept;
            more -= kept;
        }
        thread_count_.store(threads, std::memory_order_relaxed);
    }
    wake_.notify_all();
    try {
        for (; more > 0; --more) threads_.emplace_back([this] { run(); });
    } catch (const std::system_error&) {
        // The system gives no more of them (a container's limit): those that are there go on.
        thread_count_.fetch_sub(more, std::memory_order_relaxed);
        return false;
    }
    return true;
}

void WorkerPool::join_retired() {
    std::vector<std::thread::id> ended;
    {
        const Lock lock(mutex_);
        ended.swap(retired_);
    }
    std::erase_if(threads_,
                  [&](const std::jthread& thread) { return std::ranges::find(ended, thread.get_id()) != ended.end(); });
}

void WorkerPool::run() {
    ::pthread_setname_np(::pthread_self(), name_.substr(0, 15).c_str());
    for (;;) {
        Task task;
        {
            const Lock lock(mutex_);
            while (queue_.empty() && !stopping_ && retiring_ == 0) {
                ++idle_;
                wake_.wait(mutex_);
                --idle_;
            }
            if (retiring_ > 0 && !stopping_) {
                --retiring_;
                retired_.push_back(std::this_thread::get_id());
                // A task that was told to this thread alone is taken by another.
                if (!queue_.empty()) wake_.notify_one();
                return;
            }
            if (queue_.empty()) return;
            task = std::move(queue_.front());
            queue_.pop_front();
            depth_.store(queue_.size(), std::memory_order_relaxed);
        }
        task();
        completed_.fetch_add(1, std::memory_order_relaxed);
    }
}

}  // namespace tidegate::runtime
