// Addresses of a host.
#pragma once

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

/// A numeric IPv4 or IPv6 address, without asking anybody.
std::optional<Address> numeric_address(const std::string& host);
/// Asks the system's resolver, which may take seconds: for worker threads. In the order of RFC 6724.
Result<Addresses> look_up_addresses(const std::string& host);

}  // namespace tidegate::http
