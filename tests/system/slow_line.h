// SlowLine: a TCP line to a server on this machine that holds back what the server says, as long as a test wants.
//
// Threads     Two a connection; delay() from the test's thread.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "support/raw_client.h"

namespace tidegate::testing {

class SlowLine {
  public:
    explicit SlowLine(std::uint16_t to) : to_(to) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address = here(0);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 64), 0);
        socklen_t length = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::jthread([this] { accept_all(); });
    }
    ~SlowLine() {
        delay_ms_ = 0;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        {
            const Lock lock(mutex_);
            for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
        }
        pumps_.clear();
        for (const int socket : sockets_) ::close(socket);
        ::close(listener_);
    }
    SlowLine(const SlowLine&) = delete;
    SlowLine& operator=(const SlowLine&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    /// Everything the server says from now on arrives so much later; what is held back comes at once when it is 0 again.
    void delay(std::chrono::milliseconds by) { delay_ms_ = static_cast<int>(by.count()); }

  private:
    static sockaddr_in here(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    void accept_all() {
        for (;;) {
            const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) return;
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const sockaddr_in address = here(to_);
            // Where nobody listens both pumps end at once.
            static_cast<void>(::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address));
            const Lock lock(mutex_);
            sockets_.push_back(client);
            sockets_.push_back(server);
            pumps_.emplace_back([this, client, server] { pump(client, server, false); });
            pumps_.emplace_back([this, client, server] { pump(server, client, true); });
        }
    }
    void pump(int from, int to, bool held_back) const {
        char bytes[65536];
        for (ssize_t got = 0; (got = ::recv(from, bytes, sizeof bytes, 0)) > 0;) {
            const auto since = std::chrono::steady_clock::now();
            while (held_back &&
                   std::chrono::steady_clock::now() - since < std::chrono::milliseconds(delay_ms_.load())) {
                rest(std::chrono::milliseconds(5));
            }
            std::string_view left(bytes, static_cast<std::size_t>(got));
            while (!left.empty()) {
                const ssize_t sent = ::send(to, left.data(), left.size(), MSG_NOSIGNAL);
                if (sent <= 0) break;
                left.remove_prefix(static_cast<std::size_t>(sent));
            }
        }
        ::shutdown(from, SHUT_RDWR);
        ::shutdown(to, SHUT_RDWR);
    }

    const std::uint16_t to_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> delay_ms_{0};
    Mutex mutex_;
    std::vector<int> sockets_;
    std::vector<std::jthread> pumps_;
    std::jthread acceptor_;
};

}  // namespace tidegate::testing
