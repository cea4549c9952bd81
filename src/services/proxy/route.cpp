#include "services/proxy/route.h"

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"

namespace tidegate::proxy {
namespace {

cache::rules::Seconds seconds_of(Duration time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

cache::rules::RoutePolicy policy_of(const CacheOptions& options) {
    cache::rules::RoutePolicy policy;
    if (options.mode == "fixed") {
        policy.ttl_use = cache::rules::TtlUse::kSilent;
        policy.ttl_s = seconds_of(options.ttl);
    }
    policy.heuristics = options.heuristics;
    policy.stale_when_gone = options.stale_when_gone;
    policy.strict_age = options.strict_age;
    policy.share_set_cookie = options.share_set_cookie;
    policy.store_post = options.store_post;
    policy.select_language = options.select_language;
    policy.trust_any_304 = options.trust_any_304;
    if (options.stale_while_revalidate > Duration{}) {
        policy.stale_while_revalidate_s = seconds_of(options.stale_while_revalidate);
    }
    if (options.stale_if_error > Duration{}) policy.stale_if_error_s = seconds_of(options.stale_if_error);
    if (options.client_may_bypass) policy.wishes = cache::rules::ClientWishes::all();
    policy.store_unfresh = true;
    return policy;
}

Result<void> check(const RouteOptions& options) {
    const auto wrong = [&](std::string what) {
        return fail(ErrorCode::kInvalidArgument, "routes: " + options.name + ": " + std::move(what));
    };
    if (options.path.empty() || options.path.front() != '/') return wrong("path must begin with a slash");
    if (options.cache.mode == "fixed" && options.cache.ttl == Duration{}) {
        return wrong("cache.mode `fixed` needs cache.ttl_s");
    }
    if (!options.strip_prefix.empty() && !options.path.starts_with(options.strip_prefix)) {
        return wrong("strip_prefix is no beginning of path");
    }
    for (const HeaderRule& rule : options.request_headers) {
        if (iequals(rule.name, "Host") || iequals(rule.name, "Content-Length") || rule.name.empty()) {
            return wrong("request_headers cannot set `" + rule.name + "`");
        }
    }
    const upstream::BatchSettings& batch = options.batch;
    if (!batch.enabled && (!batch.target.empty() || !batch.format.items_field.empty())) {
        return wrong("batch.* is set, but batch.enabled is not");
    }
    if (!batch.target.empty() && !cache::rules::check_target(batch.target, {})) {
        return wrong("batch.target is no path");
    }
    const auto format = upstream::check(batch.format);
    if (!format) return wrong(format.error().message);
    return {};
}

std::string authority_of(const http::Origin& origin) {
    const std::string host = origin.host.find(':') == std::string::npos ? origin.host : "[" + origin.host + "]";
    const std::uint16_t usual = origin.tls ? 443 : 80;
    return origin.port == usual ? host : host + ":" + std::to_string(origin.port);
}

/// What a change of would make other answers: in Redis those of the former settings may still lie, or another deployment's.
std::string shape_of(const RouteOptions& options, std::string_view authority) {
    std::string text;
    const auto add = [&text](std::string_view word) {
        text.append(std::to_string(word.size())).append(":").append(word);
    };
    for (const std::string* word :
         {&options.upstream, &options.strip_prefix, &options.add_prefix, &options.via, &options.cache.mode}) {
        add(*word);
    }
    add(authority);
    add(options.forward_host ? "client's host" : "own host");
    for (const auto* rules : {&options.request_headers, &options.response_headers}) {
        add(std::to_string(rules->size()));
        for (const HeaderRule& rule : *rules) {
            add(rule.name);
            add(rule.value);
        }
    }
    for (const std::string& name : options.query_drop) add(name);
    return to_hex(sha256(text)).substr(0, 16);
}

}  // namespace

Result<ProxyRoutePtr> ProxyRoute::create(const RouteOptions& options, Upstream& upstream, const Clock& clock) {
    TG_CHECK(check(options));
    auto route = std::make_shared<ProxyRoute>();
    route->options = options;
    route->upstream = &upstream;
    const auto cost = parse_points(options.cost);
    if (!cost) return fail(ErrorCode::kInvalidArgument, "routes: " + options.name + ": cost is no number of points");
    route->cost = *cost;
    route->policy = policy_of(options.cache);
    route->authority = authority_of(upstream.pool.target(0).origin);
    route->shape = shape_of(options, route->authority);
    route->forward.upstream_authority = route->authority;
    route->forward.keep_host = options.forward_host;
    route->forward.pseudonym = options.via;
    // The caller's credential is ours to read; on an open route it is the upstream's.
    if (options.access == "key") route->forward.drop = {"x-api-key"};
    route->query.drop = options.query_drop;
    route->tags.push_back(cache::tag_hash("route:" + options.name));
    for (const std::string& tag : options.cache.tags) route->tags.push_back(cache::tag_hash(tag));
    for (const HeaderRule& rule : options.response_headers) route->drop_from_answer.push_back(to_lower(rule.name));
    route->priority = upstream::parse_priority(options.priority).value_or(upstream::Priority::kInteractive);
    if (options.batch.enabled) {
        route->batching = std::make_unique<Batching>(options.batch, upstream, route->priority, clock);
    }
    return ProxyRoutePtr(std::move(route));
}

Result<std::string> ProxyRoute::upstream_target(const http::RequestHead& head) const {
    std::string target = head.target;
    // `OPTIONS *` is about this server, not about an upstream; the router has no route for it.
    TG_CHECK(cache::rules::check_target(target, {}));
    if (!options.strip_prefix.empty() && target.starts_with(options.strip_prefix)) {
        target.erase(0, options.strip_prefix.size());
        if (!target.starts_with('/')) target.insert(0, 1, '/');
    }
    if (!options.add_prefix.empty()) target.insert(0, options.add_prefix);
    return query.drop.empty() ? target : cache::rules::filter_query(target, query);
}

http::Headers ProxyRoute::answer_fields(const http::Headers& upstream_fields) const {
    http::Headers fields = cache::rules::forward_response_headers(upstream_fields, forward.pseudonym, drop_from_answer);
    for (const HeaderRule& rule : options.response_headers) {
        if (!rule.value.empty()) fields.add(rule.name, rule.value);
    }
    return fields;
}

bool ProxyRoute::takes(std::string_view method_text) const noexcept {
    return options.methods.empty() || std::ranges::find(options.methods, method_text) != options.methods.end();
}

}  // namespace tidegate::proxy
