#include "pipeline/cache/rules/storable.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/cache/rules/directives.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/http_date.h"
#include "pipeline/cache/rules/invalidation.h"
#include "pipeline/cache/rules/vary.h"

namespace tidegate::cache::rules {
namespace {

/// private= and no-cache= may name so many fields; more are no list but an attack or an accident.
constexpr std::size_t kNamedFieldsMax = 32;

template <std::size_t N>
bool is_one_of(int status, const std::array<int, N>& sorted) noexcept {
    return std::ranges::binary_search(sorted, status);
}

/// Codes whose meaning for caches we know (RFC 9110, 15, and the registry): what must-understand asks for.
constexpr std::array kUnderstood{200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403,
                                 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423,
                                 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 511};
/// RFC 9110, 15.1; 206 is not kept at all.
constexpr std::array kHeuristicCodes{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
constexpr std::array kTtlCodes{200, 203, 204, 300, 301, 308};
/// Not 400, 413, 414, 431: they may be one client's fault, and kept they would be everyone's.
constexpr std::array kNegativeCodes{404, 405, 410, 501};

struct Lifetime {
    Seconds seconds = 0;
    bool said = false;       // The origin said how long, or that it is not to be used without asking.
    bool own = false;        // It is the route's.
    bool heuristic = false;  // It is a guess.
};

/// Expires - Date; whatever cannot be read has expired (RFC 9111, 5.3).
std::optional<Seconds> expires_lifetime(const http::Headers& response, UnixMillis date_ms, UnixMillis now) {
    const auto expires = response.get("expires");
    if (!expires) return std::nullopt;
    if (response.count("expires") > 1) return 0;
    const auto at = parse_http_date(*expires, now);
    if (!at || *at <= date_ms) return 0;
    return std::min(kForever, (*at - date_ms) / 1000);
}

std::optional<Seconds> heuristic_lifetime(const ResponseView& response, const ResponseDirectives& directives,
                                          UnixMillis date_ms, const RoutePolicy& policy) {
    if (!policy.heuristics || (!is_one_of(response.status, kHeuristicCodes) && !directives.is_public))
        return std::nullopt;
    const auto text = response.headers.get("last-modified");
    const auto modified = text ? parse_http_date(*text, date_ms) : std::nullopt;
    if (!modified || *modified >= date_ms) return std::nullopt;
    return std::min(policy.heuristic_s_max, (date_ms - *modified) / 10'000);
}

std::optional<Seconds> route_ttl(int status, const RoutePolicy& policy) noexcept {
    if (is_one_of(status, kTtlCodes)) return policy.ttl_s;
    if (is_one_of(status, kNegativeCodes) && policy.negative_ttl_s > 0) {
        return std::min(policy.negative_ttl_s, kNegativeTtlMax);
    }
    return std::nullopt;
}

Lifetime lifetime_of(const ResponseView& response, const ResponseDirectives& directives, UnixMillis date_ms,
                     UnixMillis now, const RoutePolicy& policy) {
    if (policy.ttl_use == TtlUse::kForce) {
        if (const auto ttl = route_ttl(response.status, policy)) return {*ttl, true, true, false};
    }
    if (directives.s_maxage != kAbsent) return {directives.s_maxage, true, false, false};
    if (directives.max_age != kAbsent) return {directives.max_age, true, false, false};
    if (!directives.targeted) {
        if (const auto expires = expires_lifetime(response.headers, date_ms, now))
            return {*expires, true, false, false};
    }
    if (directives.no_cache) return {0, true, false, false};
    if (policy.ttl_use == TtlUse::kSilent) {
        if (const auto ttl = route_ttl(response.status, policy)) return {*ttl, false, true, false};
    }
    if (const auto guess = heuristic_lifetime(response, directives, date_ms, policy)) {
        return {*guess, false, true, true};
    }
    return {};
}

bool has_valid_validator(const http::Headers& response, UnixMillis now) {
    if (const auto etag = response.get("etag"); etag && parse_etag(*etag)) return true;
    const auto modified = response.get("last-modified");
    return modified && parse_http_date(*modified, now);
}

/// Whether this exchange's method and request allow keeping its answer.
Refusal check_request(const Exchange& exchange, const ResponseView& response, const RoutePolicy& policy) {
    const RequestFacts& request = exchange.request;
    if (request.method == http::Method::kPost && policy.store_post) {
        const auto location = response.headers.get("content-location");
        const bool names_itself = location && same_origin_target(*location, exchange.target, {}) == exchange.target;
        if (!names_itself) return Refusal::kMethod;
    } else if (request.method != http::Method::kGet) {
        return Refusal::kMethod;
    } else if (request.body) {
        return Refusal::kRequestBody;
    }
    return request.directives.no_store ? Refusal::kRequestNoStore : Refusal::kNone;
}

Refusal check_status(int status, const ResponseDirectives& directives) noexcept {
    if (status < 200 || status > 599 || status == 206 || status == 304) return Refusal::kStatus;
    if (directives.must_understand) return is_one_of(status, kUnderstood) ? Refusal::kNone : Refusal::kStatus;
    return directives.no_store ? Refusal::kNoStore : Refusal::kNone;
}

bool names(const std::vector<std::string>& fields, std::string_view name) {
    return std::ranges::find(fields, name) != fields.end();
}

/// Rules about who may see it; fills `strip`.
Refusal check_sharing(const RequestFacts& request, const ResponseView& response, const ResponseDirectives& directives,
                      const RoutePolicy& policy, std::vector<std::string>& strip) {
    if (directives.is_private) return Refusal::kPrivate;
    const bool shared_by_origin = directives.is_public || directives.s_maxage != kAbsent || directives.must_revalidate;
    if (request.authorization && !policy.caller_in_key && !shared_by_origin) return Refusal::kAuthorization;
    strip = directives.private_fields;
    strip.insert(strip.end(), directives.no_cache_fields.begin(), directives.no_cache_fields.end());
    if (strip.size() > kNamedFieldsMax) return Refusal::kFieldTooMany;
    // Without these an answer would be read wrongly, or be sent to the wrong requests.
    for (const std::string_view needed : {"vary", "content-encoding", "content-type"}) {
        if (names(strip, needed)) return Refusal::kPrivate;
    }
    if (response.headers.get("set-cookie") && !policy.share_set_cookie && !names(strip, "set-cookie")) {
        return Refusal::kSetCookie;
    }
    return Refusal::kNone;
}

std::uint16_t flags_of(const RequestFacts& request, const ResponseDirectives& directives, const Lifetime& lifetime,
                       bool validator, const RoutePolicy& policy) noexcept {
    const bool forced = policy.ttl_use == TtlUse::kForce && lifetime.own;
    std::uint16_t flags = 0;
    const auto set = [&](Flag flag, bool on) {
        if (on) flags |= flag;
    };
    set(kMustRevalidate, directives.must_revalidate || directives.proxy_revalidate || directives.s_maxage != kAbsent);
    set(kNoCache, directives.no_cache && !forced);
    set(kImmutable, directives.immutable);
    set(kNoTransform, directives.no_transform);
    set(kAuthorized, request.authorization);
    set(kPrivate, policy.caller_in_key);
    set(kOwnLifetime, lifetime.own);
    set(kHasValidator, validator);
    set(kHeuristic, lifetime.heuristic);
    return flags;
}

std::uint32_t window(Seconds said, Seconds route) noexcept {
    const Seconds seconds = said != kAbsent ? said : route;
    return static_cast<std::uint32_t>(std::clamp<Seconds>(seconds, 0, kForever));
}

/// Whether anything can be done with it: reuse, validation, or standing in for an error.
bool is_useful(const StoreDecision& decision, const Lifetime& lifetime, int status,
               const RoutePolicy& policy) noexcept {
    if (decision.times.lifetime_s > decision.times.initial_age_s) return true;
    const bool validator = (decision.flags & kHasValidator) != 0;
    if (!lifetime.said && !lifetime.own) return validator && policy.store_unfresh && is_one_of(status, kHeuristicCodes);
    if (validator) return true;
    if ((decision.flags & (kMustRevalidate | kNoCache)) != 0) return false;
    return decision.times.stale_while_revalidate_s > 0 || decision.times.stale_if_error_s > 0 || policy.stale_when_gone;
}

/// Fields that tell of one request, not of the answer (the RateLimit draft says that kept ones mean nothing).
bool is_of_one_request(std::string_view lower_name) noexcept {
    static constexpr std::array<std::string_view, 10> kNames{
        "age",     "content-length", "ratelimit",    "ratelimit-policy",  "server-timing",
        "x-cache", "x-request-id",   "x-spend-cost", "x-spend-remaining", "x-trace-id",
    };
    return std::ranges::find(kNames, lower_name) != kNames.end() || lower_name.starts_with("x-ratelimit-");
}

}  // namespace

std::string_view to_string(Refusal refusal) noexcept {
    static constexpr std::array<std::string_view, 13> kWords{
        "none",          "method",      "request-body", "request-no-store", "status",         "no-store",  "private",
        "authorization", "credentials", "set-cookie",   "vary-star",        "vary-too-large", "not-fresh",
    };
    const auto index = static_cast<std::size_t>(refusal);
    return index < kWords.size() ? kWords[index] : "field-list-too-long";
}

StoreDecision storable(const Exchange& exchange, const ResponseView& response, const RoutePolicy& policy) {
    StoreDecision out;
    const auto refuse = [&](Refusal refusal) {
        out.refusal = refusal;
        return refusal != Refusal::kNone;
    };
    const RequestFacts& request = exchange.request;
    if (refuse(check_request(exchange, response, policy))) return out;
    const ResponseDirectives directives = read_response_directives(response.headers, policy);
    if (refuse(check_status(response.status, directives))) return out;
    if (refuse(check_sharing(request, response, directives, policy, out.strip))) return out;
    const VaryNames vary = read_vary(response.headers);
    if (vary.star && refuse(Refusal::kVaryStar)) return out;
    if (vary.too_large && refuse(Refusal::kVaryTooLarge)) return out;

    const auto date_text = response.headers.get("date");
    const auto date = date_text ? parse_http_date(*date_text, exchange.response_ms) : std::nullopt;
    const UnixMillis date_ms = date.value_or(exchange.response_ms);
    const Lifetime lifetime = lifetime_of(response, directives, date_ms, exchange.response_ms, policy);
    // A lifetime that the origin did not give does not make shared what was answered to somebody.
    if (lifetime.own && !policy.caller_in_key && !directives.is_public && (request.cookie || request.authorization)) {
        refuse(Refusal::kCredentials);
        return out;
    }
    if (request.method == http::Method::kPost && !lifetime.said && refuse(Refusal::kNotFresh)) return out;

    out.flags = flags_of(request, directives, lifetime, has_valid_validator(response.headers, date_ms), policy);
    const Seconds age = read_age(response.headers, policy.strict_age);
    out.times.response_ms = exchange.response_ms;
    out.times.date_ms = date_ms;
    out.times.initial_age_s = initial_age_s(age, date, exchange.request_ms, exchange.response_ms);
    out.times.lifetime_s = static_cast<std::uint32_t>(std::clamp<Seconds>(lifetime.seconds, 0, kForever));
    if ((out.flags & (kMustRevalidate | kNoCache)) == 0) {
        out.times.stale_while_revalidate_s = window(directives.stale_while_revalidate, policy.stale_while_revalidate_s);
        out.times.stale_if_error_s = window(directives.stale_if_error, policy.stale_if_error_s);
    }
    if (!is_useful(out, lifetime, response.status, policy)) refuse(Refusal::kNotFresh);
    return out;
}

http::Headers stored_fields(const http::Headers& response, const StoreDecision& decision) {
    http::Headers out;
    const std::vector<std::string> connection = connection_names(response);
    bool dated = false;
    for (const auto& [name, value] : response.fields()) {
        const std::string lower = to_lower(name);
        if (is_hop_by_hop(lower) || is_of_one_request(lower) || names(connection, lower) ||
            names(decision.strip, lower)) {
            continue;
        }
        dated |= lower == "date";
        out.add(name, value);
    }
    if (!dated) out.add("Date", format_http_date(decision.times.response_ms));
    return out;
}

}  // namespace tidegate::cache::rules
