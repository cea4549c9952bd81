// MicroBatcher: merges single requests that come at the same time into one call to an upstream that takes a list.
//
// Algorithm   Nothing waits while no call is under way: an item goes out at once, alone if need be. While calls are under
//             way items gather, and a batch is cut when it is full (items or bytes), when a call comes back (idle), or when
//             its first item has waited `wait_max` and fewer than `calls_max` calls are under way (time).
// Guarantee   Answer i belongs to item i or to nobody: a list of another length is an error for all. An item's error is its
//             own. Only items of one group share a call. Each item hears exactly once, on its own loop, unless it cancelled
//             in time; a send that drops its BatchDone answers all with kUnavailable. A batch that is isolated goes out
//             again item by item, once, within calls_max and before whoever waits.
// Memory      At most `waiting_max` items waiting and calls_max batches under way; isolated ones wait above that number.
// Threads     Any; one short lock, held neither while sending nor while telling. `send` runs on the thread that cut the
//             batch: a loop, which uses its own client.
// When full   submit() says kUnavailable; an item over `bytes_max` kTooLarge.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "runtime/event_loop.h"

namespace tidegate::upstream {

struct BatchOptions {
    std::uint32_t items_max = 32;
    std::uint64_t bytes_max = 1024 * 1024;
    Duration wait_max = std::chrono::milliseconds(5);
    std::uint32_t calls_max = 4;
    std::uint32_t waiting_max = 1024;
};

enum class Cut : std::uint8_t { kFull, kTime, kIdle, kAlone };
inline constexpr std::size_t kCuts = 4;
std::string_view to_string(Cut cut) noexcept;

/// What the sender puts beside an item or an answer; never looked at here.
using Attachment = std::shared_ptr<const void>;
/// One item's answer: its slice of the upstream's answer, or its own error.
using ItemAnswer = Result<std::string>;
/// One for each item of the batch, in order; or one error for all: kDataLoss when the upstream answered and its answer was not
/// of the form agreed.
using BatchAnswer = Result<std::vector<ItemAnswer>>;

struct Batch {
    std::string group;
    std::vector<std::string> items;
    SteadyTime deadline = SteadyTime::max();  // The latest of its items'.
    Cut cut = Cut::kIdle;
    std::vector<std::uint32_t> counts;  // Rows of each item.
    SteadyTime cut_at{};
    bool alone = false;  // One item of a batch that was isolated.
    Attachment first;    // Of the first item.
};

struct BatchSnapshot {
    std::uint32_t waiting = 0;
    std::uint32_t under_way = 0;  // Calls.
    std::uint64_t items = 0;
    std::uint64_t batches = 0;
    std::array<std::uint64_t, kCuts> cuts{};
    /// Batches by size: 1, 2, 3-4, 5-8, 9-16, 17-32, 33-64, more.
    std::array<std::uint64_t, 8> sizes{};
    std::uint64_t wait_ns = 0;  // Of all items, before their batch was cut.
    std::uint64_t refused = 0;
    std::uint64_t expired = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t items_failed = 0;
    std::uint64_t calls_failed = 0;  // With one error for all.
    std::uint64_t mismatches = 0;    // Of these, answers that were not of the form or length agreed.
    std::uint64_t isolated = 0;      // Items sent again by themselves.
};

class MicroBatcher;

/// The way back of one batch. Call once, on any thread, later than `send`; dropped uncalled, all items fail.
class BatchDone {
  public:
    BatchDone(BatchDone&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), call_(other.call_), cut_at_(other.cut_at_) {}
    BatchDone& operator=(BatchDone&&) = delete;
    ~BatchDone();
    /// `note` goes to every item with its answer.
    void operator()(BatchAnswer answer, SteadyTime now, Attachment note = {});
    /// Instead: the upstream refused the batch, so each of its `items` is to be asked about by itself.
    void isolate(std::vector<std::string> items, SteadyTime now);

