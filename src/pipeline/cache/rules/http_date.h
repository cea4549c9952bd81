// HTTP dates (RFC 9110, 5.6.7): the three formats, read strictly.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace tidegate::cache::rules {

/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`; names in any case; the day of
/// the week is not compared with the date. A year of two digits that would lie more than 50 years after `now` is in the past.
std::optional<UnixMillis> parse_http_date(std::string_view text, UnixMillis now) noexcept;

}  // namespace tidegate::cache::rules
