// Invalidation: what an answer to a method that changes things makes unusable (RFC 9111, 4.4; RFC 9875).
//
// Guarantee   Only an answer that is no error (2xx, 3xx) invalidates, and only on its own origin: nobody can empty another site.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace tidegate::cache::rules {

/// `scheme` in lower case, `authority` as in Host.
struct OriginName {
    std::string_view scheme;
    std::string_view authority;
};

/// RFC 9875, 2: at least 32 groups of 32 characters are supported; over these the field counts as absent.
inline constexpr std::size_t kGroupsMax = 128;
inline constexpr std::size_t kGroupBytesMax = 256;

/// The groups of an answer (Cache-Groups); empty when the field is no valid list of strings.
std::vector<std::string> read_groups(const http::Headers& response);

struct Invalidation {
    bool target = false;  // The request's own target.
    std::vector<std::string>
        others;  // Path and query of same-origin Location and Content-Location, as they would be asked for.
    std::vector<std::string> groups;  // Cache-Group-Invalidation.
    bool any() const noexcept { return target || !others.empty() || !groups.empty(); }
};
/// `target`: path and query of the request. `origins`: under which names this origin is known (ours, and the upstream's own).
Invalidation invalidated_by(http::Method method, std::string_view method_text, int status,
                            const http::Headers& response, std::string_view target,
                            std::span<const OriginName> origins);

/// Path and query of a reference, resolved against `target` (RFC 3986, 5.2) when it leads to one of `origins`; empty otherwise.
std::string same_origin_target(std::string_view reference, std::string_view target,
                               std::span<const OriginName> origins);

}  // namespace tidegate::cache::rules
