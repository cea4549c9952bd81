// TestServer: a server on a free port with a TestApplication.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "http/server.h"
#include "http/test_application.h"
#include "support/raw_client.h"

namespace tidegate::http {

using testing::RawClient;
using testing::RawResponse;

class TestServer {
  public:
    explicit TestServer(ServerOptions options = {}) {
        options.port = 0;
        if (options.loops == 0) options.loops = 2;
        auto made = Server::create(std::move(options), application, clock);
        EXPECT_TRUE(made.has_value()) << made.error().message;
        server = std::move(*made);
    }
    ~TestServer() { server->stop(); }
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;

    RawClient connect(int receive_bytes = 0) {
        if (!std::exchange(started_, true)) server->start();
        return RawClient(server->port(), receive_bytes);
    }
    RawResponse ask(std::string_view bytes) { return connect().ask(bytes); }
    /// True once `condition` holds; gives it a minute, which nothing that works needs.
    static bool eventually(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            testing::rest(std::chrono::milliseconds(1));
        }
        return true;
    }

    SystemClock clock;
    TestApplication application;
    std::unique_ptr<Server> server;

  private:
    bool started_ = false;
};

}  // namespace tidegate::http
