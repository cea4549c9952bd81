#include "store/redis_subscriber.h"

#include <algorithm>
#include <array>

namespace tidegate::store {
namespace {

constexpr Duration kPingEach = std::chrono::seconds(1);

}  // namespace

void RedisSubscriber::subscribe(std::string_view channel, std::function<void(std::string_view)> on_message,
                                std::function<void()> lost) {
    subscriptions_.push_back({std::string(channel), std::move(on_message), std::move(lost)});
    if (!started_) {
        started_ = true;
        link_.start();
    } else if (link_.ready()) {
        // Asked for again when others have it already: the confirmation tells all of them.
        ask_for(channel);
    }
}

void RedisSubscriber::ask_for(std::string_view channel) {
    append_command(link_.out(), std::array<std::string_view, 2>{"SUBSCRIBE", channel});
    link_.flush_later();
}

void RedisSubscriber::on_ready() {
    ping_under_way_ = false;
    for (const Subscription& subscription : subscriptions_) ask_for(subscription.channel);
    loop_.timers().schedule(*this, loop_.now() + kPingEach);
}

void RedisSubscriber::on_reply(RedisReader::Reply reply) {
    if (!reply) return link_.drop(reply.error().message);
    auto& items = reply->items;
    if (items.size() == 2 && items[0].text == "pong") {
        ping_under_way_ = false;
    } else if (items.size() == 3 && items[0].text == "subscribe") {
        tell_lost(items[1].text);
    } else if (items.size() == 3 && items[0].text == "message") {
        counters_.messages.fetch_add(1, std::memory_order_relaxed);
        // By index: a callback may subscribe.
        for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
            if (subscriptions_[i].channel == items[1].text) subscriptions_[i].on_message(items[2].text);
        }
    }
}

void RedisSubscriber::tell_lost(std::string_view channel) {
    for (std::size_t i = 0; i < subscriptions_.size(); ++i) {
        if (subscriptions_[i].channel == channel) subscriptions_[i].lost();
    }
}

void RedisSubscriber::on_lost() {
    loop_.timers().cancel(*this);
    counters_.subscriptions_lost.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < subscriptions_.size(); ++i) subscriptions_[i].lost();
}

void RedisSubscriber::on_timer() {
    if (!link_.ready()) return;
    if (ping_under_way_) return link_.drop("the server does not answer");
    ping_under_way_ = true;
    append_command(link_.out(), std::array<std::string_view, 1>{"PING"});
    link_.flush_later();
    loop_.timers().schedule(*this, loop_.now() + kPingEach);
}

}  // namespace tidegate::store
