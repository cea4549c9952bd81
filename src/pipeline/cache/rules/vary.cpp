#include "pipeline/cache/rules/vary.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/field_list.h"

namespace tidegate::cache::rules {
namespace {

/// How the values of a field may be spelled without a change of meaning.
enum class Form : std::uint8_t {
    kExact,      // No list: only blanks at the ends go.
    kList,       // Blanks around commas and the splitting into lines do not count.
    kEncodings,  // A set of weighted words without case.
    kLanguages,  // Weighted words without case; a set where the policy says so.
    kMedia,      // A list; the type itself has no case.
};

Form form_of(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 9> kSingle{
        "authorization", "cookie", "host", "origin", "referer", "user-agent", "from", "x-forwarded-host", "date"};
    if (name == "accept-encoding" || name == "accept-charset") return Form::kEncodings;
    if (name == "accept-language") return Form::kLanguages;
    if (name == "accept") return Form::kMedia;
    return std::ranges::find(kSingle, name) != kSingle.end() ? Form::kExact : Form::kList;
}

struct Weighted {
    std::string word;  // Lower case.
    int thousandths = 1000;
};

/// `0`, `0.5`, `1.000`; -1 when it is no weight.
int parse_weight(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
    int value = text[0] - '0';
    if (text.size() > 1 && text[1] != '.') return -1;
    for (std::size_t i = 2; i < 5; ++i) {
        const char digit = i < text.size() ? text[i] : '0';
        if (digit < '0' || digit > '9') return -1;
        value = value * 10 + (digit - '0');
    }
    return value <= 1000 ? value : -1;
}

Weighted parse_weighted(std::string_view member) {
    const std::size_t semicolon = member.find(';');
    Weighted out{to_lower(http::syntax::trim_blank(member.substr(0, semicolon))), 1000};
    if (semicolon != std::string_view::npos) {
        const std::string_view parameter = http::syntax::trim_blank(member.substr(semicolon + 1));
        const bool is_weight = parameter.size() > 2 && iequals(parameter.substr(0, 2), "q=");
        const int weight = is_weight ? parse_weight(parameter.substr(2)) : -1;
        if (weight < 0) return {to_lower(member), 1000};  // Not understood: the text as it is.
        out.thousandths = weight;
    }
    if (out.word == "x-gzip") out.word = "gzip";  // RFC 9110, 8.4.1.3.
    if (out.word == "x-compress") out.word = "compress";
    return out;
}

std::vector<Weighted> weighted_members(std::string_view name, const http::Headers& request) {
    std::vector<Weighted> out;
    for_each_member(request, name, [&](std::string_view member) { out.push_back(parse_weighted(member)); });
    return out;
}

void append_weighted(std::vector<Weighted> members, bool is_set, std::string& out) {
    if (is_set) {
        std::ranges::sort(members, {},
                          [](const Weighted& w) { return std::pair(-w.thousandths, std::string_view(w.word)); });
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i > 0) out.push_back(',');
        out += members[i].word;
        if (members[i].thousandths != 1000) {
            out += ";q=";
            out += std::to_string(members[i].thousandths);
        }
    }
}

void append_list(std::string_view name, const http::Headers& request, bool media, std::string& out) {
    bool first = true;
    for_each_member(request, name, [&](std::string_view member) {
        if (!first) out.push_back(',');
        first = false;
        const std::size_t type_end = media ? std::min(member.find(';'), member.size()) : 0;
        out += to_lower(member.substr(0, type_end));
        out += member.substr(type_end);
    });
}

void append_exact(std::string_view name, const http::Headers& request, std::string& out) {
    bool first = true;
    for (const auto& [field, value] : request.fields()) {
        if (!iequals(field, name)) continue;
        if (!first) out += ", ";
        first = false;
        out += http::syntax::trim_blank(value);
    }
}

/// One line of the selecting text, without its end.
void append_value(std::string_view name, const http::Headers& request, const RoutePolicy& policy, std::string& out) {
    if (!request.get(name)) {
        out.push_back('-');
        return;
    }
    out.push_back('+');
    switch (form_of(name)) {
        case Form::kExact:
            append_exact(name, request, out);
            break;
        case Form::kEncodings:
            append_weighted(weighted_members(name, request), true, out);
            break;
        case Form::kLanguages:
            append_weighted(weighted_members(name, request), policy.select_language, out);
            break;
        case Form::kMedia:
        case Form::kList:
            append_list(name, request, form_of(name) == Form::kMedia, out);
            break;
    }
}

/// The one language liked more than all others; empty when there is none.
std::string best_language(const http::Headers& request) {
    const std::vector<Weighted> members = weighted_members("accept-language", request);
    const auto best = std::ranges::max_element(members, {}, &Weighted::thousandths);
    if (best == members.end() || best->thousandths == 0 || best->word == "*") return {};
    const auto same = [&](const Weighted& w) { return w.thousandths == best->thousandths; };
    return std::ranges::count_if(members, same) == 1 ? best->word : std::string();
}

template <class Visit>
bool all_names(std::string_view names, Visit&& visit) {
    while (!names.empty()) {
        const std::size_t comma = std::min(names.find(','), names.size());
        if (!visit(names.substr(0, comma))) return false;
        names.remove_prefix(std::min(comma + 1, names.size()));
    }
    return true;
}

/// The next line of a selecting text; `rest` moves past it.
std::string_view next_line(std::string_view& rest) noexcept {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
}

}  // namespace

VaryNames read_vary(const http::Headers& response) {
    VaryNames out;
    std::vector<std::string> names;
    for_each_member(response, "vary", [&](std::string_view member) {
        if (member == "*") out.star = true;
        // A member that is no field name cannot be compared with anything.
        if (!http::syntax::is_token(member)) out.star = true;
        names.push_back(to_lower(member));
    });
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    out.too_large = names.size() > kVaryFieldsMax;
    if (out.star || out.too_large) return out;
    for (const std::string& name : names) {
        if (!out.names.empty()) out.names.push_back(',');
        out.names += name;
    }
    return out;
}

void selecting_text(std::string_view names, const http::Headers& request, const RoutePolicy& policy, std::string& out) {
    all_names(names, [&](std::string_view name) {
        append_value(name, request, policy, out);
        out.push_back('\n');
        return true;
    });
}

bool variant_fits(const VariantView& variant, const http::Headers& request, const RoutePolicy& policy) {
    std::string_view lines = variant.selecting;
    std::string value;
    return all_names(variant.names, [&](std::string_view name) {
        const std::string_view stored = next_line(lines);
        value.clear();
        append_value(name, request, policy, value);
        if (value == stored) return true;
        if (!policy.select_language || name != "accept-language" || variant.content_language.empty()) return false;
        const std::string best = best_language(request);
        return !best.empty() && iequals(best, http::syntax::trim_blank(variant.content_language));
    });
}

}  // namespace tidegate::cache::rules
