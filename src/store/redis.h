// Redis: one connection of one event loop to a Redis server; commands of one turn leave in one write.
//
// Position    Below limits, spend and the second-level cache: what instances share. Built on hiredis' asynchronous API.
// Guarantee   `done` runs exactly once, on the loop: with the reply, or with kUnavailable when there is no connection, the
//             connection broke (whether the command ran is then unknown), or the time limit passed. Nothing waits: without a
//             connection a command fails at once.
// Memory      Commands under way are bounded (commands_max); one more fails at once.
// Threads     The loop's thread, all of it.
// When it fails  Reconnects by itself with a growing, jittered pause; a first connection that cannot be made is no error.
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

namespace tidegate::store {

/// A reply, owned. An error reply of the server (`-ERR ...`) comes as an Error, not as a reply.
struct RedisReply {
    enum class Kind : std::uint8_t { kNil, kInteger, kText, kArray };
    Kind kind = Kind::kNil;
    std::int64_t integer = 0;
    std::string text;
    std::vector<RedisReply> items;
};

/// A Lua script: sent by its SHA-1, whole when the server does not know it.
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
    std::size_t commands_max = 65536;
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
    /// Messages of `channel`, on a connection of its own. `lost` runs when messages may have been missed (the connection
    /// broke): whoever relies on them must assume the worst.
    virtual void subscribe(std::string_view channel, std::function<void(std::string_view message)> on_message,
                           std::function<void()> lost) = 0;
    /// Runs on every change of connected(), on the loop.
    virtual void on_state(std::function<void(bool connected)> callback) = 0;
};

/// Starts connecting; `loop` and `counters` outlive it.
std::unique_ptr<Redis> connect_redis(runtime::EventLoop& loop, const RedisOptions& options, RedisCounters& counters);

}  // namespace tidegate::store
