// RedisSubscriber: messages of channels, on a connection of its own.
//
// Guarantee   Each subscription hears its messages in order. Its `lost` runs whenever some may have been missed: when the
//             connection breaks, and each time the server confirms the channel, since nothing said before was heard.
// Algorithm   A PING each second; one unanswered for a second more closes the connection, so that a peer that vanished
//             without a word is noticed within two seconds.
// Threads     The loop's. Connects with the first subscription.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/event_loop.h"
#include "store/redis_link.h"

namespace tidegate::store {

class RedisSubscriber final : RedisLink::Owner, runtime::Timer {
  public:
    RedisSubscriber(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
                    runtime::WorkerPool* resolver)
        : loop_(loop), counters_(counters), link_(loop, options, counters, resolver, *this) {}
    ~RedisSubscriber() override { loop_.timers().cancel(*this); }
    RedisSubscriber(const RedisSubscriber&) = delete;
    RedisSubscriber& operator=(const RedisSubscriber&) = delete;

    void subscribe(std::string_view channel, std::function<void(std::string_view)> on_message,
                   std::function<void()> lost);

  private:
    struct Subscription {
        std::string channel;
        std::function<void(std::string_view)> on_message;
        std::function<void()> lost;
    };

    void on_ready() override;
    void on_reply(RedisReader::Reply reply) override;
    void on_lost() override;
    void on_timer() override;
    void ask_for(std::string_view channel);
    void tell_lost(std::string_view channel);

    runtime::EventLoop& loop_;
    RedisCounters& counters_;
    RedisLink link_;
    std::vector<Subscription> subscriptions_;  // A handful: a channel each for what is invalidated across processes.
    bool started_ = false;
    bool ping_under_way_ = false;
};

}  // namespace tidegate::store
