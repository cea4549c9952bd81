// Invalidator: takes answers back, here and in every process that shares the cache.
//
// Position    Between whoever knows that answers are wrong (the routes of the cache, a write through the proxy, a fill whose origin
//             took its word back) and store, Coherence and Redis.
// Guarantee   When a call has returned, this process gives nothing that it named, from memory or from Redis, and the others hear
//             of it as Coherence says.
// Threads     Any.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/cache/coherence.h"
#include "pipeline/cache/second_level.h"
#include "pipeline/cache/store.h"

namespace tidegate::cache {

class Invalidator {
  public:
    /// `coherence`: null where nothing is shared. Both outlive it.
    Invalidator(ResponseStore& store, Coherence* coherence) : store_(store), coherence_(coherence) {}

    /// Each says how many usable answers this process dropped; from a pool, but for erase() (ResponseStore).
    std::uint64_t erase(const Key& key, UnixMillis now);
    std::uint64_t erase_prefix(std::string_view path_prefix, UnixMillis now);
    std::uint64_t erase_tag(std::uint64_t tag, UnixMillis now);
    std::uint64_t clear(UnixMillis now);

    /// The same without counting, for a loop.
    void invalidate_tag(std::uint64_t tag);
    /// `level`: the loop's own, to free the memory in Redis; null: none.
    void invalidate_key(const Key& key, SecondLevel* level);

  private:
    ResponseStore& store_;
    Coherence* const coherence_;
};

}  // namespace tidegate::cache
