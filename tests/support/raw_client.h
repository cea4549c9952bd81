// RawClient: a blocking TCP client for tests that sends any bytes and reads answers with deadlines.
//
// Guarantee   No call waits longer than its deadline; a read after the server has closed says so.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace tidegate::testing {

/// Lets time pass for a client that is slow on purpose; not a way to wait for something.
inline void rest(std::chrono::milliseconds time) {
    ::poll(nullptr, 0, static_cast<int>(time.count()));
}

struct RawResponse {
    int status = 0;
    std::string head;  // As it came, up to and with the empty line.
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;  // Chunked coding removed.
    bool complete = false;

    std::string header(std::string_view name) const {
        for (const auto& [key, value] : headers) {
            if (iequals(key, name)) return value;
        }
        return {};
    }
    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(headers, [&](const auto& field) { return iequals(field.first, name); }));
    }
};

class RawClient {
  public:
    using Milliseconds = std::chrono::milliseconds;
    static constexpr Milliseconds kWait =
        std::chrono::minutes(2);  // Reached by nothing that works, sanitizers and all.

    /// Connects to 127.0.0.1. `receive_bytes` > 0 shrinks the receive buffer, for a slow reader.
    explicit RawClient(std::uint16_t port, int receive_bytes = 0) {
        socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (receive_bytes > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~RawClient() { close(); }
    RawClient(RawClient&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_), buffer_(std::move(other.buffer_)) {}
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    RawClient& operator=(RawClient&&) = delete;

    bool connected() const noexcept { return connected_; }
    int descriptor() const noexcept { return socket_; }
    void close() {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    /// Closes with a reset instead of a FIN.
    void reset() {
        const linger hard{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close();
    }
    void shutdown_write() { ::shutdown(socket_, SHUT_WR); }

    /// False when the server has closed, or did not take the bytes in time.
    bool send(std::string_view bytes, Milliseconds wait = kWait) {
        const auto deadline = std::chrono::steady_clock::now() + wait;
        while (!bytes.empty()) {
            if (!ready(POLLOUT, deadline)) return false;
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    /// Whatever comes next; empty when the server has closed or nothing came in time.
    std::string receive(Milliseconds wait = kWait) {
        if (buffer_.empty()) fill(std::chrono::steady_clock::now() + wait);
        return std::exchange(buffer_, {});
    }
    /// Everything until the server closes; nullopt when it does not within the wait.
    std::optional<std::string> receive_all(Milliseconds wait = kWait) {
        const auto deadline = std::chrono::steady_clock::now() + wait;
        while (fill(deadline)) {
        }
        if (!ended_) return std::nullopt;
        return std::exchange(buffer_, {});
    }
    /// Reads until `text` has come (it stays unread); false when it did not in time.
    bool wait_for(std::string_view text, Milliseconds wait = kWait) {
        const auto deadline = std::chrono::steady_clock::now() + wait;
        while (buffer_.find(text) == std::string::npos) {
            if (!fill(deadline)) return false;
        }
        return true;
    }
    /// True when the server closes (or resets) within the wait without another byte.
    bool closed_by_server(Milliseconds wait = kWait) {
        return buffer_.empty() && !fill(std::chrono::steady_clock::now() + wait) && ended_;
    }

    /// One response. `complete` is false when it did not come whole. `head_only`: the answer to a HEAD. An interim answer
    /// (100) is given like any other.
    RawResponse response(bool head_only = false, Milliseconds wait = kWait) {
        const auto deadline = std::chrono::steady_clock::now() + wait;
        RawResponse out;
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            if (!fill(deadline)) return out;
        }
        out.head = buffer_.substr(0, end + 4);
        buffer_.erase(0, end + 4);
        parse_head(out);
        if (head_only || out.status < 200 || out.status == 204 || out.status == 304) {
            out.complete = true;
        } else if (out.header("transfer-encoding") == "chunked") {
            out.complete = read_chunked(out.body, deadline);
        } else if (const auto length = parse_u64(out.header("content-length"))) {
            out.complete = read_exactly(out.body, *length, deadline);
        } else {
            while (fill(deadline)) {
            }
            out.body = std::exchange(buffer_, {});
            out.complete = ended_ && !reset_;
        }
        return out;
    }

    /// Sends and reads one response.
    RawResponse ask(std::string_view bytes) {
        send(bytes);
        return response(bytes.starts_with("HEAD "));
    }

  private:
    using Deadline = std::chrono::steady_clock::time_point;

    bool ready(short events, Deadline deadline) const {
        while (true) {
            const auto left = std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
            if (left.count() < 0) return false;
            pollfd descriptor{socket_, events, 0};
            const int count = ::poll(&descriptor, 1, static_cast<int>(left.count()) + 1);
            if (count > 0) return true;
            if (count < 0 && errno != EINTR) return false;
        }
    }
    /// Reads some; false at the end or the deadline.
    bool fill(Deadline deadline) {
        if (ended_ || !ready(POLLIN, deadline)) return false;
        char bytes[65536];
        const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
        if (got <= 0) {
            ended_ = true;
            reset_ = got < 0;
            return false;
        }
        buffer_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    bool read_exactly(std::string& out, std::uint64_t bytes, Deadline deadline) {
        while (buffer_.size() < bytes) {
            if (!fill(deadline)) {
                out += std::exchange(buffer_, {});
                return false;
            }
        }
        out += buffer_.substr(0, bytes);
        buffer_.erase(0, bytes);
        return true;
    }
    bool read_line(std::string& out, Deadline deadline) {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n")) == std::string::npos) {
            if (!fill(deadline)) return false;
        }
        out = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        return true;
    }
    bool read_chunked(std::string& out, Deadline deadline) {
        while (true) {
            std::string line;
            if (!read_line(line, deadline)) return false;
            std::uint64_t size = 0;
            for (const char c : line)
                size = size * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
            if (!read_exactly(out, size, deadline) || !read_line(line, deadline)) return false;
            if (size == 0) return true;
        }
    }
    static void parse_head(RawResponse& out) {
        std::string_view rest = out.head;
        const std::string_view first = rest.substr(0, rest.find("\r\n"));
        if (first.size() >= 12) out.status = static_cast<int>(parse_i64(first.substr(9, 3)).value_or(0));
        rest.remove_prefix(first.size() + 2);
        while (rest.size() > 2) {
            const std::string_view line = rest.substr(0, rest.find("\r\n"));
            const std::size_t colon = line.find(':');
            if (colon != std::string_view::npos) {
                out.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
            }
            rest.remove_prefix(line.size() + 2);
        }
    }

    int socket_ = -1;
    bool connected_ = false;
    bool ended_ = false;
    bool reset_ = false;
    std::string buffer_;
};

}  // namespace tidegate::testing
