// ProxyLoop: what the proxy has on one event loop: its fetches' tools, the cache they share, who waits for whom.
//
// Threads     The loop's thread.
// Ownership   Made at the loop's start, gone at its stop; what it refers to outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/cache/flights.h"
#include "pipeline/cache/rules/times.h"
#include "pipeline/cache/store.h"
#include "pipeline/loop_parts.h"
#include "services/proxy/fetch.h"

namespace tidegate::proxy {

/// An entry's times in the words of the rules.
cache::rules::Times times_of(const cache::Entry& entry);

struct ProxyLoop {
    ProxyLoop(pipeline::LoopParts& parts, const Clock& its_clock, Random& random, cache::ResponseStore& its_store,
              cache::Flights& its_flights)
        : clock(its_clock), store(its_store), flights(its_flights), fetch_loop{parts.loop, *parts.client, random} {}

    void invalidate_target(std::string_view target);
    void invalidate_group(std::string_view group);
    /// After what runs now.
    void later(std::move_only_function<void()> task) { fetch_loop.loop.mailbox()->post(std::move(task)); }

    const Clock& clock;
    cache::ResponseStore& store;
    cache::Flights& flights;
    const FetchLoop fetch_loop;
};

}  // namespace tidegate::proxy
