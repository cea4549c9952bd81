#include "model/onnx/watcher.h"

#include <utility>

namespace tidegate::model::onnx {

std::shared_ptr<CancelWatcher> CancelWatcher::make(std::function<void(void*)> end) {
    struct Made final : CancelWatcher {
        explicit Made(std::function<void(void*)> how) : CancelWatcher(std::move(how)) {}
    };
    auto made = std::make_shared<Made>(std::move(end));
    made->thread_ = std::thread([watcher = made.get()] { watcher->look(); });
    return made;
}

CancelWatcher::~CancelWatcher() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        woken_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

CancelWatcher::Watch::Watch(CancelWatcher& watcher, const std::atomic<bool>& flag, void* run)
    : watcher_(watcher), flag_(flag), run_(run) {
    const Lock lock(watcher_.mutex_);
    place_ = watcher_.watches_.size();
    watcher_.watches_.push_back(this);
    if (watcher_.asleep_) watcher_.woken_.notify_one();
}

CancelWatcher::Watch::~Watch() {
    const Lock lock(watcher_.mutex_);
    Watch* const last = watcher_.watches_.back();
    watcher_.watches_[place_] = last;
    last->place_ = place_;
    watcher_.watches_.pop_back();
}

void CancelWatcher::look() {
    const Lock lock(mutex_);
    Duration unused{};
    while (!stopping_) {
        for (Watch* const watch : watches_) {
            if (watch->ended_ || !watch->flag_.load(std::memory_order_relaxed)) continue;
            watch->ended_ = true;
            end_(watch->run_);
        }
        unused = watches_.empty() ? unused + kPeriod : Duration{};
        if (unused > kLinger) {
            asleep_ = true;
            woken_.wait(mutex_);
            asleep_ = false;
            unused = Duration{};
        } else {
            woken_.wait_for(mutex_, kPeriod);
        }
    }
}

}  // namespace tidegate::model::onnx
