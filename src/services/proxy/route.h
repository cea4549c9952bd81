// ProxyRoute: one route of the settings, prepared at start: where it leads, what it may keep, what it adds and removes.
//
// Threads     Immutable, save for who waits in `batching`; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/points.h"
#include "base/result.h"
#include "http/message.h"
#include "pipeline/cache/entry.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/policy.h"
#include "pipeline/cache/rules/target_key.h"
#include "services/proxy/batch.h"
#include "services/proxy/settings.h"
#include "services/proxy/upstream.h"

namespace tidegate::proxy {

struct ProxyRoute {
    /// kInvalidArgument names the route and the setting that is wrong.
    static Result<std::shared_ptr<const ProxyRoute>> create(const RouteOptions& options, Upstream& upstream,
                                                            const Clock& clock);

    /// Path and query as the upstream sees them; kInvalidArgument for a target that two readers could read differently.
    Result<std::string> upstream_target(const http::RequestHead& head) const;
    /// What the client gets of an upstream's fields, with those of the settings.
    http::Headers answer_fields(const http::Headers& upstream_fields) const;
    bool takes(std::string_view method_text) const noexcept;
    /// A POST of this route may be answered from the cache.
    bool keys_by_body() const noexcept { return options.cache.mode == "fixed"; }
    /// A POST is whole in memory before it is passed on.
    bool gathers() const noexcept { return keys_by_body() || batching != nullptr; }
    bool caches() const noexcept { return options.cache.mode != "off"; }

    RouteOptions options;
    Upstream* upstream = nullptr;
    Points cost;
    cache::rules::RoutePolicy policy;
    cache::rules::ForwardOptions forward;
    cache::rules::QueryRules query;
    std::vector<std::string> drop_from_answer;  // Lower case.
    std::vector<std::uint64_t> tags;            // tag_hash() of the route's name and of cache.tags.
    std::string authority;                      // Of the upstream: part of the key.
    std::string shape;                          // Of the settings that an answer is made by: part of the key.
    upstream::Priority priority = upstream::Priority::kInteractive;
    std::unique_ptr<Batching> batching;  // Null: each request is a call of its own.
};
using ProxyRoutePtr = std::shared_ptr<const ProxyRoute>;

}  // namespace tidegate::proxy
