#include "http/trusted_proxies.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace tidegate::http {
namespace {

constexpr unsigned kBits = 128;
constexpr unsigned kMappedBits = 96;  // Before the four bytes of an IPv4 address.
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_port(std::string_view text) noexcept {
    const auto port = parse_u64(text);
    return port && *port <= 65535;
}

/// The address of a hop, without brackets and port; empty when that is not its form.
std::string_view without_port(std::string_view hop) noexcept {
    if (hop.starts_with('[')) {
        const std::size_t end = hop.find(']');
        if (end == std::string_view::npos) return {};
        const std::string_view rest = hop.substr(end + 1);
        if (!rest.empty() && !(rest[0] == ':' && is_port(rest.substr(1)))) return {};
        return hop.substr(1, end - 1);
    }
    const std::size_t colon = hop.find(':');
    if (colon == std::string_view::npos || hop.find(':', colon + 1) != std::string_view::npos) return hop;
    return is_port(hop.substr(colon + 1)) ? hop.substr(0, colon) : std::string_view();
}

/// Cuts the last part off, at a separator outside of quotes. From the right: what stands before it may be as broken as a
/// client likes.
std::string_view take_last(std::string_view& list, char separator) noexcept {
    bool quoted = false;
    for (std::size_t i = list.size(); i-- > 0;) {
        const bool escaped = i > 0 && list[i - 1] == '\\';
        if (list[i] == '"' && !(quoted && escaped)) quoted = !quoted;
        if (quoted || list[i] != separator) continue;
        const std::string_view part = list.substr(i + 1);
        list = list.substr(0, i);
        return trim(part);
    }
    return trim(std::exchange(list, {}));
}

/// What `for=` of one element of Forwarded names; empty when it does not name one node.
std::string_view node_of(std::string_view element) noexcept {
    std::string_view node;
    while (!element.empty()) {
        const std::string_view pair = take_last(element, ';');
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos || !iequals(pair.substr(0, equals), "for")) continue;
        if (!node.empty()) return {};
        node = pair.substr(equals + 1);
        if (node.size() >= 2 && node.front() == '"' && node.back() == '"') node = node.substr(1, node.size() - 2);
        if (node.empty()) return {};
    }
    return node;
}

/// The members of a list field, from the last one of its last line to the first of its first.
template <class Visit>
void for_each_backwards(const Headers& headers, std::string_view name, const Visit& visit) {
    for (std::size_t i = headers.size(); i-- > 0;) {
        const auto [field, value] = headers.field(i);
        if (!iequals(field, name)) continue;
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::string_view member = take_last(rest, ',');
            if (!member.empty() && !visit(member)) return;
        }
    }
}

}  // namespace

std::optional<TrustedProxies::Address> TrustedProxies::read(std::string_view text) noexcept {
    std::array<char, INET6_ADDRSTRLEN> ended{};
    if (text.empty() || text.size() >= ended.size()) return std::nullopt;
    std::ranges::copy(text, ended.begin());
    Address address;
    if (::inet_pton(AF_INET, ended.data(), address.bytes.data() + kMapped.size()) == 1) {
        std::ranges::copy(kMapped, address.bytes.begin());
        address.v4 = true;
        return address;
    }
    if (::inet_pton(AF_INET6, ended.data(), address.bytes.data()) != 1) return std::nullopt;
    address.v4 = std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
    return address;
}

std::string TrustedProxies::to_text(const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(address.v4 ? AF_INET : AF_INET6, address.bytes.data() + (address.v4 ? kMapped.size() : 0), text.data(),
                text.size());
    return text.data();
}

Result<TrustedProxies::Network> TrustedProxies::read_network(std::string_view text) {
    const auto bad = [text](std::string_view why) {
        return fail(ErrorCode::kInvalidArgument,
                    "server.trusted_proxies: \"" + std::string(text) + "\" " + std::string(why));
    };
    const std::size_t slash = text.find('/');
    const auto address = read(text.substr(0, slash));
    if (!address) return bad("is no network such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7");
    Network network{.base = *address, .prefix_bits = kBits};
    if (slash == std::string_view::npos) return network;
    const bool written_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    const auto bits = parse_u64(text.substr(slash + 1));
    if (!bits || *bits > (written_v4 ? kBits - kMappedBits : kBits)) return bad("has no prefix length of its family");
    network.prefix_bits = static_cast<unsigned>(*bits) + (written_v4 ? kMappedBits : 0);
    for (unsigned bit = network.prefix_bits; bit < kBits; ++bit) {
        if ((network.base.bytes[bit / 8] >> (7 - bit % 8) & 1U) != 0) return bad("has bits beyond its prefix");
    }
    return network;
}

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
    TrustedProxies out;
    for (const std::string& text : networks) {
        TG_TRY(const Network network, read_network(text));
        out.networks_.push_back(network);
    }
    return out;
}

bool TrustedProxies::trusts(const Address& address) const noexcept {
    return std::ranges::any_of(networks_, [&](const Network& network) {
        // ::/0 means all of IPv6, not IPv4 as well.
        if (network.base.v4 != address.v4) return false;
        const unsigned bytes = network.prefix_bits / 8;
        if (!std::equal(address.bytes.begin(), address.bytes.begin() + bytes, network.base.bytes.begin())) return false;
        const unsigned bits = network.prefix_bits % 8;
        return bits == 0 || ((address.bytes[bytes] ^ network.base.bytes[bytes]) >> (8 - bits)) == 0;
    });
}

bool TrustedProxies::trusts(std::string_view address) const noexcept {
    const auto found = read(address);
    return found && trusts(*found);
}

std::string TrustedProxies::client_of(std::string_view peer, const Headers& headers) const {
    const bool forwarded_for = headers.get("x-forwarded-for").has_value();
    std::optional<Address> client;
    bool readable = true;
    for_each_backwards(headers, forwarded_for ? "x-forwarded-for" : "forwarded", [&](std::string_view hop) {
        client = read(without_port(forwarded_for ? hop : node_of(hop)));
        readable = client.has_value();
        return readable && trusts(*client);
    });
    return readable && client ? to_text(*client) : std::string(peer);
}

}  // namespace tidegate::http
