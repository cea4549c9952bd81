#include "http/client/connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tidegate::http {

void Connector::open(SteadyTime deadline) {
    deadline_ = deadline;
    next_ = 0;
    state_ = State::kLookingUp;
    last_ = {CallFailure::Kind::kRefused, CallFailure::Stage::kConnect, "the host has no address", true};
    core_.loop.timers().schedule(*this, deadline_);
    if (const auto numeric = numeric_address(origin_.host)) {
        addresses_.assign(1, *numeric);
        return have_addresses();
    }
    if (const auto* known = core_.names.find(origin_.host)) return on_found(*known);
    if (core_.names.wait(origin_.host, *this)) ++core_.counts().name_lookups;
}

void Connector::on_found(const Result<Addresses>& found) {
    if (!found) return fail(CallFailure::Kind::kResolve, "the host's name has no address: " + found.error().message);
    addresses_ = *found;
    have_addresses();
}

void Connector::have_addresses() {
    // Asked of what a name leads to at this moment, not of the name: who controls the name could change it later.
    if (!origin_.allow_link_local) {
        std::erase_if(addresses_, [](const Address& address) { return is_link_local(address); });
        if (addresses_.empty()) {
            return fail(CallFailure::Kind::kForbidden,
                        "the host leads to link-local addresses only, where clouds keep "
                        "their metadata");
        }
    }
    if (!origin_.tls) return connect_next();
    const std::string key = ClientCore::tls_key(origin_);
    if (const auto* known = core_.certificates.find(key)) return on_found(*known);
    core_.certificates.wait(key, *this);
}

void Connector::on_found(const Result<std::shared_ptr<TlsClientContext>>& found) {
    if (!found) return fail(CallFailure::Kind::kTls, found.error().message);
    tls_ = *found;
    connect_next();
}

void Connector::connect_next() {
    state_ = State::kConnecting;
    while (next_ < addresses_.size()) {
        const auto left = static_cast<Duration::rep>(addresses_.size() - next_);
        const SteadyTime now = core_.loop.now();
        if (deadline_ != SteadyTime::max() && deadline_ > now) {
            core_.loop.timers().schedule(*this, now + (deadline_ - now) / left);
        }
        if (connect_to(addresses_[next_++])) return;
    }
    fail(last_.kind, last_.detail);
}

bool Connector::connect_to(Address address) {
    address.set_port(origin_.port);
    socket_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) {
        note_refusal(errno);
        return false;
    }
    // A request in two writes must not wait for the acknowledgement of the first.
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int result = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address.storage), address.length);
    if (result != 0 && errno != EINPROGRESS) {
        note_refusal(errno);
        ::close(std::exchange(socket_, -1));
        return false;
    }
    if (!core_.loop.add(socket_, *this, EPOLLOUT)) {
        note_refusal(errno);
        ::close(std::exchange(socket_, -1));
        return false;
    }
    // A connection that stands at once says so as the others do, with an event.
    return true;
}

void Connector::note_refusal(int error) {
    const bool timeout = error == ETIMEDOUT;
    last_ = {timeout ? CallFailure::Kind::kTimeout : CallFailure::Kind::kRefused, CallFailure::Stage::kConnect,
             "connect: " + std::generic_category().message(error), true};
}

void Connector::on_event(std::uint32_t) {
    if (state_ == State::kHandshaking) return shake_hands();
    if (state_ != State::kConnecting || socket_ < 0) return;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error == 0) return connected();
    note_refusal(error);
    close_socket();
    connect_next();
}

void Connector::connected() {
    const int socket = std::exchange(socket_, -1);
    if (!origin_.tls) return done(make_plain_transport(socket));
    core_.loop.remove(socket);
    handshake_ = tls_->connect(socket, origin_.server_name.empty() ? origin_.host : origin_.server_name);
    if (!handshake_) return fail(CallFailure::Kind::kTls, "no TLS connection could be set up for this name");
    if (!core_.loop.add(socket, *this, EPOLLIN)) {
        handshake_.reset();
        return fail(CallFailure::Kind::kTls, "the loop takes no more sockets");
    }
    state_ = State::kHandshaking;
    shake_hands();
}

void Connector::shake_hands() {
    switch (handshake_->handshake()) {
        case IoStatus::kOk:
            return done(std::move(handshake_));
        case IoStatus::kWouldBlock:
            core_.loop.modify(handshake_->descriptor(), *this, handshake_->wants_write() ? EPOLLOUT : EPOLLIN);
            return;
        case IoStatus::kEnd:
        case IoStatus::kFailed:
            break;
    }
    std::string why = "TLS: " + handshake_->failure();
    close_socket();
    fail(CallFailure::Kind::kTls, std::move(why));
}

void Connector::done(std::unique_ptr<Transport> transport) {
    state_ = State::kClosed;
    core_.loop.timers().cancel(*this);
    addresses_ = {};
    tls_.reset();
    owner_.on_connected(std::move(transport));
}

// The share of one address is over.
void Connector::on_timer() {
    close_socket();
    if (core_.loop.now() < deadline_ && next_ < addresses_.size() && state_ != State::kLookingUp) return connect_next();
    close();
    owner_.on_connect_expired();
}

void Connector::fail(CallFailure::Kind kind, std::string detail) {
    close();
    owner_.on_connect_failed({kind, CallFailure::Stage::kConnect, std::move(detail), true});
}

void Connector::close_socket() noexcept {
    if (handshake_) {
        core_.loop.remove(handshake_->descriptor());
        handshake_.reset();
    }
    if (socket_ >= 0) {
        core_.loop.remove(socket_);
        ::close(std::exchange(socket_, -1));
    }
}

void Connector::close() noexcept {
    close_socket();
    state_ = State::kClosed;
    core_.loop.timers().cancel(*this);
    core_.names.cancel(*this);
    core_.certificates.cancel(*this);
}

}  // namespace tidegate::http
