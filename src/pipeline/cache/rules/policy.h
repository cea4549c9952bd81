// RoutePolicy: what an operator decided for one route; everything the rules of HTTP leave open stands here, with a safe default.
//
// Guarantee   With the defaults only what an origin declares fresh is reused, nothing bound to a caller is shared, and a client
//             cannot force work on the origin.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace tidegate::cache::rules {

/// Whole seconds. Lengths of time in HTTP saturate at 2^31 (RFC 9111, 1.2.2).
using Seconds = std::int64_t;
inline constexpr Seconds kForever = Seconds{1} << 31U;
/// "Not said", where a length of time may be.
inline constexpr Seconds kAbsent = -1;

enum class TtlUse : std::uint8_t {
    kNone,    // Only what the origin says.
    kSilent,  // ttl_s where the origin says nothing about freshness.
    kForce,   // ttl_s instead of what the origin says; no-store, private and `Vary: *` still hold.
};

/// Which of a client's wishes are heard. Those that make us ask the origin are off: a client may not bypass a route that is dear.
struct ClientWishes {
    bool no_cache = false;         // Cache-Control: no-cache
    bool pragma = false;           // Pragma: no-cache, where the request has no Cache-Control
    bool max_age = false;          // Cache-Control: max-age
    bool min_fresh = false;        // Cache-Control: min-fresh
    bool max_stale = true;         // Cache-Control: max-stale; saves work
    bool only_if_cached = true;    // Cache-Control: only-if-cached; 504 instead of work
    bool stale_if_error = true;    // Cache-Control: stale-if-error (RFC 5861, 4)
    bool no_store_lookup = false;  // no-store also means: do not answer from the cache. Not storing is always heard.
    /// All of them: for an origin that is cheap and clients that are trusted.
    static ClientWishes all() { return {true, true, true, true, true, true, true, true}; }
};

struct RoutePolicy {
    // Freshness.
    TtlUse ttl_use = TtlUse::kNone;
    Seconds ttl_s = 0;           // For 200, 203, 204, 300, 301, 308.
    Seconds negative_ttl_s = 0;  // For 404, 405, 410, 501 without explicit freshness; at most kNegativeTtlMax.
    bool heuristics = false;     // RFC 9111, 4.2.2: a tenth of the time since Last-Modified, at most heuristic_s_max.
    Seconds heuristic_s_max = 24 * 3600;
    bool strict_age = false;  // An Age that is not one number makes the answer stale; the RFC advises to ignore it.
    bool targeted = true;     // CDN-Cache-Control (RFC 9213) before Cache-Control.
    // Stale answers. Never where the origin forbids them.
    Seconds stale_while_revalidate_s = kAbsent;  // Where the origin does not say; kAbsent: none.
    Seconds stale_if_error_s = kAbsent;          // Where the origin does not say; kAbsent: none.
    bool stale_when_gone = false;                // Also without a window when the origin cannot be reached at all.
    // Sharing.
    bool caller_in_key = false;     // The key names the caller, so answers to Authorization are its own.
    bool share_set_cookie = false;  // Keep answers with Set-Cookie and send the cookie to everyone.
    bool store_post = false;     // RFC 9110, 9.3.3: a POST's answer with Content-Location of its own target serves GET.
    bool store_unfresh = false;  // Keep answers of a silent origin that have a validator, to validate them each time.
    // Variants.
    // Of languages that are liked alike the order does not count, and `Vary: Accept-Language` is also met by an answer whose
    // Content-Language is the one the client likes best. Some origins go by the order (RFC 9110, 12.5.4), so this is off.
    bool select_language = false;
    // Validation.
    bool trust_any_304 = false;  // A 304 whose strong tag is not the one we asked with still confirms a lone answer.
    ClientWishes wishes;
};

/// Errors are kept for so long at most, unless the origin says more: a mistake must not outlive its cause.
inline constexpr Seconds kNegativeTtlMax = 10;

}  // namespace tidegate::cache::rules
