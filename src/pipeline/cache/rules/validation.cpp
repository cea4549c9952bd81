#include "pipeline/cache/rules/validation.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"
#include "pipeline/cache/rules/conditional.h"
#include "pipeline/cache/rules/forwarding.h"
#include "pipeline/cache/rules/http_date.h"

namespace tidegate::cache::rules {
namespace {

bool is_valid_date(std::string_view text) noexcept {
    return parse_http_date(text, 0).has_value();
}

/// What describes the stored bytes stays as it was stored (RFC 9111, 3.2).
bool is_bound_to_body(std::string_view lower_name) noexcept {
    static constexpr std::array<std::string_view, 8> kNames{"content-length", "content-encoding", "content-range",
                                                            "content-md5",    "content-digest",   "repr-digest",
                                                            "digest",         "transfer-encoding"};
    return std::ranges::find(kNames, lower_name) != kNames.end();
}

/// The candidate for which `fits`, the chosen one first, then the newest.
template <class Fits>
std::optional<std::size_t> best(std::span<const Candidate> candidates, std::size_t chosen, Fits&& fits) {
    if (chosen < candidates.size() && fits(candidates[chosen])) return chosen;
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!fits(candidates[i])) continue;
        if (!found || candidates[i].response_ms > candidates[*found].response_ms) found = i;
    }
    return found;
}

/// The only candidate that could have been asked about.
std::optional<std::size_t> only_candidate(std::span<const Candidate> candidates) noexcept {
    if (candidates.size() == 1) return 0;
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!has_validator(candidates[i].etag, candidates[i].last_modified)) continue;
        if (found) return std::nullopt;
        found = i;
    }
    return found;
}

void add_lines(const http::Headers& from, std::string_view name, http::Headers& to) {
    for (const auto& [field, value] : from.fields()) {
        if (iequals(field, name)) to.add(field, value);
    }
}

}  // namespace

bool has_validator(std::string_view etag, std::string_view last_modified) noexcept {
    return parse_etag(etag).has_value() || is_valid_date(last_modified);
}

void strip_conditions(http::Headers& request, bool also_range) {
    request.remove("If-None-Match");
    request.remove("If-Modified-Since");
    if (!also_range) return;
    request.remove("Range");
    request.remove("If-Range");
}

void add_validators(std::span<const Candidate> candidates, std::size_t chosen, http::Headers& request) {
    std::string tags;
    std::vector<std::string_view> sent;
    const auto add = [&](std::string_view etag) {
        if (!parse_etag(etag) || std::ranges::find(sent, etag) != sent.end()) return;
        if (sent.size() == kTagsMax || tags.size() + etag.size() > kTagBytesMax) return;
        if (!tags.empty()) tags += ", ";
        tags += etag;
        sent.push_back(etag);
    };
    // The chosen one first, so that it is never the one for which there was no room.
    if (chosen < candidates.size()) add(candidates[chosen].etag);
    for (const Candidate& candidate : candidates) add(candidate.etag);
    if (!tags.empty()) request.set("If-None-Match", tags);
    if (chosen < candidates.size() && is_valid_date(candidates[chosen].last_modified)) {
        request.set("If-Modified-Since", candidates[chosen].last_modified);
    }
}

std::optional<std::size_t> confirmed_by_304(std::span<const Candidate> candidates, std::size_t chosen,
                                            const http::Headers& not_modified, const RoutePolicy& policy) {
    const auto field = not_modified.get("etag");
    if (const auto tag = field ? parse_etag(*field) : std::nullopt) {
        const auto found = best(candidates, chosen, [&](const Candidate& candidate) {
            const auto have = parse_etag(candidate.etag);
            return have && (tag->weak ? weak_match(*tag, *have) : strong_match(*tag, *have));
        });
        if (found || !policy.trust_any_304) return found;
        return only_candidate(candidates);
    }
    if (const auto modified = not_modified.get("last-modified")) {
        const auto found = best(candidates, chosen, [&](const Candidate& candidate) {
            return candidate.last_modified == *modified || candidate.last_modified.empty();
        });
        if (found && !candidates[*found].last_modified.empty()) return found;
        if (!found) return std::nullopt;
    }
    return only_candidate(candidates);
}

http::Headers updated_by_304(const http::Headers& stored, const http::Headers& not_modified,
                             const RoutePolicy& policy) {
    const std::vector<std::string> connection = connection_names(not_modified);
    const bool keep_etag = stored.get("etag").has_value();
    std::vector<std::string> news;  // Lower-case names that the 304 replaces.
    for (const auto& [name, value] : not_modified.fields()) {
        std::string lower = to_lower(name);
        if (is_bound_to_body(lower) || is_hop_by_hop(lower) || (keep_etag && lower == "etag")) continue;
        if (lower == "set-cookie" && !policy.share_set_cookie) continue;
        if (std::ranges::find(connection, lower) != connection.end()) continue;
        if (std::ranges::find(news, lower) == news.end()) news.push_back(std::move(lower));
    }
    http::Headers out;
    for (const auto& [name, value] : stored.fields()) {
        const std::string lower = to_lower(name);
        // Without a Date in the 304 the old one would make the confirmed answer old again.
        if (lower == "date" || lower == "age") continue;
        if (std::ranges::find(news, lower) == news.end()) out.add(name, value);
    }
    for (const std::string& name : news) add_lines(not_modified, name, out);
    return out;
}

HeadEffect effect_of_head(int status, const http::Headers& head_answer, std::string_view stored_etag,
                          std::string_view stored_last_modified, std::uint64_t stored_body_bytes) noexcept {
    if (status != 200) return HeadEffect::kNone;
    if (const auto etag = head_answer.get("etag"); etag && *etag != stored_etag) return HeadEffect::kInvalidate;
    if (const auto modified = head_answer.get("last-modified"); modified && *modified != stored_last_modified) {
        return HeadEffect::kInvalidate;
    }
    if (const auto length = head_answer.get("content-length")) {
        if (parse_u64(*length) != stored_body_bytes) return HeadEffect::kInvalidate;
    }
    return HeadEffect::kFreshen;
}

}  // namespace tidegate::cache::rules
