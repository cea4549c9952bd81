#include "load/wire.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace tidegate::load {

using http::IoStatus;

std::string_view to_string(Fault fault) noexcept {
    constexpr std::array<std::string_view, kFaults> kNames{"connect",  "tls",     "reset",
                                                           "protocol", "timeout", "not_sent"};
    return kNames[static_cast<std::size_t>(fault)];
}

Wire::Event Wire::open(const Place& place, http::TlsClientContext* tls, int epoll, std::uint64_t tag) {
    close();
    tls_ = tls;
    name_ = place.origin.server_name.empty() ? place.origin.host : place.origin.server_name;
    socket_ = place.connect();
    if (socket_ < 0) return lose(Fault::kConnect);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = tag;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) != 0) return lose(Fault::kConnect);
    state_ = State::kConnecting;
    return Event::kNothing;
}

void Wire::close() noexcept {
    transport_.reset();
    handshake_ = nullptr;
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
    rest_.clear();
    rest_sent_ = 0;
    state_ = State::kClosed;
}

Wire::Event Wire::lose(Fault fault) noexcept {
    close();
    fault_ = fault;
    return Event::kFailed;
}

Wire::Event Wire::send(std::string_view request) {
    scan_.reset();
    state_ = State::kBusy;
    const iovec piece{.iov_base = const_cast<char*>(request.data()), .iov_len = request.size()};
    const http::IoResult wrote = transport_->write({&piece, 1});
    std::size_t sent = 0;
    if (wrote.status == IoStatus::kOk) sent = wrote.bytes;
    if (wrote.status == IoStatus::kFailed || wrote.status == IoStatus::kEnd) return lose(Fault::kReset);
    if (sent == request.size()) return Event::kNothing;
    rest_.assign(request.substr(sent));
    rest_sent_ = 0;
    // Edge triggered: the socket must have said that it is full before it says that there is room.
    return wrote.status == IoStatus::kOk ? flush() : Event::kNothing;
}

Wire::Event Wire::flush() {
    while (rest_sent_ < rest_.size()) {
        const iovec piece{.iov_base = rest_.data() + rest_sent_, .iov_len = rest_.size() - rest_sent_};
        const http::IoResult wrote = transport_->write({&piece, 1});
        if (wrote.status == IoStatus::kWouldBlock) return Event::kNothing;
        if (wrote.status != IoStatus::kOk) return lose(Fault::kReset);
        rest_sent_ += wrote.bytes;
    }
    rest_.clear();
    rest_sent_ = 0;
    return Event::kNothing;
}

Wire::Event Wire::on_event(bool ended, std::span<char> scratch) {
    switch (state_) {
        case State::kClosed:
            return Event::kNothing;
        case State::kConnecting:
            return advance_connect();
        case State::kHandshaking:
            return advance_handshake();
        case State::kIdle:
            return read_idle(scratch);
        case State::kBusy:
            break;
    }
    if (!rest_.empty()) {
        if (const Event event = flush(); event != Event::kNothing) return event;
    }
    return read(ended, scratch);
}

Wire::Event Wire::advance_connect() {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return lose(Fault::kConnect);
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof(peer);
    // An event that came before the connection stood.
    if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return Event::kNothing;
    const int socket = std::exchange(socket_, -1);
    if (tls_ == nullptr) {
        transport_ = http::make_plain_transport(socket);
        state_ = State::kIdle;
        return Event::kReady;
    }
    auto transport = tls_->connect(socket, name_);
    if (!transport) return lose(Fault::kTls);
    handshake_ = transport.get();
    transport_ = std::move(transport);
    state_ = State::kHandshaking;
    return advance_handshake();
}

Wire::Event Wire::advance_handshake() {
    const IoStatus status = handshake_->handshake();
    if (status == IoStatus::kWouldBlock) return Event::kNothing;
    if (status != IoStatus::kOk) return lose(Fault::kTls);
    handshake_ = nullptr;
    state_ = State::kIdle;
    return Event::kReady;
}

Wire::Event Wire::read(bool ended, std::span<char> scratch) {
    for (;;) {
        const http::IoResult got = transport_->read(scratch);
        if (got.status == IoStatus::kWouldBlock) return Event::kNothing;
        if (got.status == IoStatus::kFailed) return lose(Fault::kReset);
        if (got.status == IoStatus::kEnd) {
            if (scan_.end_of_input() != AnswerScan::Status::kDone) return lose(Fault::kReset);
            return answered();
        }
        bytes_in_ += got.bytes;
        const AnswerScan::Status status = scan_.feed({scratch.data(), got.bytes});
        if (status == AnswerScan::Status::kError) return lose(Fault::kProtocol);
        if (status == AnswerScan::Status::kDone) {
            const Event event = answered();
            if (ended) close();
            return event;
        }
        // A plain socket that gave less than was asked for is empty; the next edge tells of more.
        if (got.bytes < scratch.size() && !ended && !transport_->tls()) return Event::kNothing;
    }
}

/// Between two requests: TLS may bring session tickets; else it is the server's end, or bytes nobody asked for.
Wire::Event Wire::read_idle(std::span<char> scratch) {
    const http::IoResult got = transport_->read(scratch);
    if (got.status == IoStatus::kWouldBlock) return Event::kNothing;
    if (got.status == IoStatus::kOk) return lose(Fault::kProtocol);
    close();
    return Event::kEnded;
}

Wire::Event Wire::answered() noexcept {
    state_ = State::kIdle;
    // An answer before the request was out: what follows on this connection would be of two requests.
    if (!scan_.keep_alive() || !rest_.empty()) close();
    return Event::kAnswered;
}

}  // namespace tidegate::load
