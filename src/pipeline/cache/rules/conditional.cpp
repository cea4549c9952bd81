#include "pipeline/cache/rules/conditional.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/strings.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/field_list.h"
#include "pipeline/cache/rules/http_date.h"

namespace tidegate::cache::rules {
namespace {

/// RFC 9110, 8.8.3: etagc is any visible byte but the quote, or obs-text.
bool is_etag_char(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != '"' && byte != 0x7f;
}

/// The next `"..."` or `W/"..."` of a list; what stands between tags is skipped. nullopt at the end.
std::optional<EntityTag> next_tag(std::string_view& rest) noexcept {
    while (!rest.empty()) {
        const std::size_t open = rest.find('"');
        if (open == std::string_view::npos) break;
        const std::size_t close = rest.find('"', open + 1);
        if (close == std::string_view::npos) break;
        const bool weak = open >= 2 && rest.substr(open - 2, 2) == "W/";
        const std::string_view before = http::syntax::trim_blank(rest.substr(0, weak ? open - 2 : open));
        const std::string_view opaque = rest.substr(open, close + 1 - open);
        rest.remove_prefix(close + 1);
        // Anything but commas before it makes it no entity tag.
        const bool clean = before.find_first_not_of(", \t") == std::string_view::npos &&
                           std::ranges::all_of(opaque.substr(1, opaque.size() - 2), is_etag_char);
        if (clean) return EntityTag{opaque, weak};
    }
    rest = {};
    return std::nullopt;
}

/// The one value of a field; nullopt when it is absent or repeated.
std::optional<std::string_view> single(const http::Headers& headers, std::string_view name) noexcept {
    const auto value = headers.get(name);
    if (!value || headers.count(name) != 1) return std::nullopt;
    return http::syntax::trim_blank(*value);
}

bool none_match_names(const http::Headers& request, std::string_view etag) noexcept {
    for (const auto& [name, value] : request.fields()) {
        if (name.size() == 13 && iequals(name, "if-none-match") && list_names(value, etag)) return true;
    }
    return false;
}

/// RFC 9111, 4.3.2: without a Last-Modified the Date stands for it.
bool unmodified_since(std::string_view field, const Representation& stored, UnixMillis now) noexcept {
    const auto since = parse_http_date(field, now);
    if (!since) return false;
    const auto modified = parse_http_date(stored.last_modified, now);
    return modified.value_or(stored.date_ms) <= *since;
}

/// RFC 9110, 13.1.5: without If-Range, or with one that names exactly this representation.
bool range_applies(const http::Headers& request, const Representation& stored, UnixMillis now) noexcept {
    if (!request.get("if-range")) return true;
    const auto field = single(request, "if-range");
    if (!field) return false;
    if (const auto wanted = parse_etag(*field)) {
        const auto have = parse_etag(stored.etag);
        return have && strong_match(*wanted, *have);
    }
    const auto wanted = parse_http_date(*field, now);
    const auto modified = parse_http_date(stored.last_modified, now);
    // A date is a strong validator only when nothing could have changed within its second (8.8.2.2).
    return wanted && modified && *wanted == *modified && stored.date_ms - *modified >= 1000;
}

bool parse_position(std::string_view text, std::uint64_t& out) noexcept {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        out = out > (kMax - digit) / 10 ? kMax : out * 10 + digit;
    }
    return !text.empty();
}

}  // namespace

std::optional<EntityTag> parse_etag(std::string_view text) noexcept {
    EntityTag out{text, false};
    if (text.starts_with("W/")) out = {text.substr(2), true};
    const std::string_view opaque = out.opaque;
    if (opaque.size() < 2 || opaque.front() != '"' || opaque.back() != '"') return std::nullopt;
    if (!std::ranges::all_of(opaque.substr(1, opaque.size() - 2), is_etag_char)) return std::nullopt;
    return out;
}

bool strong_match(const EntityTag& a, const EntityTag& b) noexcept {
    return !a.weak && !b.weak && a.opaque == b.opaque;
}

bool weak_match(const EntityTag& a, const EntityTag& b) noexcept {
    return a.opaque == b.opaque;
}

