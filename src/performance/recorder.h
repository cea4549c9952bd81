// Recorder: takes a sample each interval, stores it, judges it, and lets whoever asks see the last ones.
//
// Guarantee   The last sample is taken and stored at stop(): all samples of a process add up to its counters. A sample that cannot be
//             stored is still judged and shown; it is counted and said in the log.
// Threads     One of its own, named `performance`, which reads, writes to the disk and looks after the store; the rest: any.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "observe/log.h"
#include "performance/actions.h"
#include "performance/health.h"
#include "performance/levels.h"
#include "performance/sample_store.h"
#include "performance/sampler.h"
#include "performance/settings.h"

namespace tidegate::performance {

struct RecorderNeeds {
    const Clock& clock;
    observe::Logger& log;
    const PerformanceSettings& settings;
    SampleStore& store;
    Actions& actions;
    /// Slow statements since the last call.
    std::function<std::vector<SlowStatement>()> slow;
};

class Recorder {
  public:
    explicit Recorder(const RecorderNeeds& needs) : needs_(needs), health_(needs.settings) {}
    ~Recorder() { stop(); }

    /// What `sources` lead to outlives stop().
    void start(Sources sources);
    void stop();

    const Levels& levels() const noexcept { return levels_; }
    const Health& health() const noexcept { return health_; }
    /// The last Health::kWindow since begin_anew(), oldest first.
    std::vector<Sample> window() const;
    /// Ends the sample that is under way, keeps it, and empties the window: what comes after is told by itself. What is stored, the
    /// states and the counters stay. Waits for the thread; kUnavailable: it has ended.
    Result<UnixMillis> begin_anew();
    /// The unit of a series; empty: it is not known.
    std::string unit_of(std::string_view series) const;

    std::uint64_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
    std::uint64_t failed() const noexcept { return failed_.load(std::memory_order_relaxed); }

  private:
    void run();
    bool wait_for_next(SteadyTime& next);
    std::uint64_t anew_wanted() const;
    UnixMillis take();
    void end_window(UnixMillis at, std::uint64_t wanted);
    void keep(const Sample& sample);

    const RecorderNeeds needs_;
    std::unique_ptr<Sampler> sampler_;  // Of the thread; made before it begins.
    Levels levels_;
    Health health_;
    std::atomic<std::uint64_t> taken_{0};
    std::atomic<std::uint64_t> failed_{0};
    mutable Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    bool ended_ TG_GUARDED_BY(mutex_) = true;
    std::uint64_t anew_wanted_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t anew_done_ TG_GUARDED_BY(mutex_) = 0;
    UnixMillis began_anew_ TG_GUARDED_BY(mutex_) = 0;
    std::deque<Sample> window_ TG_GUARDED_BY(mutex_);
    std::jthread thread_;
};

}  // namespace tidegate::performance
