// Listening sockets: one a loop on one port, shared by the kernel through SO_REUSEPORT.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace tidegate::http {

/// Owns a descriptor.
class Socket {
  public:
    Socket() = default;
    explicit Socket(int descriptor) : descriptor_(descriptor) {}
    ~Socket() { reset(); }
    Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
    Socket& operator=(Socket&& other) noexcept {
        if (this != &other) {
            reset();
            descriptor_ = other.release();
        }
        return *this;
    }
    int get() const noexcept { return descriptor_; }
    int release() noexcept {
        const int descriptor = descriptor_;
        descriptor_ = -1;
        return descriptor;
    }
    void reset() noexcept;

  private:
    int descriptor_ = -1;
};

struct Listeners {
    std::vector<Socket> sockets;
    std::uint16_t port = 0;
};

/// `count` sockets listening on `address` (numeric, or "localhost") and `port` (0: the kernel chooses).
/// kUnavailable when the port is taken - also by another server that shares ports - and kInvalidArgument for
/// the address.
Result<Listeners> listen_on(const std::string& address, std::uint16_t port, unsigned count);

/// `192.0.2.1` or `2001:db8::1`.
std::string numeric_address(const sockaddr_storage& address);

}  // namespace tidegate::http
