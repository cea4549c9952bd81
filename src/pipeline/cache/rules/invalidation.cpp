#include "pipeline/cache/rules/invalidation.h"

#include <algorithm>

#include "base/strings.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/structured_field.h"
#include "pipeline/cache/rules/target_key.h"

namespace tidegate::cache::rules {
namespace {

/// RFC 3986, 5.2.4, on an absolute path.
std::string remove_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, end);
        const bool last = end == path.size();
        if (segment == "/." || segment == "/..") {
            if (segment == "/..") out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
            if (last) out.push_back('/');
        } else {
            out += segment;
        }
        path.remove_prefix(end);
    }
    return out.empty() ? "/" : out;
}

struct SplitTarget {
    std::string_view path;
    std::string_view query;  // With its `?`.
};
SplitTarget split_target(std::string_view text) noexcept {
    const std::size_t mark = std::min(text.find('?'), text.size());
    return {text.substr(0, mark), text.substr(mark)};
}

/// Takes `scheme:` off the front where there is one.
std::string_view take_scheme(std::string_view& reference) noexcept {
    const std::size_t colon = reference.find_first_of(":/?");
    if (colon == std::string_view::npos || reference[colon] != ':') return {};
    const std::string_view scheme = reference.substr(0, colon);
    reference.remove_prefix(colon + 1);
    return scheme;
}

bool is_ours(std::string_view scheme, std::string_view authority, std::span<const OriginName> origins) {
    return std::ranges::any_of(origins, [&](const OriginName& origin) {
        const std::string_view wanted = scheme.empty() ? origin.scheme : scheme;  // `//host/path` keeps the scheme.
        return iequals(wanted, origin.scheme) &&
               normal_authority(origin.scheme, authority) == normal_authority(origin.scheme, origin.authority);
    });
}

std::vector<std::string> read_strings(const http::Headers& headers, std::string_view name) {
    if (!headers.get(name)) return {};
    const auto list = sf::parse_list(sf::joined(headers, name));
    if (!list || list->size() > kGroupsMax) return {};
    std::vector<std::string> out;
    for (const sf::Member& member : *list) {
        const sf::Item* item = std::get_if<sf::Item>(&member);
        const std::string* text = item != nullptr ? std::get_if<std::string>(&item->value) : nullptr;
        if (text == nullptr || text->size() > kGroupBytesMax) return {};
        out.push_back(*text);
    }
    return out;
}

}  // namespace

std::vector<std::string> read_groups(const http::Headers& response) {
    return read_strings(response, "cache-groups");
}

std::string same_origin_target(std::string_view reference, std::string_view target,
                               std::span<const OriginName> origins) {
    reference = http::syntax::trim_blank(reference);
    reference = reference.substr(0, reference.find('#'));
    if (!http::syntax::all(reference, http::syntax::kTargetChar) && !reference.empty()) return {};
    const std::string_view scheme = take_scheme(reference);
    if (reference.starts_with("//")) {
        const std::size_t end = std::min(reference.find_first_of("/?", 2), reference.size());
        if (!is_ours(scheme, reference.substr(2, end - 2), origins)) return {};
        reference.remove_prefix(end);
        if (reference.empty() || reference.front() == '?') {
            return "/" + std::string(reference);
        }
    } else if (!scheme.empty()) {
        return {};  // `mailto:`, `http:relative`: nothing that is asked for here.
    }
    const SplitTarget base = split_target(target);
    const SplitTarget wanted = split_target(reference);
    if (wanted.path.empty())
        return std::string(base.path) + std::string(wanted.query.empty() ? base.query : wanted.query);
    std::string path(wanted.path);
    if (!path.starts_with('/')) {
        const std::size_t slash = base.path.rfind('/');
        path.insert(0, slash == std::string_view::npos ? std::string_view("/") : base.path.substr(0, slash + 1));
    }
    return remove_dot_segments(path) + std::string(wanted.query);
}

Invalidation invalidated_by(http::Method method, std::string_view method_text, int status,
                            const http::Headers& response, std::string_view target,
                            std::span<const OriginName> origins) {
    Invalidation out;
    if (is_safe(method, method_text) || status < 200 || status > 399) return out;
    out.target = true;
    for (const std::string_view name : {"location", "content-location"}) {
        const auto reference = response.get(name);
        if (!reference) continue;
        std::string other = same_origin_target(*reference, target, origins);
        if (other.empty() || other == target) continue;
        if (std::ranges::find(out.others, other) == out.others.end()) out.others.push_back(std::move(other));
    }
    out.groups = read_strings(response, "cache-group-invalidation");
    return out;
}

}  // namespace tidegate::cache::rules
