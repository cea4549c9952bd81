#include "pipeline/stream_watch.h"

#include "pipeline/context.h"
#include "runtime/timer_wheel.h"

namespace tidegate::pipeline {

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
    if (!caller || caller->kind != Caller::Kind::kKey) return;
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
    std::vector<std::shared_ptr<Context>> ending;
    Bucket& mine = bucket(loop_index);
    {
        const Lock lock(mine.mutex);
        std::erase_if(mine.running, [&](const std::weak_ptr<Context>& weak) {
            auto context = weak.lock();
            if (!context) return true;
            if (!context->caller()->revoked.load(std::memory_order_relaxed)) return false;
            ending.push_back(std::move(context));
            return true;
        });
    }
    // Outside the lock: what hears of the end may start another stream.
    for (const auto& context : ending) {
        const http::ExchangePtr exchange = context->exchange();
        if (!exchange || exchange->unreachable()) continue;
        context->fail_stream({ErrorCode::kUnauthenticated, "The key was revoked."});
        cut_.add();
        exchange->cut();
    }
}

}  // namespace tidegate::pipeline
