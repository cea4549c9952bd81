// The key text of a request, from what is sent upstream, and what is refused because two readers could see two targets in it.
//
// Guarantee   The text holds everything the origin sees of method, scheme, authority and target. Bytes are compared as they are:
//             two spellings of one resource are two keys, never one answer for two resources.
// Convention  `GET http:example.org/cards?x=1`: the path begins at the first slash, as cache::Key wants it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace tidegate::cache::rules {

/// What else may be let through, for upstreams that need it.
struct TargetRules {
    bool encoded_slash = false;  // %2F (and %5C).
    bool empty_segments = true;  // `//`.
};
/// kInvalidArgument names what is ambiguous: dot segments in any spelling, encoded slashes and backslashes, NUL and other control
/// characters, broken escapes, bytes beyond visible ASCII, a fragment. `target` is path and query.
Result<void> check_target(std::string_view target, const TargetRules& rules);

/// Which parameters of a query count. What is left out is left out of the request for the origin as well.
struct QueryRules {
    std::vector<std::string> drop;  // Names, as they stand in the query; a trailing `*` drops by prefix (`utm_*`).
};
/// The target to send and to key on.
std::string filter_query(std::string_view target, const QueryRules& rules);

/// Host in lower case, without the scheme's default port.
std::string normal_authority(std::string_view scheme, std::string_view authority);

/// HEAD shares GET's key.
std::string key_text(http::Method method, std::string_view method_text, std::string_view scheme,
                     std::string_view authority, std::string_view target);

}  // namespace tidegate::cache::rules
