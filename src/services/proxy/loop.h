// ProxyLoop: what the proxy has on one event loop: its fetches' tools, the cache they share, who waits for whom.
//
// Threads     The loop's thread.
// Ownership   Made at the loop's start, gone at its stop; what it refers to outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/random.h"
#include "observe/log.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/hot_keys.h"
#include "pipeline/cache/invalidator.h"
#include "pipeline/cache/rules/times.h"
#include "pipeline/cache/store.h"
#include "pipeline/loop_parts.h"
#include "services/proxy/fetch.h"

namespace tidegate::proxy {

/// An entry's times in the words of the rules.
cache::rules::Times times_of(const cache::Entry& entry);

/// What the proxy is given; all outlive it.
struct ProxyParts {
    const Clock& clock;
    Random& random;
    observe::Logger& log;
    cache::ResponseStore& store;
    cache::Flights& flights;
    cache::Invalidator& invalidator;
    cache::HotKeys& hot_keys;
    Duration lease_max;        // How long this process may fetch for all that share the second level.
    Duration warmup_interval;  // Zero: never by itself.
    std::size_t warmup_keys;   // The most requested so many, each time.
};

class Fill;

struct ProxyLoop {
    ProxyLoop(pipeline::LoopParts& parts, const ProxyParts& shared)
        : clock(shared.clock),
          store(shared.store),
          flights(shared.flights),
          invalidator(shared.invalidator),
          hot_keys(shared.hot_keys),
          lease_max(shared.lease_max),
          fetch_loop{parts.loop, *parts.client, shared.random},
          parts_(parts) {}

    /// Null: nothing is shared with other processes.
    cache::SecondLevel* second_level() const noexcept { return parts_.second_level.get(); }
    cache::SharedTicket begin_fill() const noexcept;
    void invalidate_target(std::string_view target);
    void invalidate_group(std::string_view group);
    /// After what runs now.
    void later(std::move_only_function<void()> task) { fetch_loop.loop.mailbox()->post(std::move(task)); }
    /// Fills that have not ended: they may wait for Redis, for a retry or for others' sake when the loop ends.
    void add(Fill& fill) { fills_.insert(&fill); }
    void remove(Fill& fill) { fills_.erase(&fill); }
    /// The loop ends: they all do.
    void stop();

    const Clock& clock;
    cache::ResponseStore& store;
    cache::Flights& flights;
    cache::Invalidator& invalidator;
    cache::HotKeys& hot_keys;
    const Duration lease_max;
    const FetchLoop fetch_loop;

  private:
    pipeline::LoopParts& parts_;
    std::unordered_set<Fill*> fills_;
};

}  // namespace tidegate::proxy
