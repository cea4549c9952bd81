#include "pipeline/stream_watch.h"

#include <optional>
#include <utility>

#include "pipeline/context.h"
#include "runtime/timer_wheel.h"

namespace tidegate::pipeline {

namespace {

/// Why this caller's streams have to end; null: they need not.
const char* reason_to_end(const Caller& caller, UnixMillis now) {
    if (caller.revoked.load(std::memory_order_relaxed)) return "The key was revoked.";
    if (caller.ends.load(std::memory_order_relaxed) > now) return nullptr;
    return caller.kind == Caller::Kind::kKey ? "The key has expired." : "The token has expired.";
}

}  // namespace

/// One loop's timer.
class StreamWatch::Rounds final : private runtime::Timer {
  public:
    Rounds(StreamWatch& watch, runtime::EventLoop& loop, unsigned index) : watch_(watch), loop_(loop), index_(index) {
        loop_.timers().schedule(*this, loop_.now() + kEvery);
    }
    ~Rounds() override { loop_.timers().cancel(*this); }
    Rounds(const Rounds&) = delete;
    Rounds& operator=(const Rounds&) = delete;

  private:
    void on_timer() override {
        watch_.sweep(index_);
        loop_.timers().schedule(*this, loop_.now() + kEvery);
    }

    StreamWatch& watch_;
    runtime::EventLoop& loop_;
    const unsigned index_;
};

StreamWatch::StreamWatch(observe::Counter& cut) : cut_(cut) {}
StreamWatch::~StreamWatch() = default;

StreamWatch::Bucket& StreamWatch::bucket(unsigned loop_index) {
    const Lock lock(mutex_);
    while (buckets_.size() <= loop_index) buckets_.push_back(std::make_unique<Bucket>());
    return *buckets_[loop_index];
}

void StreamWatch::add(const std::shared_ptr<Context>& context, unsigned loop_index) {
    const CallerPtr& caller = context->caller();
    if (!caller || caller->kind == Caller::Kind::kAnonymous) return;
    Bucket& mine = bucket(loop_index);
    const Lock lock(mine.mutex);
    mine.running.push_back(context);
}

void StreamWatch::on_loop_start(LoopParts& parts) {
    bucket(parts.index).rounds = std::make_unique<Rounds>(*this, parts.loop, parts.index);
}

void StreamWatch::on_loop_stop(LoopParts& parts) {
    bucket(parts.index).rounds.reset();
}

void StreamWatch::sweep(unsigned loop_index) {
    std::vector<std::pair<std::shared_ptr<Context>, const char*>> ending;
    std::optional<UnixMillis> now;
    Bucket& mine = bucket(loop_index);
    {
        const Lock lock(mine.mutex);
        std::erase_if(mine.running, [&](const std::weak_ptr<Context>& weak) {
            auto context = weak.lock();
            if (!context) return true;
            if (!now) now = context->clock().unix_ms();
            const char* const reason = reason_to_end(*context->caller(), *now);
            if (reason == nullptr) return false;
            ending.emplace_back(std::move(context), reason);
            return true;
        });
    }
    // Outside the lock: what hears of the end may start another stream.
    for (const auto& [context, reason] : ending) {
        const http::ExchangePtr exchange = context->exchange();
        if (!exchange || exchange->unreachable()) continue;
        context->fail_stream({ErrorCode::kUnauthenticated, reason});
        cut_.add();
        exchange->cut();
    }
}

}  // namespace tidegate::pipeline
