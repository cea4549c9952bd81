#include "audit/views/live_feed.h"

#include <algorithm>

#include "audit/views/log_history_match.h"

namespace tidegate::audit {
namespace {

/// About what a copy takes: the long texts, and the rest of it.
std::size_t bytes_of(const segments::RecordView& record) {
    constexpr std::size_t kFixed = 1024;
    return kFixed + record.output.size() + record.error.size() + record.lists.size();
}

}  // namespace

Result<void> LiveFeed::follow(const DurableRecords& records) {
    std::vector<std::shared_ptr<Subscription>> listeners;
    const Lock lock(mutex_);
    std::erase_if(subscriptions_, [&](const std::weak_ptr<Subscription>& weak) {
        auto listener = weak.lock();
        if (listener == nullptr) return true;
        listeners.push_back(std::move(listener));
        return false;
    });
    for (std::size_t i = 0; i < records.records.size() && !listeners.empty(); ++i) {
        LiveItem item{.leaf = records.first_leaf + i, .decision = nullptr};
        const segments::RecordView& record = records.records[i];
        for (const auto& listener : listeners) {
            if (!matches(listener->filter_, record)) continue;
            if (!listener->has_room(options_)) continue;
            if (item.decision == nullptr) {
                item.decision = std::make_shared<const Decision>(segments::to_decision(record));
            }
            listener->give(item, bytes_of(record));
        }
    }
    position_.store(records.end(), std::memory_order_release);
    return {};
}

bool LiveFeed::Subscription::has_room(const Options& options) {
    const Lock lock(mutex_);
    // After a hole nothing follows until it was told: else the hole would be told in the wrong place.
    const bool room = missed_ == 0 && queue_.size() < options.queue_records && bytes_ < options.queue_bytes;
    if (!room) ++missed_;
    return room;
}

void LiveFeed::Subscription::give(const LiveItem& item, std::size_t bytes) {
    bool first = false;
    {
        const Lock lock(mutex_);
        first = queue_.empty();
        queue_.emplace_back(item, bytes);
        bytes_ += bytes;
    }
    if (first && wake_) wake_();
}

LiveFeed::Subscription::Taken LiveFeed::Subscription::take(std::size_t count_max) {
    Taken taken;
    const Lock lock(mutex_);
    const std::size_t count = std::min(count_max, queue_.size());
    taken.items.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        bytes_ -= queue_.front().second;
        taken.items.push_back(std::move(queue_.front().first));
        queue_.pop_front();
    }
    if (queue_.empty()) taken.missed = std::exchange(missed_, 0);
    return taken;
}

std::shared_ptr<LiveFeed::Subscription> LiveFeed::subscribe(HistoryFilter filter, std::function<void()> wake) {
    auto subscription = std::make_shared<Subscription>();
    subscription->filter_ = std::move(filter);
    subscription->wake_ = std::move(wake);
    const Lock lock(mutex_);
    subscription->begin_ = position();
    subscriptions_.push_back(subscription);
    return subscription;
}

std::size_t LiveFeed::subscribers() const {
    const Lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(subscriptions_, [](const auto& weak) { return !weak.expired(); }));
}

}  // namespace tidegate::audit
