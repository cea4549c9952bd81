// TestApplication: an application made of lambdas, and requests to send to it.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "http/exchange.h"

namespace tidegate::http {

/// Answers by default: GET /NAME with NAME, a body with the body; 1 MiB of body.
class TestApplication : public Application {
  public:
    std::function<BodyPlan(const ExchangePtr&)> head_handler = [](const ExchangePtr&) {
        return BodyPlan{.body_bytes_max = 1 << 20};
    };
    std::function<void(const ExchangePtr&)> handler = [](const ExchangePtr& exchange) {
        Response response;
        response.body =
            exchange->head().has_body() ? exchange->body() : std::string_view(exchange->head().path).substr(1);
        exchange->respond(std::move(response));
    };
    std::atomic<int> requests{0};
    std::atomic<int> protocol_errors{0};

    std::function<void(runtime::EventLoop&, unsigned)> loop_start_handler = [](runtime::EventLoop&, unsigned) {};
    std::function<void(unsigned)> loop_stop_handler = [](unsigned) {};

    void on_loop_start(runtime::EventLoop& loop, unsigned index) override { loop_start_handler(loop, index); }
    void on_loop_stop(unsigned index) override { loop_stop_handler(index); }
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

inline std::string fmt_hex(std::size_t value) {
    std::string out;
    for (; value > 0; value /= 16) out.insert(out.begin(), "0123456789abcdef"[value % 16]);
    return out;
}

inline std::string get(std::string_view path, std::string_view more = {}) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}

/// An answer with `body`.
inline Response with_body(std::string body) {
    Response response;
    response.body = std::move(body);
    return response;
}

}  // namespace tidegate::http
