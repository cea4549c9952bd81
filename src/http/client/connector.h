// Connector: from an origin to a connection that stands: name look-up, TCP to one address after the other, TLS.
//
// Guarantee   Each address gets an equal share of the time that is left, so that one that hangs does not take it all. An
//             attempt ends in one word to its owner, or in close(). No link-local address is connected to unless the origin
//             allows it, whatever its name resolves to (the metadata services of clouds).
// Threads     The loop's thread.
#pragma once

#include <cstdint>
#include <memory>

#include "http/client/client_core.h"
#include "runtime/event_loop.h"
#include "runtime/timer_wheel.h"

namespace tidegate::http {

class Connector final : public runtime::EventLoop::Handler,
                        private runtime::Timer,
                        private NameCache::Waiter,
                        private TlsCache::Waiter {
  public:
    class Owner {
      public:
        /// The socket is registered with the loop; the owner has to modify() that to be its handler. May come from inside open().
        virtual void on_connected(std::unique_ptr<Transport> transport) = 0;
        /// May come from inside open().
        virtual void on_connect_failed(CallFailure failure) = 0;
        /// The time is over. Never from inside open().
        virtual void on_connect_expired() = 0;

      protected:
        ~Owner() = default;
    };

    Connector(ClientCore& core, const Origin& origin, Owner& owner) : core_(core), origin_(origin), owner_(owner) {}
    ~Connector() override { close(); }
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    void open(SteadyTime deadline);
    void close() noexcept;

  private:
    enum class State : std::uint8_t { kClosed, kLookingUp, kConnecting, kHandshaking };

    void on_event(std::uint32_t events) override;
    void on_timer() override;
    void on_found(const Result<Addresses>& found) override;
    void on_found(const Result<std::shared_ptr<TlsClientContext>>& found) override;

    void have_addresses();
    void connect_next();
    /// One connect(); true when it is under way or done.
    bool connect_to(Address address);
    void connected();
    void shake_hands();
    void close_socket() noexcept;
    void note_refusal(int error);
    void fail(CallFailure::Kind kind, std::string detail);
    void done(std::unique_ptr<Transport> transport);

    ClientCore& core_;
    const Origin& origin_;
    Owner& owner_;
    Addresses addresses_;
    std::size_t next_ = 0;
    std::shared_ptr<TlsClientContext> tls_;
    std::unique_ptr<TlsClientTransport> handshake_;
    SteadyTime deadline_;
    CallFailure last_;
    int socket_ = -1;  // Ours while kConnecting.
    State state_ = State::kClosed;
};

}  // namespace tidegate::http
