#include "http/client/addresses.h"

#include <netdb.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace tidegate::http {
namespace {

struct InfoDeleter {
    void operator()(addrinfo* info) const noexcept { ::freeaddrinfo(info); }
};

Result<Addresses> ask(const std::string& host, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* first = nullptr;
    const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &first);
    const std::unique_ptr<addrinfo, InfoDeleter> owner(first);
    if (code != 0) return fail(ErrorCode::kUnavailable, ::gai_strerror(code));
    Addresses out;
    for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(sockaddr_storage)) continue;
        Address& address = out.emplace_back();
        std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        address.length = info->ai_addrlen;
    }
    if (out.empty()) return fail(ErrorCode::kUnavailable, "the name has no address");
    return out;
}

}  // namespace

void Address::set_port(std::uint16_t port) noexcept {
    if (storage.ss_family == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
    }
}

bool is_link_local(std::uint32_t ipv4) noexcept {
    return (ipv4 & 0xffff0000U) == 0xa9fe0000U;  // 169.254.0.0/16
}

bool is_link_local(const in6_addr& ipv6) noexcept {
    const std::uint8_t* const b = ipv6.s6_addr;
    if (b[0] == 0xfe && (b[1] & 0xc0U) == 0x80) return true;                        // fe80::/10
    if (b[0] == 0xfd && b[1] == 0x00 && b[2] == 0x0e && b[3] == 0xc2) return true;  // fd00:ec2::/32, EC2
    // The last four bytes of ::ffff:0:0/96, ::/96 and 64:ff9b::/96 are an IPv4 address.
    static constexpr std::array<std::array<std::uint8_t, 12>, 3> kPrefixes{
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {}, {0, 0x64, 0xff, 0x9b}}};
    const bool holds_v4 = std::ranges::any_of(
        kPrefixes, [b](const auto& prefix) { return std::memcmp(b, prefix.data(), prefix.size()) == 0; });
    std::uint32_t v4 = 0;
    std::memcpy(&v4, b + 12, sizeof v4);
    return holds_v4 && is_link_local(ntohl(v4));
}

bool is_link_local(const Address& address) noexcept {
    if (address.storage.ss_family == AF_INET6) {
        return is_link_local(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr);
    }
    return is_link_local(ntohl(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr.s_addr));
}

std::optional<Address> numeric_address(const std::string& host) {
    const auto found = ask(host, AI_NUMERICHOST);
    return found ? std::optional(found->front()) : std::nullopt;
}

Result<Addresses> look_up_addresses(const std::string& host) {
    return ask(host, 0);
}

}  // namespace tidegate::http
