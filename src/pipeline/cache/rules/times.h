// Times: when an answer was made and how long it lives; the arithmetic of age and freshness (RFC 9111, 4.2).
//
// Use         The same fields as cache::Timing, and the same bits as cache::EntryFlag: the store keeps them as they are.
// Guarantee   Never negative; saturates at 2^31 s. A clock that went back behind the moment an answer came makes it older
//             than any lifetime (residence.h): what is not known to be fresh is not.
#pragma once

#include <cstdint>
#include <optional>

#include "http/message.h"
#include "pipeline/cache/rules/policy.h"

namespace tidegate::cache::rules {

struct Times {
    UnixMillis response_ms = 0;  // When the head of the answer (or of the 304 that confirmed it) came.
    UnixMillis date_ms = 0;      // Its Date; response_ms where it has none.
    std::uint32_t initial_age_s = 0;
    std::uint32_t lifetime_s = 0;
    std::uint32_t stale_while_revalidate_s = 0;
    std::uint32_t stale_if_error_s = 0;
    friend bool operator==(const Times&, const Times&) = default;
};

enum Flag : std::uint16_t {
    kMustRevalidate = 1U << 0U,  // must-revalidate, proxy-revalidate, s-maxage: never stale.
    kNoCache = 1U << 1U,         // Never without validation.
    kImmutable = 1U << 2U,
    kNoTransform = 1U << 3U,
    kAuthorized = 1U << 4U,   // The answer to a request with Authorization, shared because its origin said so.
    kPrivate = 1U << 5U,      // Its key names a caller.
    kOwnLifetime = 1U << 6U,  // The lifetime is the route's.
    kHasValidator = 1U << 8U,
    kHeuristic = 1U << 9U,
};

/// The time an answer's Age field states, under the policy's reading of a malformed one: kAbsent when there is none.
Seconds read_age(const http::Headers& response, bool strict) noexcept;

/// RFC 9111, 4.2.3, up to corrected_initial_age. `date_ms` is what Date says, nullopt without a valid one.
std::uint32_t initial_age_s(Seconds age_field, std::optional<UnixMillis> date_ms, UnixMillis request_ms,
                            UnixMillis response_ms) noexcept;

/// current_age: what Age says when the answer is sent now.
std::uint32_t age_s(const Times& times, UnixMillis now) noexcept;
/// Freshness left; negative by how long it has been stale.
Seconds ttl_s(const Times& times, UnixMillis now) noexcept;
/// RFC 9111, 4.2: lifetime > age, to the millisecond.
bool is_fresh(const Times& times, UnixMillis now) noexcept;

}  // namespace tidegate::cache::rules
