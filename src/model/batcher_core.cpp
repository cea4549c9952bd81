#include "model/batcher_core.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace tidegate::model {
namespace {

// The keeper looks so often at least while something waits or runs: who has gone is noticed within that.
constexpr Duration kLookEvery = std::chrono::milliseconds(100);
// The same while a pass runs that takes longer than this, so that one whose clients have all gone can be cancelled.
constexpr Duration kLongRun = std::chrono::milliseconds(10);
// The keeper's looks walk the whole queue: not more often than this.
constexpr Duration kLookApart = std::chrono::milliseconds(1);

// Whose thread this is.
thread_local const void* thread_of = nullptr;

// Threads whose batcher was let go on them. Somebody else's close(), or the end of the process, joins them.
class Orphans {
  public:
    ~Orphans() { join(); }
    void add(std::thread thread) {
        const Lock lock(mutex_);
        threads_.push_back(std::move(thread));
    }
    void join() {
        std::vector<std::thread> ended;
        {
            const Lock lock(mutex_);
            ended.swap(threads_);
        }
        for (std::thread& thread : ended) thread.join();
    }

  private:
    Mutex mutex_;
    std::vector<std::thread> threads_ TG_GUARDED_BY(mutex_);
};

Orphans& orphans() {
    static Orphans all;
    return all;
}

}  // namespace

Batcher::Core::Core(std::string name, BatcherOptions options, std::vector<std::shared_ptr<Session>> sessions,
                    const Clock& clock)
    : name_(std::move(name)),
      options_(std::move(options)),
      sessions_(std::move(sessions)),
      clock_(clock),
      stats_(options_.rows_max),
      queue_(options_) {
    for (unsigned i = 0; i < options_.instances; ++i) {
        instances_.push_back(std::make_unique<Instance>(options_));
        instances_.back()->session = sessions_[i % sessions_.size()].get();
    }
}

void Batcher::Core::start(const std::shared_ptr<Core>& core) {
    for (unsigned i = 0; i < core->options_.instances; ++i) {
        core->threads_.emplace_back([core, i] {
            thread_of = core.get();
            ::pthread_setname_np(::pthread_self(), ("model:" + core->name_).substr(0, 15).c_str());
            if (core->options_.thread_began) core->options_.thread_began(i);
            core->run_instance(*core->instances_[i]);
        });
    }
    core->threads_.emplace_back([core] {
        thread_of = core.get();
        ::pthread_setname_np(::pthread_self(), ("keep:" + core->name_).substr(0, 15).c_str());
        core->keep();
    });
}

void Batcher::Core::run_instance(Instance& me) {
    while (take(me)) {
        if (!me.dropped.empty()) tell_dropped(me.dropped);
        if (!me.batch.members.empty()) compute(me);
    }
}

// Gives back the last pass and takes the next; false when there will be none.
bool Batcher::Core::take(Instance& me) {
    const Lock lock(mutex_);
    if (me.busy) {
        me.busy = false;
        --busy_;
        stats_.rows_in_flight.fetch_sub(me.batch.rows, std::memory_order_relaxed);
        for (Waiting* waiting : me.batch.members) queue_.release(*waiting);
        me.batch.clear();
    }
    for (;;) {
        const SteadyTime now = clock_.now();
        const bool closed = closed_.load(std::memory_order_relaxed);
        const SteadyTime at = queue_.cut_at(now, closed);
        if (at == SteadyTime::max()) {
            if (closed) return false;
            ++idle_;
            wake_.wait(mutex_);
            --idle_;
            if (woken_ > 0) --woken_;
            continue;
        }
        if (at > now) {
            ++gathering_;
            wake_.wait_for(mutex_, at - now);
            --gathering_;
            if (woken_ > 0) --woken_;
            continue;
        }
        queue_.cut(now, times_, me.batch, me.dropped);
        stats_.rows_waiting.store(queue_.rows(), std::memory_order_relaxed);
        if (!me.batch.members.empty()) begin_pass(me, now);
        // What is left is another instance's, if one is idle.
        if (!queue_.empty() && wake_one()) wake_.notify_one();
        if (!me.batch.members.empty() || !me.dropped.empty()) return true;
    }
}

void Batcher::Core::begin_pass(Instance& me, SteadyTime now) {
    me.busy = true;
    ++busy_;
    me.began = now;
    me.expected = times_.expected(me.batch.units(), now);
    me.cancelled.store(false, std::memory_order_relaxed);
    me.computing.store(true, std::memory_order_relaxed);
    stats_.rows_in_flight.fetch_add(me.batch.rows, std::memory_order_relaxed);
    const bool may_be_long = me.expected.count() == 0 || me.expected >= kLongRun;
    look_by(now, now + (may_be_long ? kLongRun : kLookEvery));
}

