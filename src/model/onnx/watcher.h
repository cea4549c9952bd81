// CancelWatcher: looks at the cancel flags of the runs under way and ends those that are set.
//
// Position    The runtime looks at a flag of its own between two operators; ours are the batcher's. One thread joins them for all
//             sessions of a backend.
// Algorithm   While a run is watched, and kLinger after the last, the thread looks each kPeriod; then it sleeps until it is woken. A
//             run so pays for two short locks, and for a wake-up only after a pause.
// Threads     watch() from any thread; the end of a Watch waits for a look that is under way, never for more.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace tidegate::model::onnx {

class CancelWatcher : public std::enable_shared_from_this<CancelWatcher> {
  public:
    /// A cancelled run ends so long after its flag, and one operator. 5 ms: 200 looks a second are not seen in any measurement.
    static constexpr Duration kPeriod = std::chrono::milliseconds(5);
    static constexpr Duration kLinger = std::chrono::milliseconds(200);

    /// `end(run)` is called under the watcher's lock, at most once for each watch.
    static std::shared_ptr<CancelWatcher> make(std::function<void(void* run)> end);
    ~CancelWatcher();
    CancelWatcher(const CancelWatcher&) = delete;
    CancelWatcher& operator=(const CancelWatcher&) = delete;

    class Watch {
      public:
        Watch(CancelWatcher& watcher, const std::atomic<bool>& flag, void* run);
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

      private:
        friend class CancelWatcher;
        CancelWatcher& watcher_;
        const std::atomic<bool>& flag_;
        void* const run_;
        bool ended_ = false;
        std::size_t place_ = 0;  // In watches_.
    };

  private:
    explicit CancelWatcher(std::function<void(void*)> end) : end_(std::move(end)) {}
    void look() TG_EXCLUDES(mutex_);

    const std::function<void(void*)> end_;
    Mutex mutex_;
    Condition woken_;
    std::vector<Watch*> watches_ TG_GUARDED_BY(mutex_);
    bool asleep_ TG_GUARDED_BY(mutex_) = false;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace tidegate::model::onnx