bool list_names(std::string_view list, std::string_view etag) noexcept {
    if (http::syntax::trim_blank(list) == "*") return true;
    const auto have = parse_etag(etag);
    if (!have) return false;
    while (const auto tag = next_tag(list)) {
        if (weak_match(*tag, *have)) return true;
    }
    return false;
}

std::optional<ByteRange> parse_range(std::string_view field, std::uint64_t size) noexcept {
    if (field.size() < 6 || !iequals(field.substr(0, 6), "bytes=")) return std::nullopt;
    std::string_view rest = field.substr(6);
    const std::string_view spec = next_member(rest);
    const std::size_t dash = spec.find('-');
    if (!rest.empty() || dash == std::string_view::npos) return std::nullopt;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (dash == 0) {
        if (!parse_position(spec.substr(1), last)) return std::nullopt;
        if (last == 0) return ByteRange{};
        if (size == 0) return std::nullopt;  // No 206 can say "nothing": the whole is the same.
        return ByteRange{true, size - std::min(size, last), size - 1};
    }
    if (!parse_position(spec.substr(0, dash), first)) return std::nullopt;
    const bool open = dash + 1 == spec.size();
    if (!open && (!parse_position(spec.substr(dash + 1), last) || last < first)) return std::nullopt;
    if (first >= size) return ByteRange{};
    return ByteRange{true, first, open ? size - 1 : std::min(last, size - 1)};
}

bool is_conditional(const http::Headers& request) noexcept {
    return std::ranges::any_of(request.fields(), [](const auto& field) {
        const std::string_view name = field.first;
        return (name.size() == 5 && iequals(name, "range")) || (name.size() >= 8 && iequals(name.substr(0, 3), "if-"));
    });
}

Answer answer_for(http::Method method, const http::Headers& request, const Representation& stored, UnixMillis now) {
    if (method != http::Method::kGet && method != http::Method::kHead) return {};
    // RFC 9110, 13.2.1: conditions count only where the plain answer would be a success.
    if (stored.status < 200 || stored.status > 299) return {};
    if (request.get("if-none-match")) {
        if (none_match_names(request, stored.etag)) return {Answer::Kind::kNotModified, 0, 0};
    } else if (const auto since = single(request, "if-modified-since")) {
        if (unmodified_since(*since, stored, now)) return {Answer::Kind::kNotModified, 0, 0};
    }
    if (method != http::Method::kGet || stored.status != 200) return {};
    const auto field = single(request, "range");
    if (!field || !range_applies(request, stored, now)) return {};
    const auto range = parse_range(*field, stored.body_bytes);
    if (!range) return {};
    if (!range->satisfiable) return {Answer::Kind::kUnsatisfiable, 0, 0};
    return {Answer::Kind::kPart, range->first, range->last};
}

std::string content_range(const Answer& answer, std::uint64_t size) {
    std::string out = "bytes ";
    if (answer.kind == Answer::Kind::kPart) {
        out += std::to_string(answer.first) + "-" + std::to_string(answer.last);
    } else {
        out.push_back('*');
    }
    return out + "/" + std::to_string(size);
}

bool belongs_in_304(std::string_view name, bool has_etag) noexcept {
    static constexpr std::array<std::string_view, 9> kNames{
        "cache-control",     "content-location",   "date", "etag", "expires", "vary", "cache-status",
        "cdn-cache-control", "timing-allow-origin"};
    if (std::ranges::any_of(kNames, [&](std::string_view known) { return iequals(known, name); })) return true;
    if (iequals(name, "last-modified")) return !has_etag;
    return name.size() > 15 &&
           (iequals(name.substr(0, 15), "access-control-") || iequals(name.substr(0, 13), "cross-origin-"));
}

http::Headers not_modified_fields(const http::Headers& stored) {
    http::Headers out;
    const bool has_etag = stored.get("etag").has_value();
    for (const auto& [name, value] : stored.fields()) {
        if (belongs_in_304(name, has_etag)) out.add(name, value);
    }
    return out;
}

}  // namespace tidegate::cache::rules
