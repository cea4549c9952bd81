#include "pipeline/cache/rules/facts.h"

#include "base/strings.h"
#include "pipeline/cache/rules/field_list.h"

namespace tidegate::cache::rules {
namespace {

bool lists_no_cache(std::string_view value) noexcept {
    std::string_view rest = value;
    while (!rest.empty()) {
        if (iequals(next_member(rest), "no-cache")) return true;
    }
    return false;
}

/// The length of a name decides first: most fields of a request match none.
void add_field(std::string_view name, std::string_view value, RequestFacts& out) noexcept {
    switch (name.size()) {
        case 5:
            out.range |= iequals(name, "range");
            break;
        case 6:
            out.cookie |= iequals(name, "cookie");
            if (iequals(name, "pragma")) out.pragma_no_cache |= lists_no_cache(value);
            break;
        case 7:
            out.upgrade |= iequals(name, "upgrade");
            break;
        case 8:
            out.precondition |= iequals(name, "if-match");
            break;
        case 13:
            out.authorization |= iequals(name, "authorization");
            out.conditional |= iequals(name, "if-none-match");
            if (iequals(name, "cache-control")) {
                out.has_cache_control = true;
                add_request_line(value, out.directives);
            }
            break;
        case 17:
            out.conditional |= iequals(name, "if-modified-since");
            break;
        case 19:
            out.precondition |= iequals(name, "if-unmodified-since");
            break;
        default:
            break;
    }
}

}  // namespace

RequestFacts read_request(http::Method method, const http::Headers& headers, bool has_body) {
    RequestFacts out;
    out.method = method;
    out.body = has_body;
    for (const auto& [name, value] : headers.fields()) add_field(name, value, out);
    return out;
}

Way way_of(const RequestFacts& request, const RoutePolicy& policy) noexcept {
    const bool readable = request.method == http::Method::kGet || request.method == http::Method::kHead;
    if (!readable || request.body || request.precondition || request.upgrade) return Way::kPass;
    if (request.directives.no_store && policy.wishes.no_store_lookup) return Way::kPass;
    return Way::kLookup;
}

bool may_lead(const RequestFacts& request) noexcept {
    return !request.range && !request.directives.no_store && !request.body;
}

bool is_safe(http::Method method, std::string_view method_text) noexcept {
    using http::Method;
    return method == Method::kGet || method == Method::kHead || method == Method::kOptions || method_text == "TRACE";
}

}  // namespace tidegate::cache::rules
