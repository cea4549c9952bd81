// ScriptedServer: an upstream made of a script: each connection is a thread that reads and writes whatever bytes the test says.
//
// Guarantee   No read waits longer than kWait. The destructor cuts every connection and joins.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"

namespace tidegate::http {

/// The server's end of one connection.
class Peer {
  public:
    static constexpr int kWaitMs = 60'000;

    Peer(int socket, int connection_number) : number(connection_number), socket_(socket) {}
    ~Peer() { close(); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// Counted from 0.
    const int number;

    int descriptor() const { return socket_; }
    /// Up to and with `mark`; empty when the connection ended or time passed before.
    std::string read_until(std::string_view mark) {
        std::size_t at = 0;
        while ((at = buffer_.find(mark)) == std::string::npos) {
            if (!fill()) return {};
        }
        return take(at + mark.size());
    }
    std::string read(std::size_t bytes) {
        while (buffer_.size() < bytes) {
            if (!fill()) return {};
        }
        return take(bytes);
    }
    /// A head without a body.
    std::string request() { return read_until("\r\n\r\n"); }
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// An answer with a length.
    bool answer(std::string_view body, std::string_view more = {}) {
        return send("HTTP/1.1 200 OK\r\n" + std::string(more) + "Content-Length: " + std::to_string(body.size()) +
                    "\r\n\r\n" + std::string(body));
    }
    /// True when the other side has ended the connection.
    bool closed_by_client() {
        while (fill()) {
        }
        return ended_;
    }
    void close() {
        const Lock lock(mutex_);
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    void reset() {
        const linger hard{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close();
    }
    /// From another thread: makes every wait end.
    void cut() {
        const Lock lock(mutex_);
        if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }

  private:
    bool fill() {
        pollfd ready{socket_, POLLIN, 0};
        if (socket_ < 0 || ::poll(&ready, 1, kWaitMs) != 1) return false;
        char bytes[65536];
        const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
        if (got <= 0) {
            ended_ = true;
            return false;
        }
        buffer_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    std::string take(std::size_t bytes) {
        std::string out = buffer_.substr(0, bytes);
        buffer_.erase(0, bytes);
        return out;
    }

    Mutex mutex_;  // Guards closing against cut().
    int socket_;
    bool ended_ = false;
    std::string buffer_;
};

/// A port where nobody listens: it is held, so that no other program takes it meanwhile.
class RefusingPort {
  public:
    RefusingPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length), 0);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
        number_ = ntohs(address.sin_port);
    }
    ~RefusingPort() { ::close(socket_); }
    RefusingPort(const RefusingPort&) = delete;
    RefusingPort& operator=(const RefusingPort&) = delete;
    std::uint16_t number() const { return number_; }

  private:
    const int socket_;
    std::uint16_t number_ = 0;
};

class ScriptedServer {
  public:
    using Script = std::function<void(Peer&)>;

    explicit ScriptedServer(Script script) : script_(std::move(script)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 64), 0);
        socklen_t length = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { accept(); });
    }
    ~ScriptedServer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
        const Lock lock(mutex_);
        for (const auto& peer : peers_) peer->cut();
        for (std::thread& thread : threads_) thread.join();
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    std::uint16_t port() const { return port_; }
    int connections() const { return connections_.load(); }

  private:
    void accept() {
        for (;;) {
            const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) return;
            const Lock lock(mutex_);
            Peer& peer = *peers_.emplace_back(std::make_unique<Peer>(socket, connections_.fetch_add(1)));
            threads_.emplace_back([this, &peer] {
                script_(peer);
                peer.close();
            });
        }
    }

    const Script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_{0};
    Mutex mutex_;
    std::vector<std::unique_ptr<Peer>> peers_ TG_GUARDED_BY(mutex_);
    std::vector<std::thread> threads_ TG_GUARDED_BY(mutex_);
    std::thread thread_;
};

}  // namespace tidegate::http
