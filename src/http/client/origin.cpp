#include "http/client/origin.h"

#include <arpa/inet.h>

#include <array>

#include "base/strings.h"

namespace tidegate::http {
namespace {

// RFC 1035, 2.3.4, less the length bytes and the root.
constexpr std::size_t kNameBytesMax = 253;

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_name(std::string_view host) {
    if (host.empty() || host.size() > kNameBytesMax || host.front() == '.' || host.front() == '-') return false;
    for (const char c : host) {
        const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && c != '-' && c != '.' && c != '_') return false;
    }
    return host.find("..") == std::string_view::npos;
}

bool is_ipv6(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

Result<std::uint16_t> parse_port(std::string_view text) {
    const auto port = text.size() <= 5 ? parse_u64(text) : std::nullopt;
    if (!port || *port == 0 || *port > 65535) return refuse("the port is not a number from 1 to 65535");
    return static_cast<std::uint16_t>(*port);
}

}  // namespace

Result<Origin> parse_origin(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) return refuse("no scheme: write http:// or https:// before the host");
    Origin origin;
    const std::string scheme = to_lower(url.substr(0, scheme_end));
    if (scheme != "http" && scheme != "https") return refuse("the scheme is neither http nor https");
    origin.tls = scheme == "https";
    origin.port = origin.tls ? 443 : 80;
    std::string_view rest = url.substr(scheme_end + 3);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find('@') != std::string_view::npos) return refuse("a user name has no place here");
    if (rest.find_first_of("/?#") != std::string_view::npos) return refuse("a path or query has no place here");
    std::string_view port;
    bool has_port = false;
    if (rest.starts_with('[')) {
        const std::size_t close = rest.find(']');
        if (close == std::string_view::npos) return refuse("an IPv6 address without its closing bracket");
        origin.host = to_lower(rest.substr(1, close - 1));
        if (!is_ipv6(origin.host)) return refuse("what stands in brackets is not an IPv6 address");
        rest.remove_prefix(close + 1);
        has_port = !rest.empty();
        if (has_port && rest.front() != ':') return refuse("something other than a port follows the address");
        if (has_port) port = rest.substr(1);
    } else {
        const std::size_t colon = rest.find(':');
        has_port = colon != std::string_view::npos;
        if (has_port) port = rest.substr(colon + 1);
        origin.host = to_lower(rest.substr(0, colon));
        if (!is_name(origin.host)) return refuse("the host is neither a name nor an address");
    }
    if (has_port) {
        TG_TRY(origin.port, parse_port(port));
    }
    return origin;
}

std::string authority_of(const Origin& origin) {
    const bool bare_ipv6 = origin.host.find(':') != std::string::npos;
    std::string out = bare_ipv6 ? "[" + origin.host + "]" : origin.host;
    if (origin.port != (origin.tls ? 443 : 80)) out += ":" + std::to_string(origin.port);
    return out;
}

std::string_view to_string(CallFailure::Kind kind) noexcept {
    constexpr std::array<std::string_view, CallFailure::kKinds> kNames = {
        "resolve",   "refused",   "timeout",         "tls",      "reset", "protocol",
        "pool_full", "cancelled", "invalid_request", "forbidden"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::string_view to_string(CallFailure::Stage stage) noexcept {
    constexpr std::array<std::string_view, 4> kNames = {"connect", "send", "head", "body"};
    return kNames[static_cast<std::size_t>(stage)];
}

}  // namespace tidegate::http
