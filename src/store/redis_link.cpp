#include "store/redis_link.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/assert.h"

namespace tidegate::store {
namespace {

using std::chrono::milliseconds;

// The first pause is shorter than a restart of Redis; the last keeps a thousand loops from being a load on one that is down.
constexpr Duration kPauseMin = milliseconds(50);
constexpr Duration kPauseMax = std::chrono::seconds(5);
// As much as hiredis itself reads at once: its reader moves what is left for each KiB it takes out.
constexpr std::size_t kReadBytes = std::size_t{16} * 1024;
// Memory of a burst is given back once it has been sent.
constexpr std::size_t kKeptBytes = std::size_t{256} * 1024;

std::string text_of(int error) {
    return std::generic_category().message(error);
}

/// `flags` AI_NUMERICHOST: no look-up, answers at once.
std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    std::vector<SocketAddress> addresses;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return addresses;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        SocketAddress address;
        if (at->ai_addrlen > address.bytes.size()) continue;
        std::memcpy(address.bytes.data(), at->ai_addr, at->ai_addrlen);
        address.size = at->ai_addrlen;
        addresses.push_back(address);
    }
    return addresses;
}

}  // namespace

RedisLink::RedisLink(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
                     runtime::WorkerPool* resolver, Owner& owner)
    : loop_(loop),
      options_(options),
      counters_(counters),
      resolver_(resolver),
      owner_(owner),
      box_(std::make_shared<Box>(Box{this})),
      reader_(options.reply_bytes_max, options.reply_items_max) {}

RedisLink::~RedisLink() {
    box_->link = nullptr;
    loop_.timers().cancel(*this);
    loop_.undefer(*this);
    // What was said last, such as what is given back at the end, gets its chance; nobody hears whether it arrived.
    if (ready() && unsent() > 0) static_cast<void>(::send(fd_, out_.data() + sent_, unsent(), MSG_NOSIGNAL));
    close_socket();
}

void RedisLink::start() {
    TG_ASSERT(state_ == State::kIdle);
    resolve();
}

void RedisLink::resolve() {
    state_ = State::kResolving;
    loop_.timers().schedule(*this, loop_.now() + options_.connect_max);
    // RFC 6761: localhost is the loopback address, without asking anybody.
    const std::string host = options_.host == "localhost" ? "127.0.0.1" : options_.host;
    if (std::vector<SocketAddress> numeric = look_up(host, options_.port, AI_NUMERICHOST); !numeric.empty()) {
        return on_resolved(std::move(numeric));
    }
    if (resolver_ == nullptr) return drop("the host is no numeric address, and nothing here looks names up");
    auto task = [host, port = options_.port, box = box_, mailbox = loop_.mailbox(), at = connection_] {
        auto back = [box, at, found = look_up(host, port, 0)]() mutable {
            if (box->link == nullptr || box->link->connection_ != at) return;
            box->link->on_resolved(std::move(found));
        };
        // Refused when the loop has ended: nobody waits for it then.
        static_cast<void>(mailbox->post(std::move(back)));
    };
    if (!resolver_->submit(std::move(task))) drop("the pool that looks names up is full");
}

void RedisLink::on_resolved(std::vector<SocketAddress> addresses) {
    if (state_ != State::kResolving) return;
    if (addresses.empty()) return drop("the name of the host is not known");
    addresses_ = std::move(addresses);
    connect_next();
}

void RedisLink::connect_next() {
    const SocketAddress& address = addresses_[next_address_++ % addresses_.size()];
    const auto* where = reinterpret_cast<const sockaddr*>(address.bytes.data());
    fd_ = ::socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return drop("no socket: " + text_of(errno));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    state_ = State::kConnecting;
    if (::connect(fd_, where, address.size) != 0 && errno != EINPROGRESS) return drop(text_of(errno));
    watched_ = EPOLLIN | EPOLLOUT;
    if (const auto added = loop_.add(fd_, *this, watched_); !added) {
        watched_ = 0;
        drop(added.error().message);
    }
}

void RedisLink::on_connected() {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return drop(text_of(error));
    greet();
}

