// Validation: asking the origin whether stored answers still hold, and what its 304 or its answer to HEAD changes (RFC 9111, 4.3).
//
// Guarantee   A client's own conditions never travel with a fetch that fills the cache. A 304 whose strong tag is not a stored one
//             confirms nothing. The stored body's length, coding and digests never come from a 304.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"
#include "pipeline/cache/rules/policy.h"

namespace tidegate::cache::rules {

/// A stored answer of the key, as validation sees it.
struct Candidate {
    std::string_view etag;
    std::string_view last_modified;
    UnixMillis response_ms = 0;
};

/// At most so many tags go into one If-None-Match, and so many bytes.
inline constexpr std::size_t kTagsMax = 16;
inline constexpr std::size_t kTagBytesMax = 2048;

bool has_validator(std::string_view etag, std::string_view last_modified) noexcept;

/// Takes If-None-Match, If-Modified-Since and, for a fetch of the whole, Range and If-Range out of the request for the origin.
void strip_conditions(http::Headers& request, bool also_range);
/// Makes the request (already without the client's conditions) a validation: the tags of all candidates, and If-Modified-Since of
/// the one that was chosen for this request (index into the span; npos: none).
void add_validators(std::span<const Candidate> candidates, std::size_t chosen, http::Headers& request);
inline constexpr std::size_t kNoCandidate = static_cast<std::size_t>(-1);

/// RFC 9111, 4.3.4: which stored answer a 304 confirms; nullopt: none, fetch again without conditions.
std::optional<std::size_t> confirmed_by_304(std::span<const Candidate> candidates, std::size_t chosen,
                                            const http::Headers& not_modified, const RoutePolicy& policy);

/// The stored fields as the 304 changes them (3.2): each field it carries replaces those of the same name; body-bound, hop-by-hop and
/// request-bound ones excepted. The result goes through storable() again for its new times.
http::Headers updated_by_304(const http::Headers& stored, const http::Headers& not_modified, const RoutePolicy& policy);

enum class HeadEffect : std::uint8_t {
    kNone,        // Not a 200, or nothing stored to compare.
    kFreshen,     // Same validators and length: update the stored GET as by a 304.
    kInvalidate,  // They differ: the stored GET must not be used without validation.
};
/// RFC 9111, 4.3.5.
HeadEffect effect_of_head(int status, const http::Headers& head_answer, std::string_view stored_etag,
                          std::string_view stored_last_modified, std::uint64_t stored_body_bytes) noexcept;

}  // namespace tidegate::cache::rules
