// RequestFacts: all that the rules ask of a request, read in one pass over its fields.
//
// Memory      No allocation.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/message.h"
#include "pipeline/cache/rules/directives.h"

namespace tidegate::cache::rules {

struct RequestFacts {
    http::Method method = http::Method::kOther;
    RequestDirectives directives;
    bool has_cache_control = false;
    bool pragma_no_cache = false;
    bool authorization = false;
    bool cookie = false;
    bool range = false;
    bool conditional = false;   // If-None-Match or If-Modified-Since.
    bool precondition = false;  // If-Match or If-Unmodified-Since: only the origin can judge them.
    bool upgrade = false;
    bool body = false;
};

/// `headers` are those that go upstream: what is not sent cannot have shaped the answer.
RequestFacts read_request(http::Method method, const http::Headers& headers, bool has_body);

enum class Way : std::uint8_t {
    kLookup,  // Ask the cache; on a miss fetch, and keep what may be kept.
    kPass,    // To the origin as it is (other methods, bodies, preconditions, upgrades).
};
/// Whether the cache is asked at all.
Way way_of(const RequestFacts& request, const RoutePolicy& policy) noexcept;
/// Whether others may wait for what this request fetches. Not for a part, nor for what its client does not want kept: the fetch would
/// tell nothing of whether the answer can be shared (and a client could keep a key from ever being fetched once for all).
bool may_lead(const RequestFacts& request) noexcept;
/// Methods that ask for nothing to change (RFC 9110, 9.2.1).
bool is_safe(http::Method method, std::string_view method_text) noexcept;

}  // namespace tidegate::cache::rules
