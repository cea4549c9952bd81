#include "pipeline/identity/address_callers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>

#include "base/hash.h"
#include "pipeline/identity/token_keys.h"

namespace tidegate::pipeline {
namespace {

/// What of an address tells callers apart, as bytes: `4` and four, or `6` and the prefix; else the text itself.
std::string canonical(std::string_view address, std::uint32_t prefix_bits) {
    std::string text(address.substr(0, address.find('%')));  // Without the zone of a link-local address.
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        return "4" + std::string(reinterpret_cast<const char*>(&v4), sizeof v4);
    }
    std::array<std::uint8_t, 16> v6{};
    if (::inet_pton(AF_INET6, text.c_str(), v6.data()) != 1) return text;
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (std::equal(kMapped.begin(), kMapped.end(), v6.begin())) {
        return "4" + std::string(reinterpret_cast<const char*>(v6.data()) + kMapped.size(), 4);
    }
    for (std::uint32_t bit = prefix_bits; bit < 128; ++bit) {
        v6[bit / 8] = static_cast<std::uint8_t>(v6[bit / 8] & ~(0x80U >> bit % 8));
    }
    return "6" + std::string(reinterpret_cast<const char*>(v6.data()), v6.size());
}

}  // namespace

std::string actor_of_address(std::string_view salt, std::string_view address, std::uint32_t ipv6_prefix_bits) {
    const std::string code = hmac_sha256(salt, canonical(address, ipv6_prefix_bits));
    return "address:" + to_hex(reinterpret_cast<const std::uint8_t*>(code.data()), 8);
}

AddressCallers::AddressCallers(std::string_view salt, std::uint32_t ipv6_prefix_bits, std::size_t entries_max)
    : salt_(salt),
      prefix_bits_(ipv6_prefix_bits),
      entries_(std::bit_ceil(std::max(entries_max, kWays))),
      set_mask_(entries_.size() / kWays - 1) {}

CallerPtr AddressCallers::make(std::string_view address) const {
    auto caller = std::make_shared<Caller>();
    caller->kind = Caller::Kind::kAnonymous;
    caller->actor = actor_of_address(salt_, address, prefix_bits_);
    caller->actor_hash = hash_of(caller->actor);
    caller->scopes = {"*"};
    return caller;
}

const CallerPtr& AddressCallers::find(std::string_view address) {
    Entry* const set = &entries_[(mix64(std::hash<std::string_view>{}(address)) & set_mask_) * kWays];
    Entry* oldest = set;
    ++turn_;
    for (Entry* entry = set; entry != set + kWays; ++entry) {
        if (entry->caller && entry->address == address) {
            entry->used = turn_;
            return entry->caller;
        }
        if (!entry->caller || (oldest->caller && turn_ - entry->used > turn_ - oldest->used)) oldest = entry;
    }
    *oldest = {.address = std::string(address), .caller = make(address), .used = turn_};
    return oldest->caller;
}

}  // namespace tidegate::pipeline
