#include "pipeline/cache/rules/directives.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/field_list.h"
#include "pipeline/cache/rules/structured_field.h"

namespace tidegate::cache::rules {
namespace {

struct Directive {
    std::string_view name;
    std::string_view value;  // Without its quotes.
    bool has_value = false;
    bool clean = true;  // No blanks around `=`.
};

Directive split_directive(std::string_view member) noexcept {
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos) return {member, {}, false, true};
    Directive out{http::syntax::trim_blank(member.substr(0, equals)),
                  http::syntax::trim_blank(member.substr(equals + 1)), true, true};
    out.clean = out.name.size() == equals && out.value.size() == member.size() - equals - 1;
    if (out.value.size() >= 2 && out.value.front() == '"' && out.value.back() == '"') {
        out.value = out.value.substr(1, out.value.size() - 2);
    }
    return out;
}

/// A time of a restricting directive: what cannot be read is 0, of two the shorter.
void take_shortest(Seconds& into, const Directive& directive) noexcept {
    const Seconds value = directive.clean ? parse_delta(directive.value).value_or(0) : 0;
    into = into == kAbsent ? value : std::min(into, value);
}

void add_field_names(std::string_view list, std::vector<std::string>& out) {
    std::string_view rest = list;
    while (!rest.empty()) {
        if (const std::string_view name = next_member(rest); !name.empty()) out.push_back(to_lower(name));
    }
}

/// `private` and `no-cache`: with a list of fields only those are meant; without a name in it, everything.
void qualified(const Directive& directive, bool& whole, std::vector<std::string>& fields) {
    const std::size_t before = fields.size();
    if (directive.has_value) add_field_names(directive.value, fields);
    if (fields.size() == before) whole = true;
}

void apply(const Directive& d, ResponseDirectives& out) {
    const auto is = [&](std::string_view name) { return d.name.size() == name.size() && iequals(d.name, name); };
    if (is("max-age")) {
        take_shortest(out.max_age, d);
    } else if (is("s-maxage")) {
        take_shortest(out.s_maxage, d);
    } else if (is("no-store")) {
        out.no_store = true;
    } else if (is("no-cache")) {
        qualified(d, out.no_cache, out.no_cache_fields);
    } else if (is("private")) {
        qualified(d, out.is_private, out.private_fields);
    } else if (is("public")) {
        out.is_public |= !d.has_value;  // A directive that grants counts only as it is defined.
    } else if (is("must-revalidate")) {
        out.must_revalidate = true;
    } else if (is("proxy-revalidate")) {
        out.proxy_revalidate = true;
    } else if (is("must-understand")) {
        out.must_understand |= !d.has_value;
    } else if (is("no-transform")) {
        out.no_transform = true;
    } else if (is("immutable")) {
        out.immutable |= !d.has_value;
    } else if (is("stale-while-revalidate")) {
        take_shortest(out.stale_while_revalidate, d);
    } else if (is("stale-if-error")) {
        take_shortest(out.stale_if_error, d);
    }
}

/// The dictionary's members in the words of Cache-Control. A time of the wrong type counts as 0, a flag of the wrong type as set
/// when it restricts (RFC 9213, 2.1 lets a cache ignore such a member; that would be the laxer reading).
void apply_member(const std::string& name, const sf::Member& member, ResponseDirectives& out) {
    const sf::Item* item = std::get_if<sf::Item>(&member);
    Directive d{name, {}, false, true};
    std::string text;
    if (item == nullptr) {
        d.has_value = true;
    } else if (const auto* number = std::get_if<std::int64_t>(&item->value)) {
        text = std::to_string(*number);
        d.has_value = true;
    } else if (const auto* fields = std::get_if<std::string>(&item->value)) {
        // A list of fields for private and no-cache; for a time it is the wrong type.
        d.has_value = true;
        if (name == "private" || name == "no-cache") text = *fields;
    } else if (const auto* flag = std::get_if<bool>(&item->value)) {
        if (!*flag) return;
    } else {
        d.has_value = true;
    }
    d.value = text;
    apply(d, out);
}

}  // namespace

std::optional<Seconds> parse_delta(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    Seconds value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = std::min(kForever, value * 10 + (c - '0'));
    }
    return value;
}

ResponseDirectives read_cache_control(const http::Headers& response) {
    ResponseDirectives out;
    for_each_member(response, "cache-control", [&](std::string_view member) { apply(split_directive(member), out); });
    return out;
}

std::optional<ResponseDirectives> read_targeted(const http::Headers& response,
                                                std::span<const std::string_view> names) {
    for (const std::string_view name : names) {
        if (!response.get(name)) continue;
        const auto dictionary = sf::parse_dictionary(sf::joined(response, name));
        if (!dictionary || dictionary->empty()) continue;
        ResponseDirectives out;
        out.targeted = true;
        for (const auto& [key, member] : *dictionary) apply_member(key, member, out);
        return out;
    }
    return std::nullopt;
}

ResponseDirectives read_response_directives(const http::Headers& response, const RoutePolicy& policy) {
    // The target list of RFC 9213, 2.2: who configures us by name, then any cache of the origin's operator.
    static constexpr std::array<std::string_view, 2> kTargets{"Tidegate-Cache-Control", "CDN-Cache-Control"};
    if (policy.targeted) {
        if (auto targeted = read_targeted(response, kTargets)) return *std::move(targeted);
    }
    return read_cache_control(response);
}

void add_request_line(std::string_view value, RequestDirectives& out) noexcept {
    std::string_view rest = value;
    while (!rest.empty()) {
        const Directive d = split_directive(next_member(rest));
        const auto is = [&](std::string_view name) { return d.name.size() == name.size() && iequals(d.name, name); };
        if (is("no-cache")) {
            out.no_cache = true;
        } else if (is("no-store")) {
            out.no_store = true;
        } else if (is("max-age")) {
            take_shortest(out.max_age, d);
        } else if (is("max-stale")) {
            // Leave to serve stale answers is given only by what can be read.
            const std::optional<Seconds> limit = d.has_value ? parse_delta(d.value) : kForever;
            if (limit) out.max_stale = out.max_stale == kAbsent ? *limit : std::min(out.max_stale, *limit);
        } else if (is("min-fresh")) {
            if (const auto wish = parse_delta(d.value)) out.min_fresh = std::max(out.min_fresh, *wish);
        } else if (is("only-if-cached")) {
            out.only_if_cached = true;
        } else if (is("stale-if-error")) {
            if (const auto limit = parse_delta(d.value)) out.stale_if_error = *limit;
        } else if (is("no-transform")) {
            out.no_transform = true;
        }
    }
}

RequestDirectives read_request_directives(const http::Headers& request) noexcept {
    RequestDirectives out;
    for (const auto& [name, value] : request.fields()) {
        if (name.size() == 13 && iequals(name, "cache-control")) add_request_line(value, out);
    }
    return out;
}

}  // namespace tidegate::cache::rules
