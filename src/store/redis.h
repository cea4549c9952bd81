// Redis: one connection of one event loop to a Redis server; commands of one turn leave in one write.
//
// Position    Below limits, spend and the second-level cache: what instances share. Sockets, queue and time limits are our
//             own on our event loop; the bytes are read by hiredis' reader. (hiredis 0.14's asynchronous layer looks names up
//             on the calling thread and ends the process on a reply that nobody asked for.)
// Guarantee   `done` runs exactly once, on the loop: with the reply, or with kUnavailable when there is no connection, the
//             connection broke (whether the command ran is then unknown), or the time limit passed. Nothing waits: without a
//             connection a command fails at once.
//             Commands run in the order given, except one that a reply made necessary (a script sent whole).
// Memory      Commands under way are bounded (commands_max); one more fails at once. A reply of more than reply_bytes_max or
//             reply_items_max, or nested more than 7 deep, closes the connection. A reply that comes after its limit is
//             dropped unread.
// Threads     The loop's thread, all of it.
// When it fails  Reconnects by itself with a growing, jittered pause (50 ms to 5 s); a first connection that cannot be made
//             is no error. After a command has passed its limit connected() is false, so that nobody else waits for a slow
//             server, until a PING is answered within the limit again; with no reply at all for connect_max the connection is
//             closed and made anew. A time limit fires at most 20 ms late (the loop's timer wheel).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::store {

/// A reply, owned. An error reply of the server (`-ERR ...`) comes as an Error, not as a reply.
struct RedisReply {
    enum class Kind : std::uint8_t { kNil, kInteger, kText, kArray };
    Kind kind = Kind::kNil;
    std::int64_t integer = 0;
    std::string text;
    std::vector<RedisReply> items;
};

/// A Lua script: sent by its SHA-1, whole when the server does not know it. Outlives the connections that run it.
class RedisScript {
  public:
    explicit RedisScript(std::string_view source);
    const std::string& source() const noexcept { return source_; }
    const std::string& sha1() const noexcept { return sha1_; }

  private:
    std::string source_;
    std::string sha1_;
};

struct RedisOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 6379;
    std::string username, password;  // Empty: none.
    std::uint32_t database = 0;
    Duration connect_max = std::chrono::seconds(1);
    Duration command_max = std::chrono::milliseconds(50);  // A slow Redis is a lost Redis: each caller falls back.
    std::size_t commands_max = 65536;  // Under way, with those given up whose replies are still to come.
    std::size_t unsent_bytes_max =
        std::size_t{64} * 1024 * 1024;  // Over it a command is refused: the server does not read.
    std::size_t reply_bytes_max = std::size_t{64} * 1024 * 1024;  // One reply; a cached body is far smaller.
    std::size_t reply_items_max = 65536;                          // Elements of one reply, nested ones included.
};
/// `redis://[user:password@]host[:port][/database]`; kInvalidArgument says what is wrong (never the password).
Result<RedisOptions> parse_redis_url(std::string_view url);

/// Totals over all loops; shared, atomic.
struct RedisCounters;

class Redis {
  public:
    using Done = std::move_only_function<void(Result<RedisReply>)>;

    virtual ~Redis() = default;
    virtual bool connected() const noexcept = 0;
    virtual void command(std::span<const std::string_view> arguments, Done done) = 0;
    virtual void run(const RedisScript& script, std::span<const std::string_view> keys,
                     std::span<const std::string_view> arguments, Done done) = 0;
    /// Messages of `channel`, on a connection of its own. `lost` runs when messages may have been missed: when the connection
    /// breaks and each time the channel is subscribed, the first included (what was said before was not heard). Whoever
    /// relies on the messages must assume the worst then.
    virtual void subscribe(std::string_view channel, std::function<void(std::string_view message)> on_message,
                           std::function<void()> lost) = 0;
    /// Runs on every change of connected(), on the loop. Several may be given; each stays as long as the connection.
    virtual void on_state(std::function<void(bool connected)> callback) = 0;
    /// Why there is no connection, for the log and /health; empty while connected.
    virtual std::string trouble() const { return {}; }
};

/// Starts connecting; `loop`, `counters` and `resolver` outlive it. `resolver` looks names up; without one only a numeric
/// address and `localhost` can be reached. Destroy it on the loop's thread or after the loop has ended: what is under way
/// fails with kUnavailable.
std::unique_ptr<Redis> connect_redis(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters,
                                     runtime::WorkerPool* resolver = nullptr);

}  // namespace tidegate::store
