// The request target (RFC 9112, 3.2): its four forms, and the one path that router and authoriser both see.
//
// Guarantee   The path is decoded once, is valid UTF-8, holds no control byte, starts at the root and has no
// `.` or `..`
//             segment. Refused rather than guessed at: a broken escape, %00 and other control bytes, an
//             encoded slash
//             (%2F) or a backslash in any form (two readers would see different segments). Empty segments
//             stay.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "http/message.h"
#include "http/syntax.h"

namespace tidegate::http {

/// Fills path and query from head.target; head.method must be known. Returns the authority of an
/// absolute-form target, empty for the other forms.
std::expected<std::string_view, SyntaxError> parse_target(RequestHead& head);

/// `host`, `host:port`, `[v6]:port`; not empty, no user information.
bool is_valid_authority(std::string_view text) noexcept;

}  // namespace tidegate::http
