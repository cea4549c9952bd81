// ServerLoop: one thread with its own listener; accepts clients and keeps their connections until they end.
//
// Guarantee   A connection never leaves its loop; loops share only ServerCounters.
// When full   Over connections_max, or connections_per_address_max of its address, a client gets 503 and the connection is closed; over kRefusedMax such
// farewells at once,
//             it is closed without one. Out of descriptors: the newest client is let in through a reserve and
//             closed, then accepting rests for kAcceptRest instead of spinning.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/address_counts.h"
#include "http/connection.h"
#include "http/listener.h"
#include "http/tls_transport.h"
#include "http/trusted_proxies.h"
#include "runtime/event_loop.h"

namespace tidegate::http {

/// Tells drain() that the last connection has ended.
struct DrainSignal {
    Mutex mutex;
    Condition changed;
};

/// What all loops of a server are given; it outlives them.
struct LoopShared {
    Application& application;
    const Clock& clock;
    Limits limits;
    std::unique_ptr<TlsContext> tls;
    ServerCounters counters;
    DrainSignal drain_signal;
    AddressCounts addresses;
    TrustedProxies proxies{};
    std::shared_ptr<std::atomic<std::uint64_t>> bodies_bytes = std::make_shared<std::atomic<std::uint64_t>>(0);
};

class ServerLoop final : public ConnectionHost {
  public:
    static Result<std::unique_ptr<ServerLoop>> create(LoopShared& shared, Socket listener, unsigned index);
    ~ServerLoop() override;

    void start();
    /// Any thread. Takes what waits in the backlog, closes the listener, ends idle connections.
    void drain();
    /// Any thread but the loop's. Cuts every connection and joins.
    void stop();

    void set_interest(Connection& connection, std::uint32_t events) override;
    void set_deadline(Connection& connection, SteadyTime deadline) override;
    void want_turn(Connection& connection) override { turns_.push_back(&connection); }
    void retire(Connection& connection) override;

  private:
    static constexpr std::size_t kRefusedMax = 128;
    static constexpr Duration kAcceptRest = std::chrono::milliseconds(100);

    struct Acceptor final : runtime::EventLoop::Handler, runtime::Timer {
        explicit Acceptor(ServerLoop& owner) : loop(owner) {}
        void on_event(std::uint32_t) override { loop.accept_some(); }
        void on_timer() override { loop.resume_accepting(); }
        ServerLoop& loop;
    };

    ServerLoop(LoopShared& shared, Socket listener, std::unique_ptr<runtime::EventLoop> loop, unsigned index);
    void run();
    void accept_some();
    /// False when there is nobody left to accept, or no means to.
    bool accept_one();
    void admit(Socket socket, std::string peer_address, const std::optional<AddressKey>& key);
    void refuse(Socket socket, std::string peer_address, std::string_view why);
    void out_of_descriptors();
    void resume_accepting();
    void close_listener();
    void end_of_turn();
    Connection& keep(std::unique_ptr<Connection> connection);

    LoopShared& shared_;
    Socket listener_;
    Socket reserve_;  // Given up to accept and close a client when descriptors run out.
    std::unique_ptr<runtime::EventLoop> loop_;
    LoopContext context_;
    Acceptor acceptor_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<Connection*> turns_;  // Want their run_turn(); alive until the graveyard is cleared after it.
    std::vector<std::unique_ptr<Connection>> graveyard_;  // Destroyed at the end of the turn.
    std::size_t refused_now_ = 0;
    std::thread thread_;
};

}  // namespace tidegate::http
