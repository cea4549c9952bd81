// Addresses of a host.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tidegate::http {

/// Where to connect to; its port is set when connecting.
struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    void set_port(std::uint16_t port) noexcept;
};
using Addresses = std::vector<Address>;

/// Where clouds keep their metadata: 169.254.0.0/16, fe80::/10, fd00:ec2::/32 and the IPv6 forms that hold such an IPv4
/// address. In the host's byte order.
bool is_link_local(std::uint32_t ipv4) noexcept;
bool is_link_local(const in6_addr& ipv6) noexcept;
bool is_link_local(const Address& address) noexcept;

/// A numeric IPv4 or IPv6 address, without asking anybody.
std::optional<Address> numeric_address(const std::string& host);
/// Asks the system's resolver, which may take seconds: for worker threads. In the order of RFC 6724.
Result<Addresses> look_up_addresses(const std::string& host);

}  // namespace tidegate::http
