// LiveFeed: new records of the log, handed to whoever listens at the moment.
//
// Position    A Follower without a memory of its own; the event streams subscribe.
// Guarantee   A subscriber gets the matching records in the order of the log. One whose queue is full misses the newest, is told
//             how many, and never holds up the log.
// Memory      Per subscriber at most queue_records and about queue_bytes of records, which subscribers share.
// Threads     follow() on the log's thread; it copies a record only where somebody wants it. The rest on any thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "audit/follower.h"
#include "audit/views/history.h"
#include "base/mutex.h"

namespace tidegate::audit {

struct LiveItem {
    std::uint64_t leaf = 0;
    std::shared_ptr<const Decision> decision;
};

class LiveFeed final : public Follower {
  public:
    struct Options {
        std::size_t queue_records = 1000;
        std::size_t queue_bytes = 4U * 1024 * 1024;
    };
    /// `end`: LogReader::end_leaf() when the log has opened. What lies before it is not news.
    LiveFeed(std::uint64_t end, Options options) : options_(options), position_(end) {}

    std::string_view name() const noexcept override { return "live"; }
    std::uint64_t position() const noexcept override { return position_.load(std::memory_order_acquire); }
    Result<void> follow(const DurableRecords& records) override;

    /// Any thread. Dropping it ends it.
    class Subscription {
      public:
        struct Taken {
            std::vector<LiveItem> items;
            std::uint64_t missed = 0;  // After these items, before whatever comes next.
        };
        /// `count_max` items at most, oldest first. `missed` is told once, with the last item before the hole.
        Taken take(std::size_t count_max);
        /// The first leaf that it may be given.
        std::uint64_t begin() const noexcept { return begin_; }

      private:
        friend class LiveFeed;
        /// Counts a miss where there is none.
        bool has_room(const Options& options) TG_EXCLUDES(mutex_);
        void give(const LiveItem& item, std::size_t bytes) TG_EXCLUDES(mutex_);
        HistoryFilter filter_;
        std::uint64_t begin_ = 0;
        std::function<void()> wake_;
        Mutex mutex_;
        std::deque<std::pair<LiveItem, std::size_t>> queue_ TG_GUARDED_BY(mutex_);
        std::size_t bytes_ TG_GUARDED_BY(mutex_) = 0;
        std::uint64_t missed_ TG_GUARDED_BY(mutex_) = 0;
    };
    /// `wake` runs on the log's thread when an empty queue gets an item: short, without a wait, without a call to this feed.
    std::shared_ptr<Subscription> subscribe(HistoryFilter filter, std::function<void()> wake);
    std::size_t subscribers() const;

  private:
    const Options options_;
    std::atomic<std::uint64_t> position_;
    mutable Mutex mutex_;
    std::vector<std::weak_ptr<Subscription>> subscriptions_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit
