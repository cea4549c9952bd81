// Reuse: may a stored answer serve this request now (RFC 9111, 4; 5.2.1; RFC 5861), and what to do when the origin fails.
//
// Memory      No allocation; for the hot path.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/times.h"

namespace tidegate::cache::rules {

enum class Use : std::uint8_t {
    kFresh,            // Send it.
    kStale,            // Send it: the client takes stale answers (max-stale).
    kStaleRevalidate,  // Send it and refresh it in the background, once.
    kValidate,         // Ask the origin whether it still holds; it has a validator.
    kFetch,            // Fetch a new one; it stays as a reserve for errors.
    kGatewayTimeout,   // 504: only-if-cached and nothing to send.
};
enum class Cause : std::uint8_t {  // RFC 9211's words for why a request went forward.
    kNone,
    kUriMiss,
    kStale,
    kRequest,  // The client asked for it.
};
struct ReuseDecision {
    Use use = Use::kFetch;
    Cause cause = Cause::kNone;
    std::uint32_t age_s = 0;  // To send as Age when it is used.
    Seconds ttl_s = 0;        // Freshness left, for Cache-Status; negative when stale.
};

/// For an answer that was found and whose variant fits.
ReuseDecision reuse(const RequestFacts& request, const Times& times, std::uint16_t flags, const RoutePolicy& policy,
                    UnixMillis now) noexcept;
/// For none found: kFetch or kGatewayTimeout.
ReuseDecision nothing_stored(const RequestFacts& request, const RoutePolicy& policy) noexcept;

enum class Fault : std::uint8_t {
    kUnreachable,  // Refused, reset, closed, no name, breaker open, no target.
    kTimeout,
    kServerError,  // 500, 502, 503, 504 came.
};
/// Whether a stored answer may stand in for the failure: inside stale-if-error (its own, the route's or the client's), or without a
/// window where the route serves stale when the origin is gone.
bool may_stand_in(Fault fault, const RequestFacts& request, const Times& times, std::uint16_t flags,
                  const RoutePolicy& policy, UnixMillis now) noexcept;
/// 500, 502, 503, 504 (RFC 5861, 4).
bool is_server_error(int status) noexcept;
/// What to say when it may not: 504 where the origin forbids stale answers (RFC 9111, 5.2.2.2), else 502 or, for a timeout, 504.
int status_for(Fault fault, std::uint16_t flags) noexcept;

}  // namespace tidegate::cache::rules
