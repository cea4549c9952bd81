// The routes that show the response cache and take answers out of it.
//
// Guarantee   `dropped` is what the store of this process counted; the others drop theirs when they hear of it. What a route names and does not exist is refused, never answered with 0.
// Threads     The handlers run on the blocking pool: all but the look-up of one key look at every entry.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cache_assembly.h"
#include "base/clock.h"
#include "pipeline/cache/store.h"
#include "pipeline/route.h"

namespace tidegate::app {

/// All of it outlives the routes.
struct CacheRouteParts {
    CacheAssembly& cache;
    const Clock& clock;
    /// Names of the routes whose answers may be kept.
    std::vector<std::string> routes;
    /// Names of the models whose answers may be kept, under the tag `model:NAME`.
    std::vector<std::string> models;
};

void register_cache_routes(std::vector<pipeline::Route>& routes, CacheRouteParts parts);
/// `hits / (hits + stale hits + misses)`; nothing before the first question.
std::optional<double> hit_rate(const cache::StoreStats& stats) noexcept;

}  // namespace tidegate::app
