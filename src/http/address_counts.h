// AddressCounts: how many connections each client address has open, over all loops.
//
// Guarantee   Exact: the limit holds over all loops together.
// Memory      One entry for each address with an open connection; at most connections_max.
// Threads     Any. One lock a connection's start and end, held for a look-up in a table.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/mutex.h"

namespace tidegate::http {

/// What counts as one client: an IPv4 address, or an IPv6 /64 (what one site is given, so that one machine cannot use its
/// 2^64 addresses).
using AddressKey = std::array<std::uint8_t, 16>;
AddressKey address_key(const sockaddr_storage& address) noexcept;

class AddressCounts {
  public:
    /// Counts one more unless `most` are there already.
    bool try_add(const AddressKey& key, std::uint32_t most) TG_EXCLUDES(mutex_);
    void remove(const AddressKey& key) TG_EXCLUDES(mutex_);
    std::size_t addresses() const TG_EXCLUDES(mutex_);

  private:
    struct Hash {
        std::size_t operator()(const AddressKey& key) const noexcept;
    };
    mutable Mutex mutex_;
    std::unordered_map<AddressKey, std::uint32_t, Hash> counts_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::http