// Whether an idle instance is to be woken for what waits.
bool Batcher::Core::wake_one() {
    if (gathering_ > 0 || idle_ <= woken_) return false;
    const std::uint64_t a_pass = options_.batches ? options_.rows_max : 1;
    if (woken_ > 0 && queue_.load_up_to(options_.priorities) <= woken_ * a_pass) return false;
    ++woken_;
    return true;
}

void Batcher::Core::look_by(SteadyTime now, SteadyTime at) {
    at = std::max(at, now + kLookApart);
    if (at >= keeper_at_) return;
    keeper_at_ = at;
    keeper_wake_.notify_one();
}

void Batcher::Core::look(SteadyTime now, std::vector<Dropped>& dropped) {
    const SteadyTime due = queue_.sweep(now, dropped);
    swept_at_ = now;
    stats_.rows_waiting.store(queue_.rows(), std::memory_order_relaxed);
    bool long_run = false;
    for (const auto& instance : instances_) {
        if (!instance->busy) continue;
        const bool all_gone = std::ranges::all_of(instance->batch.members, [](const Waiting* waiting) {
            const auto& gone = waiting->request.gone;
            return gone != nullptr && gone->load(std::memory_order_relaxed);
        });
        if (all_gone) instance->cancelled.store(true, std::memory_order_relaxed);
        long_run = long_run || instance->expected.count() == 0 || instance->expected >= kLongRun ||
                   now - instance->began >= kLongRun;
    }
    keeper_at_ = SteadyTime::max();
    if (busy_ > 0 || !queue_.empty()) {
        keeper_at_ = std::max(std::min(due, now + (long_run ? kLongRun : kLookEvery)), now + kLookApart);
    }
}

void Batcher::Core::keep() {
    std::vector<Dropped> dropped;
    for (;;) {
        {
            const Lock lock(mutex_);
            for (;;) {
                if (keeper_ends_) return;
                const SteadyTime now = clock_.now();
                if (keeper_at_ <= now) {
                    look(now, dropped);
                    break;
                }
                if (keeper_at_ == SteadyTime::max()) {
                    keeper_wake_.wait(mutex_);
                } else {
                    keeper_wake_.wait_for(mutex_, keeper_at_ - now);
                }
            }
        }
        if (!dropped.empty()) tell_dropped(dropped);
    }
}

void Batcher::Core::tick() {
    std::vector<Dropped> dropped;
    {
        const Lock lock(mutex_);
        look(clock_.now(), dropped);
    }
    tell_dropped(dropped);
    wake_.notify_all();  // Who gathers reads the clock again.
}

// Empties `dropped` and gives its nodes back.
void Batcher::Core::tell_dropped(std::vector<Dropped>& dropped) {
    if (dropped.empty()) return;
    const SteadyTime now = clock_.now();
    std::vector<Told> told;
    std::vector<Answered> scratch;
    told.reserve(dropped.size());
    for (const auto& [waiting, how] : dropped) {
        const Duration waited = now - waiting->arrived;
        if (!waiting->part) count_end(how, waited);
        told.push_back({std::move(waiting->request.done), std::unexpected(error_of(how, waited)),
                        std::move(waiting->request.sink)});
    }
    deliver(told, scratch);
    const Lock lock(mutex_);
    for (const auto& entry : dropped) queue_.release(*entry.waiting);
    dropped.clear();
}

void Batcher::Core::close(Close how) {
    std::vector<Dropped> dropped;
    bool first = false;
    {
        const Lock lock(mutex_);
        closed_.store(true);
        if (how == Close::kRefuse) {
            queue_.take_all(Ended::kClosed, dropped);
            stats_.rows_waiting.store(0, std::memory_order_relaxed);
        }
        first = !std::exchange(joining_, true);
    }
    wake_.notify_all();
    tell_dropped(dropped);
    // Inline passes are under their bound; those that come now see that it is closed.
    while (inline_now_.load() > 0) std::this_thread::yield();
    const bool own_thread = thread_of == this;
    if (!first) {
        if (own_thread) return;
        const Lock lock(mutex_);
        while (!stopped_) stopped_wake_.wait(mutex_);
        return;
    }
    const auto end = [](std::thread& thread) {
        if (thread.get_id() == std::this_thread::get_id()) {
            // It goes on to the end of its work, and holds this object so long.
            orphans().add(std::move(thread));
        } else {
            thread.join();
        }
    };
    for (std::size_t i = 0; i + 1 < threads_.size(); ++i) end(threads_[i]);
    {
        const Lock lock(mutex_);
        keeper_ends_ = true;
    }
    keeper_wake_.notify_all();
    end(threads_.back());
    {
        const Lock lock(mutex_);
        stopped_ = true;
    }
    stopped_wake_.notify_all();
    // Not on a batcher's thread: two of them could wait for each other.
    if (thread_of == nullptr) orphans().join();
}

}  // namespace tidegate::model
