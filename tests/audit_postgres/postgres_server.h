// PostgresServer: a real PostgreSQL in a folder of its own, on a socket in that folder, for tests; killed and started again at will.
//
// Use         NEED_POSTGRES();  // First line of a test: skips it in clear words where no server is installed.
//             auto server = testing::PostgresServer::start();
//             ASSERT_NE(server, nullptr);
// Life        start() waits until the server takes connections; the destructor kills it and removes the folder. As root it runs as
//             `postgres` (or `nobody`), since the server refuses root.
// Threads     One thread of the test: the server dies with the thread that started it.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace tidegate::testing {

class PostgresServer {
  public:
    /// True when a server's programs are under /usr/lib/postgresql.
    static bool available();
    /// `settings`: more `name=value` of postgresql.conf. Null (and a failed expectation) when it does not come up within 30 s.
    static std::unique_ptr<PostgresServer> start(std::vector<std::string> settings = {});
    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    std::string url() const;
    /// SIGKILL to the server and to each of its sessions.
    void kill();
    /// After kill(): recovers from its write-ahead log. False when it does not come up within 30 s.
    bool restart();

  private:
    explicit PostgresServer(std::vector<std::string> settings) : settings_(std::move(settings)) {}
    bool make();
    bool launch();
    bool answers() const;
    std::vector<pid_t> sessions() const;

    std::vector<std::string> settings_;
    std::string folder_;
    pid_t pid_ = -1;
};

}  // namespace tidegate::testing

#define NEED_POSTGRES()                                      \
    if (!::tidegate::testing::PostgresServer::available()) { \
        GTEST_SKIP() << "PostgreSQL is not installed";       \
    }                                                        \
    static_assert(true)
