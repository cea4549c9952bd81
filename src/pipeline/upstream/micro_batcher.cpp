#include "pipeline/upstream/micro_batcher.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/assert.h"

namespace tidegate::upstream {

struct MicroBatcher::Waiting {
    Item item;
    SteadyTime since{};
    std::uint64_t batch = 0;  // Number of the open batch that holds it; 0 once it is sent.
};

struct MicroBatcher::Open {
    std::uint64_t number = 0;
    std::string group;
    std::vector<ItemId> ids;
    std::size_t bytes = 0;
    std::uint64_t count = 0;  // Rows.
    SteadyTime since{};       // Of its first item.
    bool alone = false;
    bool full = false;  // An item that fits no more has opened the next.
};

struct MicroBatcher::Told {
    Item item;
    ItemAnswer answer;
    Attachment note;
};

struct MicroBatcher::Ready {
    Batch batch;
    BatchDone done;
};

std::string_view to_string(Cut cut) noexcept {
    static constexpr std::array<std::string_view, kCuts> kNames{"full", "time", "idle", "alone"};
    return kNames[static_cast<std::size_t>(cut)];
}

BatchDone::~BatchDone() {
    if (owner_ != nullptr) (*this)(fail(ErrorCode::kUnavailable, "the call was dropped"), cut_at_);
}

void BatchDone::operator()(BatchAnswer answer, SteadyTime now, Attachment note) {
    TG_ASSERT(owner_ != nullptr);
    std::exchange(owner_, nullptr)->finish(call_, std::move(answer), now, note);
}

void BatchDone::isolate(std::vector<std::string> items, SteadyTime now) {
    TG_ASSERT(owner_ != nullptr);
    std::exchange(owner_, nullptr)->isolate(call_, std::move(items), now);
}

MicroBatcher::MicroBatcher(const BatchOptions& options, Send send) : options_(options), send_(std::move(send)) {}

MicroBatcher::~MicroBatcher() {
    Tellings tellings;
    {
        const Lock lock(mutex_);
        TG_ASSERT(calls_.empty());
        while (!items_.empty()) {
            settle(items_.begin()->first, fail(ErrorCode::kUnavailable, "shutting down"), tellings);
        }
    }
    tell(std::move(tellings));
}

bool MicroBatcher::has_room_for_call() const {
    return calls_.size() < options_.calls_max;
}

MicroBatcher::Open& MicroBatcher::open_for(const Item& item, SteadyTime now) {
    const auto newest =
        std::find_if(open_.rbegin(), open_.rend(), [&](const Open& o) { return o.group == item.group; });
    if (newest != open_.rend() && !newest->full) {
        const bool fits =
            newest->bytes + item.json.size() <= options_.bytes_max && newest->count + item.count <= options_.items_max;
        if (fits) return *newest;
        newest->full = true;
    }
    Open& fresh = open_.emplace_back();
    fresh.number = next_id_++;
    fresh.group = item.group;
    fresh.since = now;
    return fresh;
}

Result<MicroBatcher::ItemId> MicroBatcher::submit(Item item, SteadyTime now) {
    TG_ASSERT(item.mailbox != nullptr && item.told != nullptr);
    if (item.json.size() > options_.bytes_max)
        return fail(ErrorCode::kTooLarge, "the item is larger than a batch may be");
    if (item.deadline <= now) return fail(ErrorCode::kDeadlineExceeded, "the deadline has passed");
    std::vector<Ready> ready;
    ItemId id = 0;
    {
        const Lock lock(mutex_);
        if (closed_ || counts_.waiting >= options_.waiting_max) {
            ++counts_.refused;
            return fail(ErrorCode::kUnavailable, "too many items wait for the upstream");
        }
        id = next_id_++;
        Open& open = open_for(item, now);
        open.ids.push_back(id);
        open.bytes += item.json.size();
        open.count += item.count;
        open.full = open.count >= options_.items_max || open.bytes >= options_.bytes_max;
        if (item.deadline != SteadyTime::max()) deadlines_.emplace(item.deadline, id);
        items_.emplace(id, Waiting{std::move(item), now, open.number});
        ++counts_.waiting;
        ++counts_.items;
        cut_due(now, ready);
    }
    send_all(std::move(ready));
    return id;
}

void MicroBatcher::cut_due(SteadyTime now, std::vector<Ready>& ready) {
    for (auto open = open_.begin(); open != open_.end() && has_room_for_call();) {
        const auto current = open++;
        if (current->full) {
            cut(current, current->alone ? Cut::kAlone : Cut::kFull, now, ready);
        } else if (calls_.empty()) {
            cut(current, Cut::kIdle, now, ready);
        } else if (now - current->since >= options_.wait_max) {
            cut(current, Cut::kTime, now, ready);
        }
    }
}

void MicroBatcher::cut(OpenAt open, Cut why, SteadyTime now, std::vector<Ready>& ready) {
    const std::uint64_t call = next_id_++;
    Batch batch;
    batch.group = std::move(open->group);
    batch.cut = why;
    batch.cut_at = now;
    batch.alone = open->alone;
    batch.first = items_.at(open->ids.front()).item.attachment;
    batch.deadline = SteadyTime::min();
    for (const ItemId id : open->ids) {
        Waiting& waiting = items_.at(id);
        waiting.batch = 0;
        batch.items.push_back(std::move(waiting.item.json));
        batch.counts.push_back(waiting.item.count);
        batch.deadline = std::max(batch.deadline, waiting.item.deadline);
        counts_.wait_ns += static_cast<std::uint64_t>(std::max((now - waiting.since).count(), Duration::rep{0}));
    }
    const std::size_t size = batch.items.size();
    counts_.waiting -= static_cast<std::uint32_t>(size);
    ++counts_.batches;
    ++counts_.cuts[static_cast<std::size_t>(why)];
    // 1, 2, 3-4, 5-8, ...: the width of size - 1.
    const auto bucket = static_cast<std::size_t>(std::bit_width(size - 1));
    ++counts_.sizes[std::min(bucket, counts_.sizes.size() - 1)];
    calls_.emplace(call, std::move(open->ids));
    open_.erase(open);
    ready.push_back({std::move(batch), BatchDone(*this, call, now)});
}

void MicroBatcher::finish(std::uint64_t call, BatchAnswer answer, SteadyTime now, const Attachment& note) {
    Tellings tellings;
    std::vector<Ready> ready;
    {
        const Lock lock(mutex_);
        auto node = calls_.extract(call);
        TG_ASSERT(!node.empty());
        const std::vector<ItemId>& ids = node.mapped();
        if (answer && answer->size() != ids.size()) {
            answer = fail(ErrorCode::kDataLoss, "the upstream gave another number of results than items");
        }
        if (!answer) {
            ++counts_.calls_failed;
            if (answer.error().code == ErrorCode::kDataLoss) ++counts_.mismatches;
        }
        for (std::size_t i = 0; i < ids.size(); ++i) {
            ItemAnswer own = answer ? std::move((*answer)[i]) : ItemAnswer(std::unexpected(answer.error()));
            if (!own) ++counts_.items_failed;
            settle(ids[i], std::move(own), tellings, note);
        }
        next_after_call(now, ready);
    }
    tell(std::move(tellings));
    send_all(std::move(ready));
}

void MicroBatcher::next_after_call(SteadyTime now, std::vector<Ready>& ready) {
    cut_due(now, ready);
    // The call that came back makes room for whoever gathered meanwhile.
    if (ready.empty() && !open_.empty() && has_room_for_call()) cut(open_.begin(), Cut::kIdle, now, ready);
}

void MicroBatcher::isolate(std::uint64_t call, std::vector<std::string> items, SteadyTime now) {
    Tellings tellings;
    std::vector<Ready> ready;
    {
        const Lock lock(mutex_);
        auto node = calls_.extract(call);
        TG_ASSERT(!node.empty() && node.mapped().size() == items.size());
        // The last first, so that they stand in front in their order.
        for (std::size_t i = items.size(); i-- > 0;) {
            const ItemId id = node.mapped()[i];
            const auto found = items_.find(id);
            if (found == items_.end()) continue;  // Cancelled or expired.
            if (closed_) {
                settle(id, fail(ErrorCode::kUnavailable, "shutting down"), tellings);
                continue;
            }
            Waiting& waiting = found->second;
            Open& single = open_.emplace_front();
            single.number = next_id_++;
            single.group = waiting.item.group;
            single.ids = {id};
            single.bytes = items[i].size();
            single.count = waiting.item.count;
            single.since = now;
            single.full = single.alone = true;
            waiting.item.json = std::move(items[i]);
            waiting.since = now;
            waiting.batch = single.number;
            ++counts_.waiting;
            ++counts_.isolated;
        }
        next_after_call(now, ready);
    }
    tell(std::move(tellings));
    send_all(std::move(ready));
}

void MicroBatcher::close() {
    Tellings tellings;
    {
        const Lock lock(mutex_);
        closed_ = true;
        for (const Open& open : std::exchange(open_, {})) {
            for (const ItemId id : open.ids) settle(id, fail(ErrorCode::kUnavailable, "shutting down"), tellings);
        }
        counts_.waiting = 0;
    }
    tell(std::move(tellings));
}

void MicroBatcher::settle(ItemId id, ItemAnswer answer, Tellings& tellings, const Attachment& note) {
    auto node = items_.extract(id);
    if (node.empty()) return;  // Cancelled or expired.
    deadlines_.erase({node.mapped().item.deadline, id});
    tellings.push_back({std::move(node.mapped().item), std::move(answer), note});
}

void MicroBatcher::take_from_open(ItemId id, const Waiting& item) {
    const auto open = std::ranges::find(open_, item.batch, &Open::number);
    TG_ASSERT(open != open_.end());
    std::erase(open->ids, id);
    open->bytes -= item.item.json.size();
    open->count -= item.item.count;
    --counts_.waiting;
    // It may take others again, if none has been put behind it meanwhile; if one has, it goes as it is.
    const bool is_last =
        std::none_of(std::next(open), open_.end(), [&](const Open& o) { return o.group == open->group; });
    if (is_last) open->full = false;
    if (open->ids.empty()) open_.erase(open);
}

bool MicroBatcher::cancel(ItemId id) {
    const Lock lock(mutex_);
    const auto found = items_.find(id);
    if (found == items_.end()) return false;
    if (found->second.batch != 0) take_from_open(id, found->second);
    deadlines_.erase({found->second.item.deadline, id});
    items_.erase(found);
    ++counts_.cancelled;
    return true;
}

void MicroBatcher::expire(SteadyTime now, Tellings& tellings) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const ItemId id = deadlines_.begin()->second;
        const Waiting& waiting = items_.at(id);
        if (waiting.batch != 0) take_from_open(id, waiting);
        ++counts_.expired;
        settle(id, fail(ErrorCode::kDeadlineExceeded, "no answer before the deadline"), tellings);
    }
}

