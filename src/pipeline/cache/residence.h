// Residence: how long a kept answer has been here, by a wall clock that may have been set in the meantime.
//
// Guarantee   Never negative. When the clock stands before the moment at which the answer came, nobody knows how old it is: it
//             then counts as older than any lifetime, so it is checked with its origin, and good again when the clock is.
#pragma once

#include "base/clock.h"

namespace tidegate::cache {

/// The clocks of two processes that share answers, and one clock that is kept right by NTP, differ by less: nothing is said
/// about an answer that came so little "later" than now.
inline constexpr UnixMillis kSkewMaxMs = 5000;
/// Twice the longest lifetime there is (RFC 9111, 1.2.2: 2^31 s).
inline constexpr UnixMillis kUnknownResidenceMs = (UnixMillis{1} << 32U) * 1000;

/// The answer came at a time that is still to come.
inline bool is_ahead(UnixMillis response_ms, UnixMillis now) noexcept {
    return now + kSkewMaxMs < response_ms;
}

/// Milliseconds since the answer came.
inline UnixMillis resident_ms(UnixMillis response_ms, UnixMillis now) noexcept {
    if (now >= response_ms) return now - response_ms;
    return is_ahead(response_ms, now) ? kUnknownResidenceMs : 0;
}

}  // namespace tidegate::cache
