#include "store/redis.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <utility>

#include "base/assert.h"
#include "store/redis_counters.h"
#include "store/redis_link.h"
#include "store/redis_subscriber.h"

namespace tidegate::store {
namespace {

void count(RedisCounters::Count& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

class RedisClient final : public Redis, RedisLink::Owner, runtime::Timer {
  public:
    RedisClient(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
                runtime::WorkerPool* resolver)
        : loop_(loop),
          options_(options),
          counters_(counters),
          link_(loop, options, counters, resolver, *this),
          subscriber_(loop, options, counters, resolver) {
        link_.start();
    }
    ~RedisClient() override;

    bool connected() const noexcept override { return usable_; }
    void command(std::span<const std::string_view> words, Done done) override;
    void run(const RedisScript& script, std::span<const std::string_view> keys,
             std::span<const std::string_view> arguments, Done done) override;
    void subscribe(std::string_view channel, std::function<void(std::string_view)> on_message,
                   std::function<void()> lost) override {
        subscriber_.subscribe(channel, std::move(on_message), std::move(lost));
    }
    void on_state(std::function<void(bool)> callback) override { listeners_.push_back(std::move(callback)); }
    std::string trouble() const override;

  private:
    enum class Kind : std::uint8_t { kCommand, kScript, kProbe };
    /// A command whose reply is still to come. An empty `done`: its time limit has passed.
    struct Pending {
        Kind kind = Kind::kCommand;
        bool retried = false;
        SteadyTime sent{};
        Done done;
        const RedisScript* script = nullptr;
        std::size_t words = 0;     // Of the tail.
        std::string tail;          // A script's keys and arguments as sent, should it have to be sent whole.
        std::uint64_t number = 0;  // In the order of sending.
    };

    void on_ready() override;
    void on_reply(RedisReader::Reply reply) override;
    void on_lost() override;
    void on_timer() override;

    bool admit(Done& done);
    void send(Pending pending);
    void send_script(Pending pending, bool whole);
    bool send_again(Pending& pending, const RedisReader::Reply& reply);
    void send_probe();
    void expire();
    void set_usable(bool usable);
    void fail_all();
    void arm();

    runtime::EventLoop& loop_;
    const RedisOptions options_;
    RedisCounters& counters_;
    RedisLink link_;
    RedisSubscriber subscriber_;
    std::vector<std::function<void(bool)>> listeners_;
    std::deque<Pending> pending_;  // In the order of sending: replies come in it, and so do deadlines.
    std::size_t expired_ = 0;      // So many at the front have passed their limit.
    std::uint64_t numbers_ = 0;
    std::map<const RedisScript*, std::uint64_t> sent_whole_;  // Number of the last EVAL of each on this connection.
    SteadyTime heard_{};                                      // Of the last reply.
    bool usable_ = false;                                     // Ready and not stalled.
};

RedisClient::~RedisClient() {
    loop_.timers().cancel(*this);
    if (usable_) counters_.connected.fetch_sub(1, std::memory_order_relaxed);
    usable_ = false;
    listeners_.clear();
    fail_all();
}

std::string RedisClient::trouble() const {
    if (usable_) return {};
    if (link_.ready()) return "the server does not answer within the time limit";
    return link_.last_error().empty() ? "not connected yet" : link_.last_error();
}

void RedisClient::set_usable(bool usable) {
    if (usable == usable_) return;
    usable_ = usable;
    if (usable) {
        count(counters_.connected);
    } else {
        counters_.connected.fetch_sub(1, std::memory_order_relaxed);
    }
    // By index: a callback may add another.
    for (std::size_t i = 0; i < listeners_.size(); ++i) listeners_[i](usable);
}

bool RedisClient::admit(Done& done) {
    if (usable_ && pending_.size() < options_.commands_max && link_.unsent() <= options_.unsent_bytes_max) return true;
    count(counters_.refused);
    done(fail(ErrorCode::kUnavailable, usable_ ? "too many Redis commands under way" : "no connection to Redis"));
    return false;
}

void RedisClient::send(Pending pending) {
    pending.sent = loop_.now();
    pending.number = ++numbers_;
    pending_.push_back(std::move(pending));
    count(counters_.commands);
    link_.flush_later();
    if (pending_.size() == expired_ + 1) arm();
}

void RedisClient::command(std::span<const std::string_view> words, Done done) {
    TG_ASSERT(!words.empty());
    if (!admit(done)) return;
    append_command(link_.out(), words);
    send({.done = std::move(done)});
}

void RedisClient::run(const RedisScript& script, std::span<const std::string_view> keys,
                      std::span<const std::string_view> arguments, Done done) {
    if (!admit(done)) return;
    Pending pending{.kind = Kind::kScript, .done = std::move(done), .script = &script};
    append_word(pending.tail, std::to_string(keys.size()));
    for (const std::string_view key : keys) append_word(pending.tail, key);
    for (const std::string_view argument : arguments) append_word(pending.tail, argument);
    pending.words = 1 + keys.size() + arguments.size();
    send_script(std::move(pending), false);
}

void RedisClient::send_script(Pending pending, bool whole) {
    std::string& out = link_.out();
    append_array_head(out, 2 + pending.words);
    append_word(out, whole ? "EVAL" : "EVALSHA");
    append_word(out, whole ? pending.script->source() : pending.script->sha1());
    out.append(pending.tail);
    if (whole) {
        count(counters_.scripts_sent);
        sent_whole_[pending.script] = numbers_ + 1;
    }
    send(std::move(pending));
}

/// A script the server does not know is sent again: whole, or by its name when it was sent whole meanwhile (of a hundred calls
/// in one write only the first has to carry the source). Its time limit begins anew.
bool RedisClient::send_again(Pending& pending, const RedisReader::Reply& reply) {
    if (pending.kind != Kind::kScript || reply || !reply.error().message.starts_with("Redis: NOSCRIPT")) return false;
    const auto whole = sent_whole_.find(pending.script);
    const bool known_by_now = !pending.retried && whole != sent_whole_.end() && whole->second > pending.number;
    pending.retried = true;
    send_script(std::move(pending), !known_by_now);
    return true;
}

void RedisClient::on_ready() {
    heard_ = loop_.now();
    sent_whole_.clear();
    set_usable(true);
}

void RedisClient::on_reply(RedisReader::Reply reply) {
    heard_ = loop_.now();
    if (pending_.empty()) return link_.drop("a reply that nobody asked for");
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    if (expired_ > 0) --expired_;
    if (pending.kind == Kind::kProbe) {
        if (loop_.now() - pending.sent <= options_.command_max) return set_usable(true);
        return send_probe();
    }
    if (!pending.done) {
        count(counters_.late_replies);
    } else if (!send_again(pending, reply)) {
        count(counters_.replies);
        if (!reply) count(counters_.error_replies);
        pending.done(std::move(reply));
    }
    // All that was late has come: does the server answer in time again?
    if (!usable_ && link_.ready() && pending_.empty()) send_probe();
}

void RedisClient::send_probe() {
    append_command(link_.out(), std::array<std::string_view, 1>{"PING"});
    send({.kind = Kind::kProbe});
}

void RedisClient::on_lost() {
    sent_whole_.clear();
    set_usable(false);
    fail_all();
}

void RedisClient::fail_all() {
    expired_ = 0;
    for (Pending& pending : std::exchange(pending_, {})) {
        if (!pending.done) continue;
        count(counters_.broken);
        pending.done(fail(ErrorCode::kUnavailable, "the connection to Redis broke"));
    }
}

void RedisClient::on_timer() {
    expire();
    if (!usable_ && link_.ready() && !pending_.empty() && loop_.now() - heard_ >= options_.connect_max) {
        return link_.drop("the server does not answer");
    }
    arm();
}

/// Fails what has passed its limit. One is enough to take the server for lost: the next caller shall not wait as well.
void RedisClient::expire() {
    std::vector<Done> late;
    while (expired_ < pending_.size() && pending_[expired_].sent + options_.command_max <= loop_.now()) {
        Pending& pending = pending_[expired_++];
        if (pending.done) late.push_back(std::exchange(pending.done, nullptr));
    }
    if (!late.empty()) set_usable(false);
    for (Done& done : late) {
        count(counters_.timed_out);
        done(fail(ErrorCode::kUnavailable, "Redis did not answer within the time limit"));
    }
}

void RedisClient::arm() {
    if (expired_ < pending_.size()) {
        loop_.timers().schedule(*this, pending_[expired_].sent + options_.command_max);
    } else if (!usable_ && link_.ready() && !pending_.empty()) {
        loop_.timers().schedule(*this, heard_ + options_.connect_max);
    }
}

}  // namespace

std::unique_ptr<Redis> connect_redis(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
                                     runtime::WorkerPool* resolver) {
    return std::make_unique<RedisClient>(loop, options, counters, resolver);
}

}  // namespace tidegate::store
