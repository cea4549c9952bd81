// RedisLink: one connection to a Redis server, made, greeted, watched and made again.
//
// Position    Below the command client and the subscriber, which each have one. Knows bytes and replies, not commands.
// Guarantee   The owner hears on_ready() and on_lost() in turn, beginning with on_ready(); replies only between the two.
//             What is appended to out() during a turn leaves in one write at its end.
// Algorithm   Resolve (on the pool given), connect, greet (AUTH, SELECT, PING in one write), ready. Whatever fails before
//             that, within connect_max in all, is followed by a pause: 50 ms doubling to 5 s, each half fixed, half random,
//             so that many processes do not come back in step. The addresses of a name are tried in turn.
// Threads     The loop's. Name look-ups run on the pool and come back by the loop's mailbox.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"
#include "store/redis.h"
#include "store/redis_counters.h"
#include "store/redis_reader.h"

namespace tidegate::store {

/// A numeric IPv4 or IPv6 address with its port, as the socket calls take it.
struct SocketAddress {
    alignas(8) std::array<std::byte, 128> bytes{};  // The size of sockaddr_storage.
    std::uint32_t size = 0;
};

class RedisLink final : runtime::EventLoop::Handler, runtime::Timer, runtime::EventLoop::Deferred {
  public:
    class Owner {
      public:
        virtual ~Owner() = default;
        virtual void on_ready() = 0;
        virtual void on_reply(RedisReader::Reply reply) = 0;
        virtual void on_lost() = 0;
    };

    /// All outlive the link; `options` is copied, `resolver` may be null.
    RedisLink(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
              runtime::WorkerPool* resolver, Owner& owner);
    /// Without a further callback.
    ~RedisLink() override;
    RedisLink(const RedisLink&) = delete;
    RedisLink& operator=(const RedisLink&) = delete;

    /// Begins to connect; once.
    void start();
    bool ready() const noexcept { return state_ == State::kReady; }
    /// Bytes to be sent, while ready(); follow an append with flush_later().
    std::string& out() noexcept { return out_; }
    std::size_t unsent() const noexcept { return out_.size() - sent_; }
    void flush_later() { loop_.defer(*this); }
    /// Closes and, after the pause, connects again. The owner hears on_lost() before this returns.
    void drop(std::string reason);
    /// Why the last connection or attempt ended.
    const std::string& last_error() const noexcept { return last_error_; }

  private:
    enum class State : std::uint8_t { kIdle, kPausing, kResolving, kConnecting, kGreeting, kReady };
    struct Box {
        RedisLink* link;  // Null once the link has gone; touched on the loop's thread only.
    };

    void on_event(std::uint32_t events) override;
    void on_timer() override;
    void on_end_of_turn() override { flush(); }

    void resolve();
    void on_resolved(std::vector<SocketAddress> addresses);
    void connect_next();
    void on_connected();
    void greet();
    void on_greeting(const RedisReader::Reply& reply);
    void read();
    /// False when the connection was dropped meanwhile.
    bool hand_over(std::uint64_t connection);
    void flush();
    void watch(std::uint32_t events);
    void close_socket();

    runtime::EventLoop& loop_;
    const RedisOptions options_;
    RedisCounters& counters_;
    runtime::WorkerPool* const resolver_;
    Owner& owner_;
    const std::shared_ptr<Box> box_;
    SystemRandom random_;
    RedisReader reader_;
    State state_ = State::kIdle;
    int fd_ = -1;
    std::uint32_t watched_ = 0;
    std::uint64_t connection_ = 0;  // Grows with each; tells a callback that its connection has gone.
    unsigned failures_ = 0;         // In a row.
    unsigned greetings_due_ = 0;
    std::vector<SocketAddress> addresses_;
    std::size_t next_address_ = 0;
    std::string out_;
    std::size_t sent_ = 0;
    std::string last_error_;
};

}  // namespace tidegate::store
