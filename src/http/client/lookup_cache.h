// LookupCache: answers to slow questions (the addresses of a name, the certificates of a file), asked on worker threads.
//
// Guarantee   One question at a time for a key, whoever waits for it. A failure is kept for kFailureKept only. A waiter hears
//             its answer later, never from inside wait().
// Memory      At most kEntriesMax keys, as long as fewer are being asked for at once.
// Threads     The loop's thread; `fetch` runs on the pool.
// When full   A pool that takes no task makes the look-up fail at once.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::http {

template <class Value>
class LookupCache {
  public:
    using Fetch = std::function<Result<Value>(const std::string& key)>;

    class Waiter {
      public:
        virtual void on_found(const Result<Value>& found) = 0;

      protected:
        ~Waiter() = default;
    };

    static constexpr Duration kFailureKept = std::chrono::seconds(1);
    static constexpr std::size_t kEntriesMax = 256;

    LookupCache(runtime::EventLoop& loop, runtime::WorkerPool& pool, Fetch fetch, Duration kept)
        : loop_(loop), pool_(pool), fetch_(std::make_shared<Fetch>(std::move(fetch))), kept_(kept) {}
    LookupCache(const LookupCache&) = delete;
    LookupCache& operator=(const LookupCache&) = delete;

    /// The answer while it is fresh; null: wait() for it.
    const Result<Value>* find(const std::string& key) const {
        const auto found = entries_.find(key);
        if (found == entries_.end() || found->second.asking || found->second.fresh_until <= loop_.now()) return nullptr;
        return &found->second.value;
    }

    /// Calls waiter.on_found() later, unless cancel() comes first. True when this began a question.
    bool wait(const std::string& key, Waiter& waiter) {
        make_room(key);
        Entry& entry = entries_[key];
        entry.waiters.push_back(&waiter);
        if (entry.asking) return false;
        entry.asking = true;
        const std::weak_ptr<LookupCache*> self = self_;
        const auto& mailbox = loop_.mailbox();
        const bool taken = pool_.submit([fetch = fetch_, mailbox, self, key] {
            mailbox->post([self, key, value = (*fetch)(key)]() mutable { deliver(self, key, std::move(value)); });
        });
        if (!taken) {
            mailbox->post([self, key] {
                deliver(self, key,
                        fail(ErrorCode::kUnavailable, "no worker takes the look-up: the pool's queue is full"));
            });
        }
        return true;
    }

    void cancel(Waiter& waiter) noexcept {
        for (auto& [key, entry] : entries_) std::erase(entry.waiters, &waiter);
    }

  private:
    struct Entry {
        Result<Value> value = fail(ErrorCode::kUnavailable, "not asked yet");
        SteadyTime fresh_until{};
        bool asking = false;
        std::vector<Waiter*> waiters;
    };

    static void deliver(const std::weak_ptr<LookupCache*>& self, const std::string& key, Result<Value> value) {
        if (const auto cache = self.lock()) (*cache)->settle(key, std::move(value));
    }

    void settle(const std::string& key, Result<Value> value) {
        Entry& entry = entries_[key];
        entry.asking = false;
        entry.fresh_until = loop_.now() + (value ? kept_ : std::min(kept_, kFailureKept));
        entry.value = std::move(value);
        // A waiter may cancel others, or bring new keys in: nothing of the table is held over a call.
        const Result<Value> answer = entry.value;
        for (;;) {
            const auto found = entries_.find(key);
            if (found == entries_.end() || found->second.asking || found->second.waiters.empty()) return;
            Waiter& waiter = *found->second.waiters.front();
            found->second.waiters.erase(found->second.waiters.begin());
            waiter.on_found(answer);
        }
    }

    void make_room(const std::string& key) {
        if (entries_.size() < kEntriesMax || entries_.contains(key)) return;
        const auto idle =
            std::ranges::find_if(entries_, [](const auto& e) { return !e.second.asking && e.second.waiters.empty(); });
        if (idle != entries_.end()) entries_.erase(idle);
    }

    runtime::EventLoop& loop_;
    runtime::WorkerPool& pool_;
    const std::shared_ptr<Fetch> fetch_;
    const Duration kept_;
    std::unordered_map<std::string, Entry> entries_;
    // Answers that come back after the cache has gone find it empty.
    const std::shared_ptr<LookupCache*> self_ = std::make_shared<LookupCache*>(this);
};

}  // namespace tidegate::http
