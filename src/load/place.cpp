#include "load/place.h"

#include <fmt/core.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "http/client/origin.h"

namespace tidegate::load {
namespace {

// On the way to another machine; one that needs longer is no place for a load test.
constexpr int kTryMs = 3000;

bool accepts(const Place& place, int& error) {
    const int socket = place.connect();
    if (socket < 0) {
        error = errno;
        return false;
    }
    pollfd wait{.fd = socket, .events = POLLOUT, .revents = 0};
    error = ETIMEDOUT;
    if (::poll(&wait, 1, kTryMs) == 1) {
        socklen_t size = sizeof(error);
        ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    ::close(socket);
    return error == 0;
}

}  // namespace

Result<Place> Place::find(const std::string& url, const std::string& ca_file, bool verify) {
    Place place;
    place.url = url;
    while (place.url.ends_with('/')) place.url.pop_back();
    TG_TRY(place.origin, http::parse_origin(place.url));
    place.origin.ca_file = ca_file;
    place.origin.verify = verify;
    place.authority = http::authority_of(place.origin);
    http::Addresses addresses;
    if (const auto numeric = http::numeric_address(place.origin.host)) {
        addresses.push_back(*numeric);
    } else {
        TG_TRY(addresses, http::look_up_addresses(place.origin.host));
    }
    int error = EADDRNOTAVAIL;
    for (http::Address& address : addresses) {
        address.set_port(place.origin.port);
        place.address = address;
        if (accepts(place, error)) return place;
    }
    return fail(ErrorCode::kUnavailable,
                fmt::format("nothing answers at {}: {}", url,
                            std::strerror(error)));  // NOLINT(concurrency-mt-unsafe): one thread yet
}

Result<std::shared_ptr<http::TlsClientContext>> Place::tls() const {
    if (!origin.tls) return nullptr;
    return http::TlsClientContext::create(origin.ca_file, origin.verify);
}

int Place::connect() const noexcept {
    const int socket = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) return -1;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0 ||
        errno == EINPROGRESS) {
        return socket;
    }
    const int error = errno;
    ::close(socket);
    errno = error;
    return -1;
}

}  // namespace tidegate::load
