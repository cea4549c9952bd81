// Conditional: how a stored whole answer meets a client's If-None-Match, If-Modified-Since, Range and If-Range (RFC 9110, 13, 14).
//
// Guarantee   If-None-Match goes before If-Modified-Since, conditions before ranges. Weak comparison for conditions, strong for
//             If-Range. What is malformed is as if it were not there.
// Memory      No allocation but for the lists of fields that are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace tidegate::cache::rules {

/// `"..."` or `W/"..."`; nothing else is an entity tag.
struct EntityTag {
    std::string_view opaque;  // With its quotes.
    bool weak = false;
};
std::optional<EntityTag> parse_etag(std::string_view text) noexcept;
bool strong_match(const EntityTag& a, const EntityTag& b) noexcept;
bool weak_match(const EntityTag& a, const EntityTag& b) noexcept;
/// Whether a list (If-None-Match) names it by weak comparison; `*` names everything.
bool list_names(std::string_view list, std::string_view etag) noexcept;

/// What conditions are judged by.
struct Representation {
    int status = 200;
    std::string_view etag;           // As stored; may be empty.
    std::string_view last_modified;  // As stored; may be empty.
    UnixMillis date_ms = 0;          // Of its Date, or when it came.
    std::uint64_t body_bytes = 0;
};

struct Answer {
    enum class Kind : std::uint8_t { kWhole, kNotModified, kPart, kUnsatisfiable };
    Kind kind = Kind::kWhole;
    std::uint64_t first = 0;  // kPart: bytes first to last, both included.
    std::uint64_t last = 0;
};
/// Whether any condition or range stands in the request; without one answer_for() says kWhole.
bool is_conditional(const http::Headers& request) noexcept;
/// For GET and HEAD of a stored answer that may be used. `now` tells the century of a date with a year of two digits.
Answer answer_for(http::Method method, const http::Headers& request, const Representation& stored, UnixMillis now);

/// A part of a Range field: nullopt when it is not one satisfiable or unsatisfiable byte range (several, other units, nonsense: the
/// field is ignored then).
struct ByteRange {
    bool satisfiable = false;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};
std::optional<ByteRange> parse_range(std::string_view field, std::uint64_t size) noexcept;

/// `bytes 0-1/11`, and for 416 `bytes */11`.
std::string content_range(const Answer& answer, std::uint64_t size);

/// The fields of a 304 made from a stored answer (RFC 9110, 15.4.5): ETag, Cache-Control, Content-Location, Date, Expires, Vary,
/// Last-Modified where there is no ETag, and what browsers check across origins.
http::Headers not_modified_fields(const http::Headers& stored);
/// The same as a question, for heads that are kept as text.
bool belongs_in_304(std::string_view name, bool has_etag) noexcept;

}  // namespace tidegate::cache::rules