  private:
    friend class MicroBatcher;
    BatchDone(MicroBatcher& owner, std::uint64_t call, SteadyTime cut_at)
        : owner_(&owner), call_(call), cut_at_(cut_at) {}
    MicroBatcher* owner_;
    std::uint64_t call_;
    SteadyTime cut_at_;
};

class MicroBatcher {
  public:
    using ItemId = std::uint64_t;
    using Send = std::function<void(Batch batch, BatchDone done)>;
    struct Item {
        std::string group;  // Only items of equal groups share a call: target path, shared members, credentials.
        std::string json;   // One JSON value, checked (batch_json.h).
        SteadyTime deadline = SteadyTime::max();
        std::shared_ptr<runtime::Mailbox> mailbox;  // Of the asker's loop.
        std::move_only_function<void(ItemAnswer, const Attachment& note)> told;
        std::uint32_t count = 1;  // Rows of the upstream's list that it takes.
        Attachment attachment;    // Goes with the batch of which it is the first.
    };

    MicroBatcher(const BatchOptions& options, Send send);
    /// No call is under way any more.
    ~MicroBatcher();
    MicroBatcher(const MicroBatcher&) = delete;
    MicroBatcher& operator=(const MicroBatcher&) = delete;

    Result<ItemId> submit(Item item, SteadyTime now) TG_EXCLUDES(mutex_);
    /// True: it will not be told, and if it still waited it will not be sent.
    bool cancel(ItemId id) TG_EXCLUDES(mutex_);
    /// Cuts what is due, ends what is late; returns when to call again. After submit() too: the time may have come nearer.
    SteadyTime tick(SteadyTime now) TG_EXCLUDES(mutex_);
    /// Nothing more is sent: whoever waits hears kUnavailable, calls under way come to their end.
    void close() TG_EXCLUDES(mutex_);
    SteadyTime next_due() const TG_EXCLUDES(mutex_);
    BatchSnapshot snapshot() const TG_EXCLUDES(mutex_);

  private:
    friend class BatchDone;
    struct Waiting;
    struct Open;
    struct Told;
    struct Ready;
    using OpenAt = std::list<Open>::iterator;
    using Tellings = std::vector<Told>;

    void finish(std::uint64_t call, BatchAnswer answer, SteadyTime now, const Attachment& note) TG_EXCLUDES(mutex_);
    void isolate(std::uint64_t call, std::vector<std::string> items, SteadyTime now) TG_EXCLUDES(mutex_);
    Open& open_for(const Item& item, SteadyTime now) TG_REQUIRES(mutex_);
    void next_after_call(SteadyTime now, std::vector<Ready>& ready) TG_REQUIRES(mutex_);
    void cut(OpenAt open, Cut why, SteadyTime now, std::vector<Ready>& ready) TG_REQUIRES(mutex_);
    void cut_due(SteadyTime now, std::vector<Ready>& ready) TG_REQUIRES(mutex_);
    void expire(SteadyTime now, Tellings& tellings) TG_REQUIRES(mutex_);
    bool has_room_for_call() const TG_REQUIRES(mutex_);
    void settle(ItemId id, ItemAnswer answer, Tellings& tellings, const Attachment& note = {}) TG_REQUIRES(mutex_);
    void take_from_open(ItemId id, const Waiting& item) TG_REQUIRES(mutex_);
    SteadyTime due() const TG_REQUIRES(mutex_);
    void send_all(std::vector<Ready> ready);
    static void tell(Tellings tellings);

    const BatchOptions options_;
    const Send send_;
    mutable Mutex mutex_;
    std::list<Open> open_ TG_GUARDED_BY(mutex_);  // Oldest first; several of one group when full ones wait for a call.
    std::unordered_map<ItemId, Waiting> items_ TG_GUARDED_BY(mutex_);
    std::set<std::pair<SteadyTime, ItemId>> deadlines_ TG_GUARDED_BY(mutex_);
    std::unordered_map<std::uint64_t, std::vector<ItemId>> calls_ TG_GUARDED_BY(mutex_);
    std::uint64_t next_id_ TG_GUARDED_BY(mutex_) = 1;
    BatchSnapshot counts_ TG_GUARDED_BY(mutex_);
    bool closed_ TG_GUARDED_BY(mutex_) = false;
};

}  // namespace tidegate::upstream
