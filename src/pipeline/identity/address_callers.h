// AddressCallers: callers without a key, by address; the address itself is never kept in a record.
//
// Form        The actor is `address:` and the first 16 hex digits of HMAC-SHA-256(salt, address): two requests of one address
//             have one actor, and a reader of the record cannot tell the address without the salt. An IPv4 address mapped into
//             IPv6 counts as IPv4; of IPv6 the prefix counts, since a household has 2^64 addresses.
// Algorithm   A table of sets of 4, least recently used leaves; found by hash of the text, which is compared whole.
// Memory      `entries_max` entries rounded up to a power of two; nothing more is ever allocated than their callers.
// Threads     One a loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/identity/caller.h"

namespace tidegate::pipeline {

class AddressCallers {
  public:
    AddressCallers(std::string_view salt, std::uint32_t ipv6_prefix_bits, std::size_t entries_max);
    /// Never null. An address seen before costs no hash and no allocation.
    const CallerPtr& find(std::string_view address);

  private:
    static constexpr std::size_t kWays = 4;
    struct Entry {
        std::string address;
        CallerPtr caller;
        std::uint32_t used = 0;
    };
    CallerPtr make(std::string_view address) const;

    const std::string salt_;
    const std::uint32_t prefix_bits_;
    std::vector<Entry> entries_;
    std::uint64_t set_mask_;
    std::uint32_t turn_ = 0;
};

/// The actor of an address; see above. Anything that is no numeric address is taken as it is.
std::string actor_of_address(std::string_view salt, std::string_view address, std::uint32_t ipv6_prefix_bits);

}  // namespace tidegate::pipeline
