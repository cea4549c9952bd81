// Batcher::Core: the queue, the instances' threads and the keeper of one batcher.
//
// Position    Batcher holds it; its threads hold it too, so that an answer that lets the last Batcher go on one of them is safe.
// Algorithm   One lock over the queue, taken once a request and once a pass, never while something is computed, copied or told.
//             An idle instance is woken when work comes; while one is on its way no second is woken unless more waits than
//             one pass takes. The keeper sleeps while nothing waits or runs.
// Threads     `instances` that compute, one keeper (time-outs, clients that have gone).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "model/batcher.h"
#include "model/batcher_pass.h"
#include "model/batcher_queue.h"
#include "model/batcher_times.h"

namespace tidegate::model {

class Batcher::Core {
  public:
    Core(std::string name, BatcherOptions options, std::vector<std::shared_ptr<Session>> sessions, const Clock& clock);
    static void start(const std::shared_ptr<Core>& core);

    void submit(BatchRequest&& request) TG_EXCLUDES(mutex_);
    void close(Close how) TG_EXCLUDES(mutex_);
    Duration retry_after() TG_EXCLUDES(mutex_);
    void tick() TG_EXCLUDES(mutex_);
    const BatcherStats& stats() const noexcept { return stats_; }
    const BatcherOptions& options() const noexcept { return options_; }

  private:
    struct Told {
        AnswerDone done;
        Answer answer;
        std::shared_ptr<AnswerSink> sink;
    };
    // Of one instance's thread. The keeper reads `busy`, `batch.members`, `began` and `expected` under the lock, and their thread
    // writes them under it.
    struct Instance {
        explicit Instance(const BatcherOptions& options) : runner(options) {}
        Session* session = nullptr;
        PassRunner runner;
        Batch batch;
        bool busy = false;
        SteadyTime began{};
        Duration expected{};
        std::atomic<bool> cancelled{false};
        std::atomic<bool> computing{false};  // False: it hands out, and is free in a moment.
        std::vector<Dropped> dropped;
        std::vector<BatchRequest*> requests;
        std::vector<Told> told;
        std::vector<Answered> answers;
    };

    // batcher_core.cpp: the threads.
    void run_instance(Instance& me) TG_EXCLUDES(mutex_);
    bool take(Instance& me) TG_EXCLUDES(mutex_);
    void begin_pass(Instance& me, SteadyTime now) TG_REQUIRES(mutex_);
    void keep() TG_EXCLUDES(mutex_);
    void look(SteadyTime now, std::vector<Dropped>& dropped) TG_REQUIRES(mutex_);
    void look_by(SteadyTime now, SteadyTime at) TG_REQUIRES(mutex_);
    bool wake_one() TG_REQUIRES(mutex_);
    void tell_dropped(std::vector<Dropped>& dropped) TG_EXCLUDES(mutex_);

    // batcher_compute.cpp: one pass.
    void compute(Instance& me);
    void isolate(Instance& me);
    void hand_out(Instance& me, const std::shared_ptr<PassResult>& result, BatcherStats::Pass& pass);
    void fail_all(Instance& me, const Error& error);
    void settle(Waiting& waiting, Answer answer, std::vector<Told>& told);
    static void deliver(std::vector<Told>& told, std::vector<Answered>& scratch);
    bool try_inline(BatchRequest& request);

    // batcher.cpp: what comes in.
    std::optional<Ended> admit(const BatchRequest& request, SteadyTime now, std::vector<Dropped>& dropped)
        TG_REQUIRES(mutex_);
    /// Takes what is in `request`.
    void push(BatchRequest& request, std::uint32_t rows_each, SteadyTime now) TG_REQUIRES(mutex_);
    Duration wait_of(std::uint64_t load, SteadyTime now) TG_REQUIRES(mutex_);
    void refuse(BatchRequest&& request, Ended how, std::string why);
    Error error_of(Ended how, Duration waited) const;
    void count_end(Ended how, Duration since) noexcept;

    const std::string name_;
    const BatcherOptions options_;
    const std::vector<std::shared_ptr<Session>> sessions_;
    const Clock& clock_;
    BatcherStats stats_;
    RunTimes times_;
    InlineGate inline_gate_;

    Mutex mutex_;
    Condition wake_;         // Of instances.
    Condition keeper_wake_;  // Of the keeper.
    Condition stopped_wake_;
    BatchQueue queue_ TG_GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<Instance>> instances_;  // Set before the threads start.
    std::vector<std::thread> threads_;                  // The instances', then the keeper; of the one who closes first.
    unsigned idle_ TG_GUARDED_BY(mutex_) = 0;
    unsigned gathering_ TG_GUARDED_BY(mutex_) = 0;  // Wait for company.
    unsigned woken_ TG_GUARDED_BY(mutex_) = 0;      // Told to wake and not up yet.
    unsigned busy_ TG_GUARDED_BY(mutex_) = 0;
    SteadyTime keeper_at_ TG_GUARDED_BY(mutex_) = SteadyTime::max();
    SteadyTime swept_at_ TG_GUARDED_BY(mutex_){};
    bool joining_ TG_GUARDED_BY(mutex_) = false;
    bool stopped_ TG_GUARDED_BY(mutex_) = false;
    bool keeper_ends_ TG_GUARDED_BY(mutex_) = false;
    std::atomic<bool> closed_{false};  // Written under the lock.
    std::atomic<std::uint32_t> inline_now_{0};
};

}  // namespace tidegate::model
