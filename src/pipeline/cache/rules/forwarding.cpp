#include "pipeline/cache/rules/forwarding.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"
#include "http/syntax.h"
#include "pipeline/cache/rules/field_list.h"

namespace tidegate::cache::rules {
namespace {

template <std::size_t N>
bool is_in(std::string_view name, const std::array<std::string_view, N>& names) noexcept {
    return std::ranges::find(names, name) != names.end();
}

/// RFC 9110, 7.6.1, and what older proxies left behind.
constexpr std::array<std::string_view, 12> kHopByHop{"connection",
                                                     "keep-alive",
                                                     "proxy-connection",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "proxy-authenticate",
                                                     "proxy-authorization",
                                                     "proxy-authentication-info",
                                                     "http2-settings",
                                                     "proxy-features"};

/// A sender must not name these in Connection; doing so would blind whoever comes after us.
constexpr std::array<std::string_view, 22> kNotRemovable{"host",
                                                         "content-length",
                                                         "content-type",
                                                         "content-encoding",
                                                         "content-range",
                                                         "content-language",
                                                         "cache-control",
                                                         "expires",
                                                         "date",
                                                         "age",
                                                         "etag",
                                                         "last-modified",
                                                         "vary",
                                                         "authorization",
                                                         "set-cookie",
                                                         "location",
                                                         "via",
                                                         "forwarded",
                                                         "x-forwarded-for",
                                                         "x-forwarded-host",
                                                         "x-forwarded-proto",
                                                         "www-authenticate"};

/// Who the client is, said by proxies. Ours to say.
constexpr std::array<std::string_view, 7> kForwardedNames{"forwarded",         "x-forwarded-for",  "x-forwarded-host",
                                                          "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
                                                          "x-client-ip"};
/// Some frameworks route or rewrite by these: inputs that no cache key sees.
constexpr std::array<std::string_view, 11> kRerouting{
    "x-original-url",         "x-rewrite-url",      "x-original-host",    "x-host",
    "x-forwarded-server",     "x-forwarded-prefix", "x-forwarded-scheme", "x-forwarded-path",
    "x-http-method-override", "x-http-method",      "x-method-override"};
/// Made anew by the client of the http room, or answered by our server.
constexpr std::array<std::string_view, 4> kMadeHere{"host", "content-length", "expect", "max-forwards"};

bool contains(const std::vector<std::string>& names, std::string_view name) noexcept {
    return std::ranges::find(names, name) != names.end();
}

/// Servers that hand fields over as CGI variables read `X_Forwarded_For` as `X-Forwarded-For`.
std::string with_dashes(std::string_view lower_name) {
    std::string out(lower_name);
    std::ranges::replace(out, '_', '-');
    return out;
}

/// The field of the two that a trusted proxy's word is read from.
bool reads_forwarded_for(const http::RequestHead& request) {
    return request.headers.get("x-forwarded-for").has_value();
}

struct Rules {
    const std::vector<std::string>& connection;
    const ForwardOptions& options;
    bool trusted;
    bool forwarded_for;  // With `trusted`: Forwarded is not what we read.
};

bool stays_here(std::string_view lower, const Rules& rules) {
    const auto& [connection, options, trusted, forwarded_for] = rules;
    if (is_hop_by_hop(lower) || is_in(lower, kMadeHere) || is_in(lower, kRerouting)) return true;
    if (contains(connection, lower) || contains(options.drop, lower)) return true;
    if (trusted && forwarded_for && lower == "forwarded") return true;
    return is_in(lower, kForwardedNames) && !trusted;
}

bool is_alias_of_protected(std::string_view lower, const Rules& rules) {
    if (lower.find('_') == std::string_view::npos) return false;
    const std::string dashed = with_dashes(lower);
    return stays_here(dashed, rules) || is_in(dashed, kForwardedNames) || is_in(dashed, kNotRemovable);
}

/// `for=` and `host=` of RFC 7239: a token as it is, everything else quoted.
void append_node(std::string_view text, bool bracket, std::string& out) {
    if (!bracket && http::syntax::is_token(text)) {
        out += text;
        return;
    }
    out.push_back('"');
    if (bracket) out.push_back('[');
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    if (bracket) out.push_back(']');
    out.push_back('"');
}

void append_for(std::string_view address, std::string& out) {
    out += "for=";
    append_node(address, address.find(':') != std::string_view::npos, out);
}

/// `value` behind what `headers` have left of that name, or behind `first` when that is nothing.
void append_to(http::Headers& headers, std::string_view name, std::string_view first, std::string_view value) {
    std::string all;
    for_each_member(headers, name, [&](std::string_view member) { all.append(member).append(", "); });
    if (all.empty() && !first.empty()) all.append(first).append(", ");
    headers.set(name, all.append(value));
}

void add_forwarded(const http::RequestHead& request, const ForwardOptions& options, http::Headers& out) {
    const std::string_view proto = request.tls ? "https" : "http";
    const std::string_view host = request.headers.get("host").value_or("");
    const bool keep = request.peer_trusted;  // Else nothing of the kind is left in `out`.
    // Whom the peer stands for, where it has said so in the other field.
    std::string_view client = request.client_address;
    if (client == request.peer_address) client = {};
    if (options.forwarded == ForwardedStyle::kX || options.forwarded == ForwardedStyle::kBoth) {
        append_to(out, "X-Forwarded-For", client, request.peer_address);
        if (!keep || !out.get("x-forwarded-proto")) out.set("X-Forwarded-Proto", proto);
        if (!host.empty() && (!keep || !out.get("x-forwarded-host"))) out.set("X-Forwarded-Host", host);
    }
    if (options.forwarded == ForwardedStyle::kForwarded || options.forwarded == ForwardedStyle::kBoth) {
        std::string first;
        if (!client.empty()) append_for(client, first);
        std::string element;
        append_for(request.peer_address, element);
        if (!host.empty()) {
            element += ";host=";
            append_node(host, false, element);
        }
        element += ";proto=";
        element += proto;
        append_to(out, "Forwarded", first, element);
    }
}

/// RFC 9110, 7.6.2: for TRACE and OPTIONS, one less; the refusal of status 200 when it is our turn to answer.
std::expected<void, ForwardRefusal> count_forwards(const http::RequestHead& request, http::Headers& out) {
    if (request.method != http::Method::kOptions && request.method_text != "TRACE") return {};
    const auto field = request.headers.get("max-forwards");
    const auto left = field ? parse_u64(*field) : std::nullopt;
    if (!left) return {};
    if (*left == 0) return std::unexpected(ForwardRefusal{200, "Max-Forwards has come to 0"});
    out.set("Max-Forwards", std::to_string(*left - 1));
    return {};
}

}  // namespace

bool is_hop_by_hop(std::string_view lower_name) noexcept {
    return is_in(lower_name, kHopByHop);
}

std::vector<std::string> connection_names(const http::Headers& headers) {
    std::vector<std::string> out;
    for_each_member(headers, "connection", [&](std::string_view member) {
        std::string lower = to_lower(member);
        if (!is_in(lower, kNotRemovable)) out.push_back(std::move(lower));
    });
    return out;
}

void remove_hop_by_hop(http::Headers& headers) {
    for (const std::string& name : connection_names(headers)) headers.remove(name);
    for (const std::string_view name : kHopByHop) headers.remove(name);
}

bool is_loop(const http::Headers& request, std::string_view pseudonym) noexcept {
    bool found = false;
    for_each_member(request, "via", [&](std::string_view member) {
        // received-protocol RWS received-by [ RWS comment ]
        const std::size_t gap = member.find_first_of(" \t");
        if (gap == std::string_view::npos) return;
        std::string_view by = http::syntax::trim_blank(member.substr(gap));
        by = by.substr(0, by.find_first_of(" \t("));
        found |= iequals(by, pseudonym);
    });
    return found;
}

std::expected<http::Headers, ForwardRefusal> forward_request_headers(const http::RequestHead& request,
                                                                     const ForwardOptions& options) {
    if (request.method_text == "TRACE" && !options.trace) {
        return std::unexpected(ForwardRefusal{405, "TRACE is not passed on"});
    }
    if (request.method_text == "CONNECT") return std::unexpected(ForwardRefusal{405, "CONNECT is not for this server"});
    if (is_loop(request.headers, options.pseudonym)) {
        return std::unexpected(ForwardRefusal{508, "the request has come through this server before"});
    }
    const std::vector<std::string> connection = connection_names(request.headers);
    const Rules rules{connection, options, request.peer_trusted, request.peer_trusted && reads_forwarded_for(request)};
    http::Headers out;
    const std::string_view host = request.headers.get("host").value_or("");
    out.add("Host", options.keep_host && !host.empty() ? host : std::string_view(options.upstream_authority));
    for (const auto& [name, value] : request.headers.fields()) {
        const std::string lower = to_lower(name);
        const bool upgrade = lower == "upgrade" && options.keep_upgrade;
        if (!upgrade && stays_here(lower, rules)) continue;
        if (is_alias_of_protected(lower, rules)) continue;
        out.add(name, value);
    }
    if (auto counted = count_forwards(request, out); !counted) return std::unexpected(counted.error());
    add_forwarded(request, options, out);
    out.add("Via", "1.1 " + options.pseudonym);
    return out;
}

http::Headers forward_response_headers(const http::Headers& response, std::string_view pseudonym,
                                       const std::vector<std::string>& drop) {
    const std::vector<std::string> connection = connection_names(response);
    http::Headers out;
    for (const auto& [name, value] : response.fields()) {
        const std::string lower = to_lower(name);
        if (is_hop_by_hop(lower) || contains(connection, lower) || contains(drop, lower)) continue;
        out.add(name, value);
    }
    out.add("Via", "1.1 " + std::string(pseudonym));
    return out;
}

}  // namespace tidegate::cache::rules
