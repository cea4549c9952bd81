// TrustedProxies: whose word about a client's address counts, and what that word says (X-Forwarded-For; RFC 7239).
//
// Guarantee   Nobody but a proxy that the settings name can say who the client is. The fields are read from their right end, where
//             our own proxies write, through trusted hops only: what a client wrote before them is never looked at. What cannot
//             be read as an address on that way leaves the peer's own.
// Use         Forwarded is read only where there is no X-Forwarded-For: a proxy has to write the one or take it out.
// Threads     Immutable once made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/headers.h"

namespace tidegate::http {

class TrustedProxies {
  public:
    /// `10.0.0.0/8`, `2001:db8::/32`, or one address. kInvalidArgument for anything else, and for bits beyond the prefix: it says
    /// another network than it seems to.
    static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

    bool empty() const noexcept { return networks_.empty(); }
    /// `address` is numeric, without a port.
    bool trusts(std::string_view address) const noexcept;
    /// The client of a request that came from the trusted `peer`, as numeric text; `peer` when the fields do not tell.
    std::string client_of(std::string_view peer, const Headers& headers) const;

  private:
    /// An IPv4 address in the last four bytes, also when it came as one mapped into IPv6.
    struct Address {
        std::array<std::uint8_t, 16> bytes{};
        bool v4 = false;
    };
    struct Network {
        Address base;
        unsigned prefix_bits = 0;  // Of all 128.
    };
    static std::optional<Address> read(std::string_view text) noexcept;
    static std::string to_text(const Address& address);
    static Result<Network> read_network(std::string_view text);
    bool trusts(const Address& address) const noexcept;

    std::vector<Network> networks_;
};

}  // namespace tidegate::http
