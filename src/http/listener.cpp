#include "http/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace tidegate::http {
namespace {

// The kernel cuts it to net.core.somaxconn; enough for a burst of reconnects.
constexpr int kBacklog = 4096;

Error unavailable(const std::string& what) {
    return Error{ErrorCode::kUnavailable, what + ": " + std::generic_category().message(errno)};
}

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

Result<Address> resolve(const std::string& address, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    addrinfo* found = nullptr;
    const std::string host = address == "localhost" ? "127.0.0.1" : address;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
        return fail(ErrorCode::kInvalidArgument, "'" + address + "' is not a numeric address to listen on");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> holder(found, &::freeaddrinfo);
    Address out;
    std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
    out.length = found->ai_addrlen;
    return out;
}

Result<Socket> bind_one(const Address& address, bool share) {
    Socket socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) return std::unexpected(unavailable("socket"));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // Accepted sockets inherit it: no setsockopt a connection.
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
        return std::unexpected(unavailable("cannot listen"));
    }
    return socket;
}

Result<std::uint16_t> port_of(const Socket& socket) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
        return std::unexpected(unavailable("getsockname"));
    }
    if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

void Socket::reset() noexcept {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
}

Result<Listeners> listen_on(const std::string& address, std::uint16_t port, unsigned count) {
    Listeners listeners;
    TG_TRY(Address where, resolve(address, port));
    const bool share = count > 1;
    // Two servers of one user may share a port without a word; binding once without sharing finds the other.
    if (port != 0 && share) {
        TG_TRY(const Socket probe, bind_one(where, false));
    }
    for (unsigned i = 0; i < count; ++i) {
        TG_TRY(Socket socket, bind_one(where, share));
        if (i == 0) {
            TG_TRY(listeners.port, port_of(socket));
            TG_TRY(where, resolve(address, listeners.port));
        }
        listeners.sockets.push_back(std::move(socket));
    }
    for (const Socket& socket : listeners.sockets) {
        if (::listen(socket.get(), kBacklog) != 0) return std::unexpected(unavailable("cannot listen"));
    }
    return listeners;
}

std::string numeric_address(const sockaddr_storage& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        // A v4 client on a v6 socket keeps its own name.
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            ::inet_ntop(AF_INET, &v6.s6_addr[12], text.data(), text.size());
            return text.data();
        }
        bytes = &v6;
    } else {
        bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    }
    ::inet_ntop(address.ss_family, bytes, text.data(), text.size());
    return text.data();
}

}  // namespace tidegate::http
