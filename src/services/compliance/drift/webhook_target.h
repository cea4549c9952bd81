// WebhookTarget: where posts go, and whether they may.
#pragma once

#include <string>

#include "base/result.h"
#include "http/client/addresses.h"
#include "http/client/client.h"

namespace tidegate::compliance {

struct WebhookTarget {
    http::Origin origin;
    std::string host;    // As the Host header says it.
    std::string target;  // Path and query.
};

/// `http(s)://host[:port][/path][?query]`; kInvalidArgument says what is wrong.
Result<WebhookTarget> parse_webhook_url(const std::string& url);

/// Loopback, private (RFC 1918, RFC 4193, RFC 6598), link-local, multicast, unspecified and the IPv6 forms that hold such an IPv4
/// address: where a post from inside could do what nobody outside can.
bool is_private(const http::Address& address) noexcept;

}  // namespace tidegate::compliance
