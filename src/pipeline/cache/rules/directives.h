// Directives: Cache-Control of requests and of answers, and its targeted form CDN-Cache-Control, read into plain values.
//
// Guarantee   Of what is unclear the most restrictive reading: names in any case, quoted values as tokens, of repeated
//             directives the shortest time, a time that is no number counts as 0. Unknown directives are skipped.
// Memory      No allocation, but for the field lists of `private="..."` and `no-cache="..."`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "pipeline/cache/rules/policy.h"

namespace tidegate::cache::rules {

struct ResponseDirectives {
    bool no_store = false;
    bool no_cache = false;    // Without a field list.
    bool is_private = false;  // Without a field list.
    bool is_public = false;
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool no_transform = false;
    bool immutable = false;
    bool targeted = false;  // Read from a targeted field: Cache-Control and Expires do not count.
    Seconds max_age = kAbsent;
    Seconds s_maxage = kAbsent;
    Seconds stale_while_revalidate = kAbsent;
    Seconds stale_if_error = kAbsent;
    std::vector<std::string> private_fields;   // Lower case.
    std::vector<std::string> no_cache_fields;  // Lower case.
};

struct RequestDirectives {
    bool no_store = false;
    bool no_cache = false;
    bool only_if_cached = false;
    bool no_transform = false;
    Seconds max_age = kAbsent;
    Seconds min_fresh = kAbsent;
    Seconds max_stale = kAbsent;  // kForever for the form without a value.
    Seconds stale_if_error = kAbsent;
    friend bool operator==(const RequestDirectives&, const RequestDirectives&) = default;
};

/// delta-seconds: digits only, saturating at kForever; nullopt otherwise.
std::optional<Seconds> parse_delta(std::string_view text) noexcept;

/// Cache-Control alone.
ResponseDirectives read_cache_control(const http::Headers& response);
/// RFC 9213: the first field of `names` that is a valid, non-empty dictionary; nullopt when there is none.
std::optional<ResponseDirectives> read_targeted(const http::Headers& response, std::span<const std::string_view> names);
/// What holds for us: the targeted field where the policy wants it and there is one, else Cache-Control.
ResponseDirectives read_response_directives(const http::Headers& response, const RoutePolicy& policy);

/// One line of a request's Cache-Control, into what earlier lines said.
void add_request_line(std::string_view value, RequestDirectives& out) noexcept;
RequestDirectives read_request_directives(const http::Headers& request) noexcept;

}  // namespace tidegate::cache::rules
