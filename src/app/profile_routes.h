// Profiles: /debug/pprof, where `go tool pprof` and the dashboard's flame graph read what this process does.
//
// Guarantee   One CPU profile at a time; a second one is refused with 503. It ends early when who asked has left or the server
//             stops. Every one is a line in the log, with who asked. All of it needs an admin key.
// Memory      That of a sampler while one runs (profile/cpu_sampler.h); the last CPU profile is kept for the flame graph.
// Threads     One of its own, which sleeps until a CPU profile is wanted; the rest on the pool for waiting.
// When it fails  501 where stacks cannot be read (not x86-64 Linux).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/profile/profile.h"
#include "pipeline/loop_parts.h"
#include "pipeline/route.h"

namespace tidegate::app {

class Profiles final : public pipeline::LoopListener {
  public:
    /// 100 Hz: a sample for each 10 ms of CPU time. bench/results/profile.md has what it costs.
    static constexpr unsigned kHz = 100;
    static constexpr int kSecondsMax = 60;

    Profiles(const Clock& clock, const Disk& disk) : clock_(clock), disk_(disk) {}
    ~Profiles() override { stop(); }
    Profiles(const Profiles&) = delete;
    Profiles& operator=(const Profiles&) = delete;

    /// `log` outlives stop(). Lock waits are counted from here on.
    void start(observe::Logger& log);
    /// Ends a profile that runs; its asker gets 503.
    void stop();
    void register_routes(std::vector<pipeline::Route>& routes);
    void declare_metrics(observe::Registry& registry);

    // The event loops' threads get names, by which a flame graph tells them apart.
    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts&) override {}

  private:
    enum class Form : std::uint8_t { kPprof, kFlame };
    struct Wish {
        pipeline::ContextPtr context;
        int seconds = 0;
        Form form = Form::kPprof;
    };
    void want(const pipeline::ContextPtr& context, int seconds, Form form);
    void answer_flame(const pipeline::ContextPtr& context);
    void reply(const pipeline::ContextPtr& context, const profile::Profile& profile, Form form) const;
    void run();
    void take(const Wish& wish);
    bool wait_a_second(SteadyTime end, const pipeline::ContextPtr& context);

    const Clock& clock_;
    const Disk& disk_;
    observe::Logger* log_ = nullptr;
    std::atomic<std::uint64_t> taken_{0};
    std::atomic<std::uint64_t> dropped_{0};
    Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = true;  // Until start().
    bool busy_ TG_GUARDED_BY(mutex_) = false;
    std::optional<Wish> wish_ TG_GUARDED_BY(mutex_);
    std::shared_ptr<const profile::Profile> last_ TG_GUARDED_BY(mutex_);
    std::jthread thread_;
};

}  // namespace tidegate::app
