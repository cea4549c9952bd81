#include "jobs/webhook_target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/hash.h"

namespace tidegate::jobs {
namespace {

bool within(std::uint32_t ipv4, std::uint32_t net, unsigned bits) noexcept {
    return bits == 0 || (ipv4 >> (32U - bits)) == (net >> (32U - bits));
}

bool is_private(std::uint32_t ipv4) noexcept {
    return within(ipv4, 0x00000000, 8) || within(ipv4, 0x7f000000, 8) || within(ipv4, 0x0a000000, 8) ||
           within(ipv4, 0xac100000, 12) || within(ipv4, 0xc0a80000, 16) || within(ipv4, 0xa9fe0000, 16) ||
           within(ipv4, 0x64400000, 10) || within(ipv4, 0xc0000000, 24) || within(ipv4, 0xc6120000, 15) ||
           within(ipv4, 0xe0000000, 3);  // Multicast, reserved, broadcast.
}

std::uint32_t ipv4_at(const in6_addr& address, std::size_t at) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = (value << 8U) | address.s6_addr[at + i];
    return value;
}

bool starts_with(const in6_addr& address, std::initializer_list<unsigned> bytes) noexcept {
    std::size_t at = 0;
    return std::ranges::all_of(bytes, [&](unsigned byte) { return address.s6_addr[at++] == byte; });
}

bool is_private(const in6_addr& ipv6) noexcept {
    const unsigned first = ipv6.s6_addr[0];
    // Unique local, multicast, link-local and the old site-local (fe80::/10, fec0::/10).
    if ((first & 0xfeU) == 0xfcU || first == 0xffU || (first == 0xfeU && (ipv6.s6_addr[1] & 0x80U) != 0)) return true;
    // ::, ::1, IPv4-compatible, IPv4-mapped and translated (::ffff:0:a.b.c.d).
    if (starts_with(ipv6, {0, 0, 0, 0, 0, 0, 0, 0})) return is_private(ipv4_at(ipv6, 12));
    if (starts_with(ipv6, {0x00, 0x64, 0xff, 0x9b})) return is_private(ipv4_at(ipv6, 12));  // NAT64.
    if (starts_with(ipv6, {0x20, 0x02})) return is_private(ipv4_at(ipv6, 2));               // 6to4.
    return starts_with(ipv6, {0x20, 0x01, 0x00, 0x00});                                     // Teredo.
}

std::string text_of(const http::Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.storage.ss_family == AF_INET) {
        sockaddr_in ipv4{};
        std::memcpy(&ipv4, &address.storage, sizeof ipv4);
        ::inet_ntop(AF_INET, &ipv4.sin_addr, text.data(), text.size());
    } else {
        sockaddr_in6 ipv6{};
        std::memcpy(&ipv6, &address.storage, sizeof ipv6);
        ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text.data(), text.size());
    }
    return text.data();
}

std::unexpected<Error> wrong(const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, what);
}

}  // namespace

Result<WebhookTarget> parse_webhook_url(const std::string& url) {
    const std::size_t scheme = url.find("://");
    const std::size_t path = scheme == std::string::npos ? scheme : url.find_first_of("/?#", scheme + 3);
    auto origin = http::parse_origin(std::string_view(url).substr(0, path));
    if (!origin) return wrong(origin.error().message);
    WebhookTarget target;
    target.host = url.substr(scheme + 3, path == std::string::npos ? path : path - scheme - 3);
    target.target = path == std::string::npos ? "/" : url.substr(path);
    if (target.target.starts_with('?')) target.target.insert(0, "/");
    if (std::ranges::any_of(target.target, [](char c) { return c <= ' ' || c > '~' || c == '#'; })) {
        return wrong("its path holds what no path may");
    }
    target.origin = *std::move(origin);
    return target;
}

bool is_private(const http::Address& address) noexcept {
    if (address.storage.ss_family == AF_INET) {
        sockaddr_in ipv4{};
        std::memcpy(&ipv4, &address.storage, sizeof ipv4);
        return is_private(ntohl(ipv4.sin_addr.s_addr));
    }
    if (address.storage.ss_family != AF_INET6) return true;
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &address.storage, sizeof ipv6);
    return is_private(ipv6.sin6_addr);
}

Result<http::Origin> resolve(const WebhookTarget& target, bool allow_private, const LookUp& look_up) {
    http::Origin origin = target.origin;
    TG_TRY(const http::Addresses addresses, look_up(origin.host));
    const auto good = std::ranges::find_if(
        addresses, [&](const http::Address& address) { return allow_private || !is_private(address); });
    if (good == addresses.end()) {
        return fail(ErrorCode::kPermissionDenied, "its name leads to private addresses only");
    }
    if (origin.server_name.empty()) origin.server_name = origin.host;
    origin.host = text_of(*good);
    origin.allow_link_local = allow_private;
    return origin;
}

std::string webhook_signature(std::string_view secret, UnixMillis now, std::string_view body) {
    const std::string seconds = std::to_string(now / 1000);
    std::string signed_text = seconds + ".";
    signed_text.append(body);
    return "t=" + seconds + ",v1=" + to_hex(hmac_sha256(secret, signed_text));
}

}  // namespace tidegate::jobs