void RedisLink::greet() {
    state_ = State::kGreeting;
    reader_.reset();
    out_.clear();
    sent_ = 0;
    greetings_due_ = 1;
    if (!options_.password.empty()) {
        const std::array<std::string_view, 3> words{"AUTH", options_.username, options_.password};
        const std::array<std::string_view, 2> without_user{"AUTH", options_.password};
        append_command(out_, options_.username.empty() ? std::span<const std::string_view>(without_user) : words);
        ++greetings_due_;
    }
    if (options_.database != 0) {
        const std::string number = std::to_string(options_.database);
        append_command(out_, std::array<std::string_view, 2>{"SELECT", number});
        ++greetings_due_;
    }
    append_command(out_, std::array<std::string_view, 1>{"PING"});
    flush();
}

void RedisLink::on_greeting(const RedisReader::Reply& reply) {
    if (!reply) return drop("greeting refused: " + reply.error().message);
    if (--greetings_due_ > 0) return;
    state_ = State::kReady;
    failures_ = 0;
    loop_.timers().cancel(*this);
    counters_.connects.fetch_add(1, std::memory_order_relaxed);
    owner_.on_ready();
}

void RedisLink::on_event(std::uint32_t events) {
    // An event of a descriptor that was closed earlier in this turn.
    if (fd_ < 0) return;
    if (state_ == State::kConnecting) {
        on_connected();
        return;
    }
    const std::uint64_t connection = connection_;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
    if (connection == connection_ && (events & EPOLLOUT) != 0) flush();
}

void RedisLink::on_timer() {
    if (state_ == State::kPausing) {
        resolve();
    } else {
        drop("no connection within the time limit");
    }
}

void RedisLink::read() {
    std::array<char, kReadBytes> buffer;
    const std::uint64_t connection = connection_;
    // A turn's worth: with more to read the loop comes back, after the others' turn.
    for (int round = 0; round < 16; ++round) {
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) drop(text_of(errno));
            return;
        }
        if (got == 0) return drop("closed by the server");
        const auto size = static_cast<std::size_t>(got);
        counters_.bytes_in.fetch_add(size, std::memory_order_relaxed);
        reader_.feed({buffer.data(), size});
        if (!hand_over(connection) || size < buffer.size()) return;
    }
}

bool RedisLink::hand_over(std::uint64_t connection) {
    for (;;) {
        auto next = reader_.next();
        if (!next) {
            drop(next.error().message);
            return false;
        }
        if (!*next) return true;
        if (state_ == State::kGreeting) {
            on_greeting(**next);
        } else {
            owner_.on_reply(std::move(**next));
        }
        if (connection != connection_) return false;
    }
}

void RedisLink::flush() {
    if (fd_ < 0 || state_ < State::kGreeting) return;
    while (unsent() > 0) {
        const ssize_t put = ::send(fd_, out_.data() + sent_, unsent(), MSG_NOSIGNAL);
        if (put < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return watch(EPOLLIN | EPOLLOUT);
            return drop(text_of(errno));
        }
        sent_ += static_cast<std::size_t>(put);
        counters_.writes.fetch_add(1, std::memory_order_relaxed);
        counters_.bytes_out.fetch_add(static_cast<std::uint64_t>(put), std::memory_order_relaxed);
    }
    sent_ = 0;
    out_.clear();
    if (out_.capacity() > kKeptBytes) out_.shrink_to_fit();
    watch(EPOLLIN);
}

void RedisLink::watch(std::uint32_t events) {
    if (events == watched_) return;
    watched_ = events;
    loop_.modify(fd_, *this, events);
}

void RedisLink::close_socket() {
    if (fd_ < 0) return;
    if (watched_ != 0) loop_.remove(fd_);
    ::close(fd_);
    fd_ = -1;
    watched_ = 0;
}

void RedisLink::drop(std::string reason) {
    const bool was_ready = ready();
    last_error_ = std::move(reason);
    ++connection_;
    close_socket();
    out_.clear();
    sent_ = 0;
    state_ = State::kPausing;
    const Duration pause = std::min(kPauseMin * (1U << std::min(failures_, 7U)), kPauseMax);
    ++failures_;
    const auto half = static_cast<std::uint64_t>((pause / 2).count());
    loop_.timers().schedule(*this, loop_.now() + Duration(half + random_.next_u64() % half));
    (was_ready ? counters_.disconnects : counters_.connects_failed).fetch_add(1, std::memory_order_relaxed);
    if (was_ready) owner_.on_lost();
}

}  // namespace tidegate::store