SteadyTime MicroBatcher::tick(SteadyTime now) {
    Tellings tellings;
    std::vector<Ready> ready;
    SteadyTime next{};
    {
        const Lock lock(mutex_);
        expire(now, tellings);
        cut_due(now, ready);
        next = due();
    }
    tell(std::move(tellings));
    send_all(std::move(ready));
    return next;
}

SteadyTime MicroBatcher::due() const {
    SteadyTime soonest = deadlines_.empty() ? SteadyTime::max() : deadlines_.begin()->first;
    // Without room for a call the next thing to happen is that one comes back.
    if (has_room_for_call()) {
        for (const Open& open : open_) soonest = std::min(soonest, open.since + options_.wait_max);
    }
    return soonest;
}

SteadyTime MicroBatcher::next_due() const {
    const Lock lock(mutex_);
    return due();
}

BatchSnapshot MicroBatcher::snapshot() const {
    const Lock lock(mutex_);
    BatchSnapshot shot = counts_;
    shot.under_way = static_cast<std::uint32_t>(calls_.size());
    return shot;
}

void MicroBatcher::send_all(std::vector<Ready> ready) {
    for (Ready& one : ready) send_(std::move(one.batch), std::move(one.done));
}

void MicroBatcher::tell(Tellings tellings) {
    for (Told& one : tellings) {
        const auto mailbox = std::move(one.item.mailbox);
        // A loop that has ended has nobody left who waits.
        mailbox->post([told = std::move(one.item.told), answer = std::move(one.answer),
                       note = std::move(one.note)]() mutable { told(std::move(answer), note); });
    }
}

}  // namespace tidegate::upstream
