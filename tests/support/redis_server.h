// RedisServer: a real redis-server on a free loopback port, for tests; killed, frozen, filled and started again at will.
//
// Use         NEED_REDIS_SERVER();  // First line of a test: skips it in clear words where redis-server is not installed.
//             auto redis = testing::RedisServer::start();
//             ASSERT_NE(redis, nullptr);
// Life        start() waits until the server answers PING; the destructor kills it. Nothing is kept on disk.
// Threads     One thread of the test: the server dies with the thread that started it.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tidegate::testing {

class RedisServer {
  public:
    /// True when a redis-server is on the PATH.
    static bool available();
    /// `arguments`: more of redis-server's own, such as {"--requirepass", "word"}. Null (and a failed expectation) when it
    /// does not answer within 60 s.
    static std::unique_ptr<RedisServer> start(std::vector<std::string> arguments = {});
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    pid_t pid() const noexcept { return pid_; }
    /// SIGKILL, then reaps: connections break, later ones are refused. All data is gone.
    void kill();
    /// After kill(): an empty server on the same port. False when it does not answer within 60 s.
    bool restart();
    /// SIGSTOP: connections stay open and nothing is answered, until thaw().
    void freeze() const;
    void thaw() const;
    /// Nothing is answered for so long: `DEBUG SLEEP`, sent without waiting for it.
    void sleep_ms(int milliseconds) const;
    /// From now on every write that needs memory is refused with `-OOM ...`.
    void fill() const;
    /// Runs one command on a connection of its own, waiting up to 10 s: the text of a status, an error (`ERR ...`), a string
    /// or an integer; elements of an array, one a line; `(nil)`; empty when there is no connection.
    std::string command(const std::vector<std::string>& words) const;

  private:
    explicit RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {}
    bool launch();
    bool wait_until_answering();

    std::vector<std::string> arguments_;
    std::string password_;
    std::uint16_t port_ = 0;
    pid_t pid_ = -1;
};

}  // namespace tidegate::testing

#define NEED_REDIS_SERVER()                               \
    if (!::tidegate::testing::RedisServer::available()) { \
        GTEST_SKIP() << "redis-server is not installed";  \
    }                                                     \
    static_assert(true)
