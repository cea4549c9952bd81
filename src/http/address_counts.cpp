#include "http/address_counts.h"

#include <netinet/in.h>

#include <cstring>
#include <functional>
#include <string_view>

#include "base/assert.h"

namespace tidegate::http {
namespace {

constexpr std::size_t kPrefixBytes = 8;  // A /64.

}  // namespace

AddressKey address_key(const sockaddr_storage& address) noexcept {
    AddressKey key{};
    if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        const bool v4 = IN6_IS_ADDR_V4MAPPED(&v6);
        std::memcpy(key.data(), &v6, v4 ? key.size() : kPrefixBytes);
        return key;
    }
    // As an IPv6 socket would name it.
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    key[10] = key[11] = 0xFF;
    std::memcpy(key.data() + 12, &v4, sizeof v4);
    return key;
}

std::size_t AddressCounts::Hash::operator()(const AddressKey& key) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(key.data()), key.size()});
}

bool AddressCounts::try_add(const AddressKey& key, std::uint32_t most) {
    const Lock lock(mutex_);
    std::uint32_t& count = counts_[key];
    if (count >= most) return false;
    ++count;
    return true;
}

void AddressCounts::remove(const AddressKey& key) {
    const Lock lock(mutex_);
    const auto found = counts_.find(key);
    TG_ASSERT(found != counts_.end());
    if (--found->second == 0) counts_.erase(found);
}

std::size_t AddressCounts::addresses() const {
    const Lock lock(mutex_);
    return counts_.size();
}

}  // namespace tidegate::http
