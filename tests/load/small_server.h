// SmallServer: answers HTTP/1.1 on loopback as a test wants: slowly, badly, or not at all. A thread a connection.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tidegate::load {

class SmallServer {
  public:
    SmallServer() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(listener_, 512), 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        accepting_ = std::thread([this] { accept_all(); });
    }
    ~SmallServer() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        {
            const Lock lock(mutex_);
            for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
        }
        for (std::thread& thread : threads_) thread.join();
        for (const int socket : sockets_) ::close(socket);
        ::close(listener_);
    }
    SmallServer(const SmallServer&) = delete;
    SmallServer& operator=(const SmallServer&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

    std::atomic<int> delay_ms{0};
    std::atomic<int> status{200};
    std::atomic<bool> silent{false};       // Reads and says nothing.
    std::atomic<bool> hangs_up{false};     // Ends the connection instead of an answer.
    std::atomic<bool> closes{false};       // Connection: close.
    std::atomic<bool> stalls_once{false};  // The next answer takes stall_ms.
    std::atomic<int> stall_ms{0};
    std::atomic<std::uint64_t> served{0};

  private:
    void accept_all() {
        while (!stopping_) {
            const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) return;
            const Lock lock(mutex_);
            sockets_.push_back(socket);
            threads_.emplace_back([this, socket] { serve(socket); });
        }
    }
    void serve(int socket) {
        std::string input;
        char piece[4096];
        while (!stopping_) {
            const ssize_t got = ::recv(socket, piece, sizeof(piece), 0);
            if (got <= 0) return;
            input.append(piece, static_cast<std::size_t>(got));
            // The tests' requests have no body.
            const std::size_t end = input.find("\r\n\r\n");
            if (end == std::string::npos) continue;
            input.erase(0, end + 4);
            if (silent) continue;
            if (hangs_up) {
                ::shutdown(socket, SHUT_RDWR);
                return;
            }
            if (stalls_once.exchange(false)) std::this_thread::sleep_for(std::chrono::milliseconds(stall_ms));
            if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
            std::string answer = "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Length: 2\r\n";
            if (closes) answer += "Connection: close\r\n";
            answer += "\r\nok";
            ++served;
            if (::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
            if (closes) {
                ::shutdown(socket, SHUT_RDWR);
                return;
            }
        }
    }

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread accepting_;
    Mutex mutex_;
    std::vector<int> sockets_;
    std::vector<std::thread> threads_;
};

}  // namespace tidegate::load
