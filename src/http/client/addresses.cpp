#include "http/client/addresses.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

namespace tidegate::http {
namespace {

struct InfoDeleter {
    void operator()(addrinfo* info) const noexcept { ::freeaddrinfo(info); }
};

Result<Addresses> ask(const std::string& host, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* first = nullptr;
    const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &first);
    const std::unique_ptr<addrinfo, InfoDeleter> owner(first);
    if (code != 0) return fail(ErrorCode::kUnavailable, ::gai_strerror(code));
    Addresses out;
    for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(sockaddr_storage)) continue;
        Address& address = out.emplace_back();
        std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        address.length = info->ai_addrlen;
    }
    if (out.empty()) return fail(ErrorCode::kUnavailable, "the name has no address");
    return out;
}

}  // namespace

void Address::set_port(std::uint16_t port) noexcept {
    if (storage.ss_family == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
    }
}

std::optional<Address> numeric_address(const std::string& host) {
    const auto found = ask(host, AI_NUMERICHOST);
    return found ? std::optional(found->front()) : std::nullopt;
}

Result<Addresses> look_up_addresses(const std::string& host) {
    return ask(host, 0);
}

}  // namespace tidegate::http
