// Performance: the live event stream of what this server does, one sample a second.
//
// Guarantee   Every listener gets the same bytes. Nobody listening: a sample is still taken, so that the first one a listener gets
//             covers one second and no more.
// Memory      The sample before; a buffer for each listener is its connection's own.
// Threads     One of its own, started by start() and ended by stop(), before the server drains.
// When full   Over kListenersMax: 503. A listener who reads too slowly misses samples, and is ended after kMissedMax in a row.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/exchange.h"
#include "pipeline/live_sampler.h"
#include "pipeline/loop_parts.h"
#include "pipeline/route.h"

namespace tidegate::app {

/// How late the event loops are: a task is posted to each, and the time until it runs is its lag.
class LoopLag final : public pipeline::LoopListener {
  public:
    explicit LoopLag(const Clock& clock) : state_(std::make_shared<State>(clock)) {}
    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;
    /// Asks all loops. Any thread.
    void probe();
    /// The worst since the last call, with what a loop that has not answered yet has taken so far.
    Duration take_worst();
    /// The worst of what take_worst() has given since the last call: for whoever looks less often.
    Duration take_peak();

  private:
    // Tasks in a mailbox may outlive this.
    struct State {
        explicit State(const Clock& its_clock) : clock(its_clock) {}
        const Clock& clock;
        Mutex mutex;
        Duration worst TG_GUARDED_BY(mutex){};
        Duration peak TG_GUARDED_BY(mutex){};
        std::vector<SteadyTime> asked TG_GUARDED_BY(mutex);  // By loop; zero: answered.
    };
    const std::shared_ptr<State> state_;
    Mutex mutex_;
    std::vector<std::shared_ptr<runtime::Mailbox>> loops_ TG_GUARDED_BY(mutex_);
};

class Performance {
  public:
    static constexpr std::size_t kListenersMax = 64;
    static constexpr unsigned kMissedMax = 10;

    explicit Performance(const Clock& clock) : clock_(clock), lag_(clock) {}
    ~Performance() { stop(); }
    /// What `sources` lead to outlives stop(); its loop_lag is filled in here.
    void start(pipeline::LiveSampler::Sources sources);
    void stop();
    void register_routes(std::vector<pipeline::Route>& routes);
    pipeline::LoopListener* loop_listener() noexcept { return &lag_; }
    LoopLag& loop_lag() noexcept { return lag_; }

  private:
    struct Listener {
        pipeline::ContextPtr context;
        std::shared_ptr<http::Stream> stream;
        unsigned missed = 0;
    };
    void run();
    void send(const std::string& event);
    void listen(const pipeline::ContextPtr& context);

    const Clock& clock_;
    LoopLag lag_;
    std::optional<pipeline::LiveSampler> sampler_;
    Mutex mutex_;
    Condition wake_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::vector<Listener> listeners_ TG_GUARDED_BY(mutex_);
    std::jthread thread_;
};

}  // namespace tidegate::app
