// WebhookTarget: where posts go, whether they may, and how they are signed.
//
// Guarantee   What a name leads to is judged before each post, and the connection goes to the very address that was judged: a name that
//             changes its mind in between leads nowhere else.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

#include "base/result.h"
#include "http/client/addresses.h"
#include "http/client/client.h"

namespace tidegate::jobs {

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

/// What a name leads to; the seam for tests.
using LookUp = std::function<Result<http::Addresses>(const std::string& host)>;
/// Where to connect for one post. kPermissionDenied: all of its addresses are private ones, and it may go to none. Asks the resolver,
/// which may take seconds.
Result<http::Origin> resolve(const WebhookTarget& target, bool allow_private, const LookUp& look_up);

/// The value of X-Tidegate-Signature: `t=<unix seconds>,v1=<hex>`, the HMAC-SHA-256 under the secret of `<unix seconds>.<body>`.
std::string webhook_signature(std::string_view secret, UnixMillis now, std::string_view body);

}  // namespace tidegate::jobs
