#include "services/inference/loops.h"

#include <utility>

#include "model/batcher_sink.h"
#include "runtime/event_loop.h"

namespace tidegate::inference {

class Loops::OfLoop final : public runtime::Timer {
  public:
    explicit OfLoop(runtime::EventLoop& loop) : sink(std::make_shared<model::LoopSink>(loop.mailbox())), loop_(&loop) {}
    ~OfLoop() override = default;

    void add(Flag flag) {
        if (loop_ == nullptr) return flag->store(true, std::memory_order_relaxed);
        const SteadyTime due = loop_->now() + kPatience;
        if (waiting_.empty()) loop_->timers().schedule(*this, due);
        waiting_.push_back({due, std::move(flag)});
    }
    const std::shared_ptr<model::AnswerSink> sink;

    void stop() {
        if (loop_ == nullptr) return;
        loop_->timers().cancel(*this);
        loop_ = nullptr;
        for (const Leaving& one : waiting_) one.flag->store(true, std::memory_order_relaxed);
        waiting_.clear();
    }

  private:
    struct Leaving {
        SteadyTime due;
        Flag flag;
    };
    void on_timer() override {
        const SteadyTime now = loop_->now();
        while (!waiting_.empty() && waiting_.front().due <= now) {
            waiting_.front().flag->store(true, std::memory_order_relaxed);
            waiting_.pop_front();
        }
        if (!waiting_.empty()) loop_->timers().schedule(*this, waiting_.front().due);
    }

    runtime::EventLoop* loop_;
    std::deque<Leaving> waiting_;  // All wait for the same time: in the order of their ends.
};

Loops::Loops() = default;
Loops::~Loops() = default;

void Loops::prepare_loops(unsigned loops) {
    loops_.resize(loops);
}

void Loops::on_loop_start(pipeline::LoopParts& parts) {
    loops_[parts.index] = std::make_shared<OfLoop>(parts.loop);
}

void Loops::on_loop_stop(pipeline::LoopParts& parts) {
    if (loops_[parts.index]) loops_[parts.index]->stop();
}

std::shared_ptr<model::AnswerSink> Loops::sink(const pipeline::LoopParts* parts) const {
    if (parts == nullptr || parts->index >= loops_.size() || !loops_[parts->index]) return nullptr;
    return loops_[parts->index]->sink;
}

Loops::Flag Loops::watch(const http::ExchangePtr& exchange, pipeline::LoopParts* parts) {
    auto flag = std::make_shared<std::atomic<bool>>(false);
    std::shared_ptr<OfLoop> of_loop;
    if (parts != nullptr && parts->index < loops_.size()) of_loop = loops_[parts->index];
    exchange->on_gone([flag, of_loop = std::move(of_loop), held = std::weak_ptr(exchange)] {
        const auto still = held.lock();
        if (of_loop && still && !still->unreachable()) return of_loop->add(flag);
        flag->store(true, std::memory_order_relaxed);
    });
    return flag;
}

}  // namespace tidegate::inference
