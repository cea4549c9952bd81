#include "runtime/worker_pool.h"

#include <pthread.h>

#include <utility>

#include "base/assert.h"

namespace tidegate::runtime {

WorkerPool::WorkerPool(std::string name, unsigned threads, std::size_t queue_max)
    : name_(std::move(name)), thread_count_(threads), queue_max_(queue_max) {
    TG_ASSERT(threads > 0 && queue_max > 0);
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
    threads_.clear();  // Joins.
}

void WorkerPool::run() {
    ::pthread_setname_np(::pthread_self(), name_.substr(0, 15).c_str());
    for (;;) {
        Task task;
        {
            const Lock lock(mutex_);
            while (queue_.empty() && !stopping_) {
                ++idle_;
                wake_.wait(mutex_);
                --idle_;
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
