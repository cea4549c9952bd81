// GateAssembly: the gate's parts put together: who asks, how often, for how much, and what each loop has of its own.
//
// Order       create() before the dispatcher; start() before the listener's loops; stop() after them.
// Threads     create(), start() and stop() on the main thread; make_loop() on each loop's.
#pragma once

#include <memory>

#include "app/jwks_fetch.h"
#include "app/settings.h"
#include "audit/views/spend_scan.h"
#include "http/client/client_counters.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/gate.h"
#include "pipeline/identity/identity.h"
#include "pipeline/limits/limiter.h"
#include "pipeline/spend/book.h"
#include "pipeline/spend/redis_ledger.h"
#include "pipeline/stream_watch.h"
#include "runtime/worker_pool.h"
#include "store/redis_counters.h"

namespace tidegate::cache {
class ResponseStore;
}
namespace tidegate::proxy {
class Proxy;
}

namespace tidegate::app {

struct GateNeeds {
    const AppSettings& settings;
    const std::string& database_path;
    bool loopback_only;
    const Clock& clock;
    Random& random;
    const Disk& disk;
    observe::Logger& log;
    runtime::WorkerPool& blocking;
    const audit::LogReader& decisions;
};

class GateAssembly {
  public:
    /// Everything `needs` refers to outlives it. An Error says which setting is wrong or what could not be read.
    static Result<std::unique_ptr<GateAssembly>> create(const GateNeeds& needs);

    /// For the Dispatcher; the assembly outlives it.
    pipeline::Gate gate();
    void start();
    void stop();
    /// `store` and `proxy` outlive the registry, as the assembly does.
    void declare_metrics(observe::Registry& registry, const cache::ResponseStore& store, const proxy::Proxy& proxy);
    /// Members of /health: identity, limits, spend, redis, memory.
    void append_status(JsonWriter& writer) const;
    /// Something shared is not shared now, or the keys cannot be read.
    bool is_degraded() const;
    pipeline::Identity& identity() noexcept { return *identity_; }
    const limits::RateLimiter& limiter() const noexcept { return *limiter_; }
    pipeline::spend::Book& book() noexcept { return *book_; }
    const pipeline::spend::SpendPolicy& spend_policy() const noexcept { return *spend_policy_; }
    const pipeline::spend::Zone& zone() const noexcept { return book_->zone(); }

  private:
    explicit GateAssembly(const GateNeeds& needs) : needs_(needs) {}
    Result<void> open_identity();
    Result<void> open_limits();
    Result<void> open_spend();
    Result<void> open_redis();
    std::shared_ptr<pipeline::spend::RedisLedger> shared_ledger(pipeline::LoopParts& parts);
    std::unique_ptr<pipeline::LoopParts> make_loop(runtime::EventLoop& loop, unsigned index);

    const GateNeeds needs_;
    pipeline::Shadow shadow_{};
    pipeline::GuardCounts counts_;
    std::unique_ptr<JwksFetcher> jwks_fetcher_;  // Null without jwt.jwks_url.
    std::unique_ptr<pipeline::Identity> identity_;
    std::optional<pipeline::StreamWatch> streams_;
    std::optional<pipeline::Cors> cors_;
    std::unique_ptr<limits::RateLimiter> limiter_;
    std::shared_ptr<pipeline::spend::Book> book_;
    std::shared_ptr<pipeline::spend::Ledger> ledger_;
    std::optional<pipeline::spend::SpendPolicy> spend_policy_;
    std::unique_ptr<upstream::MemoryCeiling> memory_;
    std::optional<store::RedisOptions> redis_;
    store::RedisCounters redis_counters_;
    http::ClientCounters client_counters_;
};

}  // namespace tidegate::app
