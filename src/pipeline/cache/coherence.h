// Coherence: what was invalidated anywhere, so that no process serves from its memory or from Redis what another has invalidated.
//
// Position    One a process, at work on one loop from start() to stop(); beside the store and every loop's SecondLevel.
// Guarantee   An invalidation announced while Redis can be reached takes effect in every process that hears it within a message's
//             way, and for what this process reads from Redis at once. What is read from Redis counts only while this process is
//             sure that it hears everything; when messages may have been missed, everything in memory is dropped.
// Algorithm   A script numbers each invalidation, writes it into a log (the last kLogMax) and publishes it. A kept answer carries
//             the number known when its fill began; it is good when no later item of the log names it. Numbers start at the
//             server's clock in microseconds, so those of an emptied server are larger than any before. That the subscription is
//             alive is proved by a message of one's own.
// Memory      The log: kLogMax items.
// Threads     announce_*, good(), synced(), sequence(), trouble(): any. start() and stop(): the loop's.
// When it fails  Without Redis announcements wait, up to kWaitingMax, then one for everything takes their place. While Redis is full
//             they cannot be numbered: the others are told by a message alone, drop what it names from memory and do not read it
//             from Redis, until it gets its number.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "pipeline/cache/l2_blob.h"
#include "pipeline/cache/l2_counters.h"
#include "pipeline/cache/spin_lock.h"
#include "pipeline/cache/store.h"
#include "runtime/event_loop.h"
#include "store/redis.h"

namespace tidegate::cache {

class Coherence {
  public:
    static constexpr std::size_t kLogMax = 8192;
    static constexpr std::size_t kWaitingMax = 4096;

    /// `prefix`: of every name in Redis and of the channel; processes that share it share the cache. `store` and `counters`
    /// outlive it.
    Coherence(ResponseStore& store, L2Counters& counters, Random& random, std::string prefix);
    ~Coherence();
    Coherence(const Coherence&) = delete;
    Coherence& operator=(const Coherence&) = delete;

    /// Once, on the loop. What was announced before goes out then.
    void start(runtime::EventLoop& loop, store::Redis& redis);
    /// On the same loop, before `redis` goes. Afterwards it is not synced, and what is announced is told to nobody.
    void stop();

    /// The other processes that share the prefix drop it; here the caller does so right after (Invalidator).
    void announce_key(const Key& key);
    void announce_prefix(std::string_view path_prefix);
    void announce_tag(std::uint64_t tag);
    void announce_all();

    bool synced() const noexcept { return synced_.load(std::memory_order_acquire); }
    /// Take it before what an answer is made of is read.
    std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }
    /// Nothing that was invalidated after its fill began names it.
    bool good(const Unpacked& answer) const TG_EXCLUDES(lock_);
    /// What keeps processes from sharing now, in words; empty: nothing.
    std::string_view trouble() const noexcept;

  private:
    class Pulse;
    using Items = std::unordered_map<std::string, std::size_t>;

    struct Item {
        std::uint64_t sequence = 0;
        std::string text;
    };

    void announce(std::string item) TG_EXCLUDES(lock_);
    void take(std::string item) TG_EXCLUDES(lock_);
    void send_waiting();
    void send(const std::string& item);
    void on_sent(const std::string& item, const Result<store::RedisReply>& reply) TG_EXCLUDES(lock_);
    void end_batch() TG_EXCLUDES(lock_);
    void tell_unnumbered();
    void hear_unnumbered(std::string_view item) TG_EXCLUDES(lock_);
    void forget_own(const std::string& item) TG_EXCLUDES(lock_);
    bool unsettled(const Unpacked& answer) const TG_REQUIRES(lock_);
    void on_message(std::string_view message);
    void hear(std::uint64_t number, std::string_view item);
    void on_lost();
    void on_state(bool connected);
    void prove();
    void take_snapshot();
    void on_snapshot(const store::RedisReply& reply);
    void note(std::uint64_t sequence, std::string_view item) TG_EXCLUDES(lock_);
    void note_locked(std::uint64_t sequence, std::string_view item) TG_REQUIRES(lock_);
    void apply(std::string_view item);

    ResponseStore& store_;
    L2Counters& counters_;
    const std::string prefix_, channel_, self_;
    // Callbacks of Redis may come when this has stopped.
    std::shared_ptr<Coherence*> alive_;
    const std::weak_ptr<Coherence*> weak_;
    // From start() to stop().
    runtime::EventLoop* loop_ = nullptr;
    store::Redis* redis_ = nullptr;
    std::unique_ptr<Pulse> pulse_;
    std::deque<std::string> waiting_;
    std::size_t batch_ = 0, sending_ = 0;  // Announcements in the batch under way; of those, without a reply.
    bool batch_failed_ = false;
    bool all_waiting_ = false;
    std::uint64_t proofs_ = 0;  // The number of the message by which the way is being proved.
    std::uint64_t losses_ = 0;
    bool snapshot_under_way_ = false;
    std::vector<Item> meanwhile_;  // Heard while the snapshot was under way.

    std::atomic<bool> synced_{false};
    std::atomic<bool> connected_{false};
    std::atomic<bool> stuck_{false};  // Redis is there and does not number what is announced.
    std::atomic<std::uint64_t> sequence_{0};
    mutable SpinLock lock_;
    std::shared_ptr<runtime::Mailbox> mailbox_ TG_GUARDED_BY(lock_);  // Null before start().
    std::vector<std::string> early_ TG_GUARDED_BY(lock_);             // Announced before start().
    Items own_ TG_GUARDED_BY(lock_);     // Announced here and not numbered yet, with how often.
    Items others_ TG_GUARDED_BY(lock_);  // Told by others without a number.
    std::unordered_map<std::uint64_t, std::uint64_t> tags_ TG_GUARDED_BY(lock_);  // To the number of the last item.
    std::unordered_map<std::string, std::uint64_t> keys_ TG_GUARDED_BY(lock_);    // By their text.
    std::vector<std::pair<std::string, std::uint64_t>> prefixes_ TG_GUARDED_BY(lock_);
    std::uint64_t all_ TG_GUARDED_BY(lock_) = 0;
    std::uint64_t floor_ TG_GUARDED_BY(lock_) = 0;  // Items up to here are not in the log any more.
};

}  // namespace tidegate::cache
