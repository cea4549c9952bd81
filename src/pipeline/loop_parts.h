// LoopParts: what each event loop has of its own: who its callers are, its connection to Redis, its client for upstreams.
//
// Threads     Made, used and stopped on the loop's thread.
// Ownership   The Dispatcher's. Empty after stop(), at on_loop_stop(), but there: tasks posted before still look.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "http/client/client.h"
#include "pipeline/cache/second_level.h"
#include "pipeline/identity/authenticator.h"
#include "pipeline/limits/loop_limiter.h"
#include "pipeline/spend/ledger.h"
#include "pipeline/spend/redis_ledger.h"
#include "runtime/event_loop.h"
#include "store/redis.h"

namespace tidegate::pipeline {

struct LoopParts {
    LoopParts(runtime::EventLoop& its_loop, unsigned its_index) : loop(its_loop), index(its_index) {}
    ~LoopParts() { stop(); }
    /// Gives back what was taken in advance, while the connection to Redis still stands; then all of them end, users first.
    void stop() {
        if (limiter) limiter->stop();
        if (shared_ledger) shared_ledger->stop();
        shared_ledger.reset();
        ledger.reset();
        limiter.reset();
        second_level.reset();
        make_client = nullptr;
        client.reset();
        redis.reset();
        authenticator.reset();
    }
    LoopParts(const LoopParts&) = delete;
    LoopParts& operator=(const LoopParts&) = delete;
    runtime::EventLoop& loop;
    const unsigned index;
    std::optional<Authenticator> authenticator;
    std::unique_ptr<store::Redis> redis;  // Null without Redis.
    std::unique_ptr<http::Client> client;
    /// For whoever needs a client with settings of its own. Absent: there is only that one.
    std::function<std::unique_ptr<http::Client>(const http::ClientOptions&)> make_client;
    std::unique_ptr<cache::SecondLevel> second_level;  // Null without Redis, or with cache.l2 off.
    std::optional<limits::LoopLimiter> limiter;
    std::shared_ptr<spend::Ledger> ledger;              // Null: nothing is counted.
    std::shared_ptr<spend::RedisLedger> shared_ledger;  // The same one, where it is over Redis.
};

/// Whoever keeps something of its own on each loop.
class LoopListener {
  public:
    virtual ~LoopListener() = default;
    virtual void on_loop_start(LoopParts& parts) = 0;
    virtual void on_loop_stop(LoopParts& parts) = 0;
};

}  // namespace tidegate::pipeline
