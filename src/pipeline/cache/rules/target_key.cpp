#include "pipeline/cache/rules/target_key.h"

#include <algorithm>

#include "base/hex_value.h"
#include "base/strings.h"
#include "http/syntax.h"

namespace tidegate::cache::rules {
namespace {

/// What is wrong with the escapes of a path or query; empty when nothing is.
std::string_view check_escapes(std::string_view text, bool in_path, const TargetRules& rules) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') continue;
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        // A query may hold a lone percent sign: it is data, and nobody routes by it.
        if (high < 0 || low < 0) {
            if (in_path) return "a broken percent escape in the path";
            continue;
        }
        const int value = high * 16 + low;
        if (in_path && (value < 0x20 || value == 0x7f)) return "an encoded control character in the path";
        if (value == 0) return "an encoded NUL";
        if (in_path && !rules.encoded_slash && (value == '/' || value == '\\')) return "an encoded slash in the path";
        i += 2;
    }
    return {};
}

/// `.`, `..` and their encoded spellings.
bool is_dot_segment(std::string_view segment) noexcept {
    std::size_t dots = 0;
    while (!segment.empty()) {
        if (segment.front() == '.') {
            segment.remove_prefix(1);
        } else if (segment.size() >= 3 && iequals(segment.substr(0, 3), "%2e")) {
            segment.remove_prefix(3);
        } else {
            return false;
        }
        ++dots;
    }
    return dots == 1 || dots == 2;
}

std::string_view check_segments(std::string_view path, const TargetRules& rules) noexcept {
    std::string_view rest = path.substr(1);
    for (;;) {
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string_view segment = rest.substr(0, end);
        // A parameter of a segment (`..;x`) hides the dots from one reader and not from another.
        if (is_dot_segment(segment.substr(0, segment.find(';')))) return "a dot segment in the path";
        if (end == rest.size()) return {};
        if (segment.empty() && !rules.empty_segments) return "an empty segment in the path";
        rest.remove_prefix(end + 1);
    }
}

bool is_dropped(std::string_view name, const QueryRules& rules) noexcept {
    return std::ranges::any_of(rules.drop, [&](const std::string& pattern) {
        if (pattern.ends_with('*')) return name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
        return name == pattern;
    });
}

}  // namespace

Result<void> check_target(std::string_view target, const TargetRules& rules) {
    const auto refuse = [](std::string_view what) { return fail(ErrorCode::kInvalidArgument, std::string(what)); };
    if (!target.starts_with('/')) return refuse("the target is not a path");
    if (!http::syntax::all(target, http::syntax::kTargetChar)) return refuse("a byte that must be percent-encoded");
    const std::size_t mark = std::min(target.find('?'), target.size());
    const std::string_view path = target.substr(0, mark);
    if (path.find('\\') != std::string_view::npos) return refuse("a backslash in the path");
    for (const std::string_view wrong : {check_segments(path, rules), check_escapes(path, true, rules),
                                         check_escapes(target.substr(mark), false, rules)}) {
        if (!wrong.empty()) return refuse(wrong);
    }
    return {};
}

std::string filter_query(std::string_view target, const QueryRules& rules) {
    const std::size_t mark = target.find('?');
    if (mark == std::string_view::npos || rules.drop.empty()) return std::string(target);
    std::string out(target.substr(0, mark));
    char before = '?';
    for (const std::string_view parameter : split(target.substr(mark + 1), '&')) {
        if (is_dropped(parameter.substr(0, parameter.find('=')), rules)) continue;
        out.push_back(before);
        out += parameter;
        before = '&';
    }
    return out;
}

std::string normal_authority(std::string_view scheme, std::string_view authority) {
    std::string out = to_lower(authority);
    const std::string_view standard = iequals(scheme, "https") ? ":443" : ":80";
    if (out.ends_with(standard)) out.resize(out.size() - standard.size());
    if (out.ends_with(':')) out.pop_back();
    return out;
}

std::string key_text(http::Method method, std::string_view method_text, std::string_view scheme,
                     std::string_view authority, std::string_view target) {
    const bool reads = method == http::Method::kGet || method == http::Method::kHead;
    const std::string host = normal_authority(scheme, authority);
    std::string out;
    // With room for what the caller adds: route, tenant.
    out.reserve(128 + host.size() + target.size());
    out += reads ? std::string_view("GET") : method_text;
    out.push_back(' ');
    out += scheme == "http" || scheme == "https" ? std::string(scheme) : to_lower(scheme);
    out.push_back(':');
    out += host;
    out += target;
    return out;
}

}  // namespace tidegate::cache::rules
