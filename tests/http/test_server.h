// TestServer: a server on a free port with an application made of lambdas.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "http/server.h"
#include "support/raw_client.h"

namespace tidegate::http {

using testing::RawClient;
using testing::RawResponse;

/// Answers by default: GET /NAME with NAME, a body with the body; 1 MiB of body.
class TestApplication : public Application {
  public:
    std::function<BodyPlan(const ExchangePtr&)> head_handler = [](const ExchangePtr&) { return BodyPlan{1 << 20}; };
    std::function<void(const ExchangePtr&)> handler = [](const ExchangePtr& exchange) {
        Response response;
        response.body =
            exchange->head().has_body() ? exchange->body() : std::string_view(exchange->head().path).substr(1);
        exchange->respond(std::move(response));
    };
    std::atomic<int> requests{0};
    std::atomic<int> protocol_errors{0};

    BodyPlan on_head(const ExchangePtr& exchange) override { return head_handler(exchange); }
    void on_request(const ExchangePtr& exchange) override {
        requests.fetch_add(1);
        handler(exchange);
    }
    Response on_protocol_error(const Exchange*, int status, std::string_view detail) override {
        protocol_errors.fetch_add(1);
        Response response;
        response.status = status;
        response.body = "error: " + std::string(detail);
        return response;
    }
};

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
    /// True once `condition` holds; gives it 10 s.
    static bool eventually(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
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

inline std::string fmt_hex(std::size_t value) {
    std::string out;
    for (; value > 0; value /= 16) out.insert(out.begin(), "0123456789abcdef"[value % 16]);
    return out;
}

inline std::string get(std::string_view path, std::string_view more = {}) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}

}  // namespace tidegate::http
