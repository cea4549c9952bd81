#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "http/transport.h"

namespace tidegate::http {
namespace {

IoStatus status_of_errno() noexcept {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? IoStatus::kWouldBlock : IoStatus::kFailed;
}

class PlainTransport final : public Transport {
  public:
    explicit PlainTransport(int socket) : socket_(socket) {}
    ~PlainTransport() override { ::close(socket_); }
    PlainTransport(const PlainTransport&) = delete;
    PlainTransport& operator=(const PlainTransport&) = delete;

    IoResult read(std::span<char> into) override {
        const ssize_t got = ::recv(socket_, into.data(), into.size(), 0);
        if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got)};
        if (got == 0) return {IoStatus::kEnd, 0};
        return {status_of_errno(), 0};
    }

    IoResult write(std::span<const iovec> pieces) override {
        ssize_t sent = 0;
        if (pieces.size() == 1) {
            // The usual answer; send() spares the kernel the copy of a message header.
            sent = ::send(socket_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(pieces.data());
            message.msg_iovlen = pieces.size();
            sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
        }
        if (sent >= 0) return {IoStatus::kOk, static_cast<std::size_t>(sent)};
        return {status_of_errno(), 0};
    }

    void shutdown_write() override { ::shutdown(socket_, SHUT_WR); }
    int descriptor() const noexcept override { return socket_; }

  private:
    const int socket_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(int socket) {
    return std::make_unique<PlainTransport>(socket);
}

}  // namespace tidegate::http
