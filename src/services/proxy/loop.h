// ProxyLoop: what the proxy has on one event loop: its fetches' tools, the cache they share, who waits for whom.
//
// Threads     The loop's thread.
// Ownership   Made at the loop's start, gone at its stop; what it refers to outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/cache/rules/times.h"
#include "pipeline/cache/store.h"
#include "pipeline/loop_parts.h"
#include "services/proxy/fetch.h"
#include "services/proxy/fill.h"

namespace tidegate::proxy {

class Flow;

/// An entry's times in the words of the rules.
cache::rules::Times times_of(const cache::Entry& entry);

struct ProxyLoop {
    ProxyLoop(pipeline::LoopParts& parts, const Clock& its_clock, Random& random, cache::ResponseStore& its_store)
        : clock(its_clock), store(its_store), fetch_loop{parts.loop, *parts.client, random} {}

    /// Fetches what may be kept: begins a Fill, or waits for one of the same key.
    void fill(const ProxyRoutePtr& route, FillQuestion question, cache::EntryPtr stored, FillClient& client,
              FetchRequest request, std::shared_ptr<Fill>& begun);
    /// Begins a Fill that nobody waits for, unless one is under way.
    void refresh(const ProxyRoutePtr& route, FillQuestion question, cache::EntryPtr stored, FetchRequest request);

    bool others_wait(const cache::Key& key) const;
    void flight_done(const cache::Key& key, const cache::EntryPtr& entry);
    void flight_uncacheable(const cache::Key& key, bool remember);
    void flight_failed(const cache::Key& key, const FetchFailure& failure);

    void invalidate_target(std::string_view target);
    void invalidate_group(std::string_view group);
    /// After what runs now.
    void later(std::move_only_function<void()> task) { fetch_loop.loop.mailbox()->post(std::move(task)); }

    const Clock& clock;
    cache::ResponseStore& store;
    const FetchLoop fetch_loop;
};

}  // namespace tidegate::proxy
