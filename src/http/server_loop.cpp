#include "http/server_loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace tidegate::http {
namespace {

// Enough to empty a burst without keeping the connections that are already here waiting.
constexpr int kAcceptsPerTurn = 64;

Socket open_reserve() {
    return Socket(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

Result<std::unique_ptr<ServerLoop>> ServerLoop::create(LoopShared& shared, Socket listener, unsigned index) {
    TG_TRY(auto loop, runtime::EventLoop::create(shared.clock));
    std::unique_ptr<ServerLoop> made(new ServerLoop(shared, std::move(listener), std::move(loop), index));
    TG_CHECK(made->loop_->add(made->listener_.get(), made->acceptor_, EPOLLIN));
    return made;
}

ServerLoop::ServerLoop(LoopShared& shared, Socket listener, std::unique_ptr<runtime::EventLoop> loop, unsigned index)
    : shared_(shared),
      listener_(std::move(listener)),
      reserve_(open_reserve()),
      loop_(std::move(loop)),
      context_(shared.application, shared.limits, shared.counters, shared.clock,
               std::make_shared<LoopLink>(LoopLink{
                   loop_->mailbox(), {}, shared.bodies_bytes, shared.limits.bodies_bytes_max, loop_.get(), index}),
               loop_->now()),
      acceptor_(*this) {
    if (!shared.proxies.empty()) context_.proxies = &shared.proxies;
    loop_->set_end_of_turn([this] { end_of_turn(); });
}

ServerLoop::~ServerLoop() {
    stop();
}

void ServerLoop::start() {
    TG_ASSERT(!thread_.joinable());
    thread_ = std::thread([this] { run(); });
}

void ServerLoop::run() {
    ::pthread_setname_np(::pthread_self(), "loop");
    // So that what is posted from in there, too, knows that it is on the loop.
    loop_->mailbox()->adopt();
    shared_.application.on_loop_start(*loop_, context_.link->index);
    loop_->run();
    close_listener();
    loop_->timers().cancel(acceptor_);
    while (!connections_.empty()) connections_.back()->cut();
    // A stream that was on its way here has to hear that its client is gone; so has whoever asked to hear it.
    loop_->mailbox()->drain();
    end_of_turn();
    shared_.application.on_loop_stop(context_.link->index);
    loop_->mailbox()->drain();
    end_of_turn();
    context_.link->spare_parts.clear();
    loop_->mailbox()->close();
}

void ServerLoop::stop() {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
}

void ServerLoop::drain() {
    loop_->mailbox()->post([this] {
        // Clients in the backlog believe that they are connected.
        if (listener_.get() >= 0) accept_some();
        close_listener();
        context_.draining = true;
        for (std::size_t i = connections_.size(); i-- > 0;) {
            // An answer may end other connections, too; whoever moves up to a free place has been asked.
            if (i < connections_.size()) connections_[i]->on_drain();
        }
    });
}

void ServerLoop::close_listener() {
    if (listener_.get() < 0) return;
    loop_->remove(listener_.get());
    listener_.reset();
}

void ServerLoop::accept_some() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        if (!accept_one()) return;
    }
}

bool ServerLoop::accept_one() {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    Socket socket(
        ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) {
        switch (errno) {
            case EINTR:
            case ECONNABORTED:
                return true;
            case EMFILE:
            case ENFILE:
            case ENOBUFS:
            case ENOMEM:
                out_of_descriptors();
                return false;
            default:
                return false;
        }
    }
    shared_.counters.connections_accepted.fetch_add(1, std::memory_order_relaxed);
    const std::int64_t open = shared_.counters.connections_open.fetch_add(1, std::memory_order_relaxed);
    std::string peer = numeric_address(address);
    const AddressKey key = address_key(address);
    if (open - static_cast<std::int64_t>(refused_now_) >= std::int64_t{shared_.limits.connections_max}) {
        refuse(std::move(socket), std::move(peer), "too many connections; try again in a moment");
    } else if (context_.proxies != nullptr && context_.proxies->trusts(peer)) {
        admit(std::move(socket), std::move(peer), std::nullopt);  // It stands for many.
    } else if (!shared_.addresses.try_add(key, shared_.limits.connections_per_address_max)) {
        shared_.counters.connections_refused_address.fetch_add(1, std::memory_order_relaxed);
        refuse(std::move(socket), std::move(peer), "too many connections from this address");
    } else {
        admit(std::move(socket), std::move(peer), key);
    }
    return true;
}

Connection& ServerLoop::keep(std::unique_ptr<Connection> connection) {
    connection->host_state.index = connections_.size();
    connections_.push_back(std::move(connection));
    return *connections_.back();
}

void ServerLoop::admit(Socket socket, std::string peer_address, const std::optional<AddressKey>& key) {
    auto transport = shared_.tls ? shared_.tls->accept(socket.release()) : make_plain_transport(socket.release());
    if (!transport) {
        if (key) shared_.addresses.remove(*key);
        shared_.counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    Connection& connection =
        keep(std::make_unique<Connection>(*this, context_, std::move(transport), std::move(peer_address)));
    connection.host_state.address = key;
    connection.open();
}

void ServerLoop::refuse(Socket socket, std::string peer_address, std::string_view why) {
    shared_.counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (shared_.tls || refused_now_ >= kRefusedMax) {
        // A TLS handshake only to say no would cost more than serving.
        shared_.counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    ++refused_now_;
    Connection& connection = keep(
        std::make_unique<Connection>(*this, context_, make_plain_transport(socket.release()), std::move(peer_address)));
    connection.host_state.refused = true;
    connection.open_refused(shared_.application.on_protocol_error(nullptr, 503, why));
}

void ServerLoop::out_of_descriptors() {
    shared_.counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (reserve_.get() >= 0) {
        reserve_.reset();
        {
            const Socket turned_away(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
        reserve_ = open_reserve();
    }
    loop_->modify(listener_.get(), acceptor_, 0);
    loop_->timers().schedule(acceptor_, loop_->now() + kAcceptRest);
}

void ServerLoop::resume_accepting() {
    if (listener_.get() < 0) return;
    if (reserve_.get() < 0) reserve_ = open_reserve();
    loop_->modify(listener_.get(), acceptor_, EPOLLIN);
}

void ServerLoop::set_interest(Connection& connection, std::uint32_t events) {
    const int descriptor = connection.transport().descriptor();
    if (connection.host_state.registered) return loop_->modify(descriptor, connection, events);
    if (loop_->add(descriptor, connection, events)) {
        connection.host_state.registered = true;
    } else {
        connection.cut();
    }
}

void ServerLoop::set_deadline(Connection& connection, SteadyTime deadline) {
    if (!connection.closed()) loop_->timers().schedule(connection, deadline);
}

void ServerLoop::retire(Connection& connection) {
    if (connection.host_state.registered) loop_->remove(connection.transport().descriptor());
    loop_->timers().cancel(connection);
    if (connection.host_state.refused) --refused_now_;
    if (connection.host_state.address) shared_.addresses.remove(*connection.host_state.address);
    const std::size_t index = connection.host_state.index;
    graveyard_.push_back(std::move(connections_[index]));
    if (index + 1 != connections_.size()) {
        connections_[index] = std::move(connections_.back());
        connections_[index]->host_state.index = index;
    }
    connections_.pop_back();
}

void ServerLoop::end_of_turn() {
    while (!turns_.empty() || !graveyard_.empty()) {
        // A turn may end in asking for another's; so may the end of what a connection held.
        for (std::size_t i = 0; i < turns_.size(); ++i) turns_[i]->run_turn();
        turns_.clear();
        const auto ended = static_cast<std::int64_t>(graveyard_.size());
        if (ended == 0) continue;
        std::exchange(graveyard_, {}).clear();
        // Counted when the sockets are closed, so that zero means that nothing is left.
        if (shared_.counters.connections_open.fetch_sub(ended, std::memory_order_acq_rel) == ended) {
            const Lock lock(shared_.drain_signal.mutex);
            shared_.drain_signal.changed.notify_all();
        }
    }
    context_.publish();
}

}  // namespace tidegate::http
