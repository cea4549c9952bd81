#include "support/upstream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"

namespace tidegate::testing {
namespace {

using std::chrono::steady_clock;

// How often a thread that waits looks whether the server ends.
constexpr int kLookMs = 20;

int listen_on_loopback(std::uint16_t& port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return listener;
}

}  // namespace

std::uint16_t closed_port() {
    std::uint16_t port = 0;
    listen_on_loopback(port);  // The descriptor is kept: bound, and not listening.
    return port;
}

std::string UpstreamRequest::header(std::string_view name) const {
    std::string_view rest = head;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && iequals(line.substr(0, colon), name)) {
            return std::string(trim(line.substr(colon + 1)));
        }
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
    }
    return {};
}

bool UpstreamRequest::has(std::string_view name) const {
    return to_lower(head).find("\r\n" + to_lower(name) + ":") != std::string::npos;
}

bool UpstreamCall::wait_readable() const {
    while (socket_ >= 0 && !owner_.stopping_) {
        pollfd descriptor{socket_, POLLIN, 0};
        if (::poll(&descriptor, 1, kLookMs) > 0) return true;
    }
    return false;
}

bool UpstreamCall::fill() {
    if (!wait_readable()) return false;
    char bytes[65536];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
}

bool UpstreamCall::read_line(std::string& line) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!fill()) return false;
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
}

bool UpstreamCall::next_request() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (!fill()) return false;
    }
    request_ = {};
    request_.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    const std::string line = request_.head.substr(0, request_.head.find("\r\n"));
    const std::size_t first = line.find(' ');
    request_.method = line.substr(0, first);
    request_.target = line.substr(first + 1, line.rfind(' ') - first - 1);
    request_.path = request_.target.substr(0, request_.target.find('?'));
    chunked_ = iequals(request_.header("Transfer-Encoding"), "chunked");
    body_left_ = parse_u64(request_.header("Content-Length")).value_or(0);
    body_done_ = !chunked_ && body_left_ == 0;
    return true;
}

std::string UpstreamCall::read_body_piece() {
    if (body_done_) return {};
    if (chunked_ && body_left_ == 0) {
        std::string line;
        if (!read_line(line)) return {};
        std::from_chars(line.data(), line.data() + line.size(), body_left_, 16);
        if (body_left_ == 0) {
            while (read_line(line) && !line.empty()) {
            }
            body_done_ = true;
            return {};
        }
    }
    if (buffer_.empty() && !fill()) return {};
    std::string piece = buffer_.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, 65536)));
    buffer_.erase(0, piece.size());
    body_left_ -= piece.size();
    if (body_left_ == 0) {
        std::string ignored;
        if (chunked_) {
            read_line(ignored);
        } else {
            body_done_ = true;
        }
    }
    return piece;
}

bool UpstreamCall::read_body() {
    while (!body_done_) {
        const std::string piece = read_body_piece();
        if (piece.empty()) break;
        request_.body += piece;
    }
    owner_.keep(*this);
    return body_done_;
}

bool UpstreamCall::send(std::string_view bytes) {
    while (!bytes.empty() && socket_ >= 0) {
        pollfd descriptor{socket_, POLLOUT, 0};
        if (::poll(&descriptor, 1, kLookMs) <= 0) {
            if (owner_.stopping_) return false;
            continue;
        }
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return bytes.empty();
}

void UpstreamCall::answer(int status, std::string_view body, std::string_view fields) {
    read_body();
    std::string text = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n" + std::string(fields);
    if (status != 204 && status != 304) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text += "\r\n";
    if (request_.method != "HEAD") text += body;
    send(text);
}

std::string UpstreamCall::receive() {
    if (buffer_.empty()) fill();
    return std::exchange(buffer_, {});
}

bool UpstreamCall::wait_gone() {
    while (wait_readable()) {
        char bytes[4096];
        if (::recv(socket_, bytes, sizeof bytes, 0) > 0) continue;
        owner_.left_.fetch_add(1);
        return true;
    }
    return false;
}

void UpstreamCall::close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void UpstreamCall::reset() {
    const linger hard{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
}

Upstream::Upstream() {
    listener_ = listen_on_loopback(port_);
    EXPECT_EQ(::listen(listener_, 4096), 0);
    acceptor_ = std::jthread([this] { accept_all(); });
}

Upstream::~Upstream() {
    stopping_ = true;
    acceptor_.join();
    ::close(listener_);
    calls_.clear();
}

void Upstream::on(std::string path, Script script) {
    const Lock lock(mutex_);
    paths_[std::move(path)].script = std::move(script);
}

void Upstream::on(std::string path, int status, std::string body, std::string fields) {
    on(std::move(path), [status, body = std::move(body), fields = std::move(fields)](UpstreamCall& call) {
        call.answer(status, body, fields);
    });
}

unsigned Upstream::asked(const std::string& path) const {
    const Lock lock(mutex_);
    const auto found = paths_.find(path);
    return found == paths_.end() ? 0 : found->second.asked;
}

UpstreamRequest Upstream::last(const std::string& path) const {
    wait_until(std::chrono::seconds(10), [&] {
        const Lock lock(mutex_);
        const auto found = paths_.find(path);
        return found == paths_.end() || found->second.asked == 0 || found->second.whole;
    });
    const Lock lock(mutex_);
    const auto found = paths_.find(path);
    return found == paths_.end() ? UpstreamRequest{} : found->second.last;
}

bool Upstream::wait_until(std::chrono::milliseconds wait, const std::function<bool()>& what) const {
    const auto deadline = steady_clock::now() + wait;
    while (!what()) {
        if (steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

bool Upstream::wait_asked(const std::string& path, unsigned count, std::chrono::milliseconds wait) const {
    return wait_until(wait, [&] { return asked(path) >= count; });
}

bool Upstream::wait_left(unsigned count, std::chrono::milliseconds wait) const {
    return wait_until(wait, [&] { return left_.load() >= count; });
}

void Upstream::accept_all() {
    while (!stopping_) {
        pollfd descriptor{listener_, POLLIN, 0};
        if (::poll(&descriptor, 1, kLookMs) <= 0) continue;
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) continue;
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        calls_.emplace_back([this, socket] { serve(socket); });
    }
}

void Upstream::serve(int socket) {
    UpstreamCall call(*this, socket);
    while (call.socket_ >= 0 && call.next_request()) {
        const Script script = begin(call);
        script ? script(call) : call.answer(404, "no script");
        if (!call.body_done_) return;
    }
}

Upstream::Script Upstream::begin(UpstreamCall& call) {
    const Lock lock(mutex_);
    Path& path = paths_[call.request_.path];
    call.number_ = ++path.asked;
    path.last = call.request_;
    path.whole = call.body_done_;
    return path.script;
}

void Upstream::keep(const UpstreamCall& call) {
    const Lock lock(mutex_);
    Path& path = paths_[call.request_.path];
    path.last = call.request_;
    path.whole = call.body_done_;
}

}  // namespace tidegate::testing
