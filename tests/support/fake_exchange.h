// FakeExchange and FakeLog: a request without a socket and a record without a disk, for tests of pipeline and services.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/decision_log.h"
#include "http/exchange.h"

namespace tidegate::testing {

class FakeExchange final : public http::Exchange {
  public:
    explicit FakeExchange(http::RequestHead head, std::string body = {})
        : head_(std::move(head)), body_(std::move(body)) {}
    ~FakeExchange() override {
        if (sent_) sent_({.status = answer_ ? answer_->status : 0, .body_bytes = 0, .complete = answer_.has_value()});
    }
    const http::RequestHead& head() const noexcept override { return head_; }
    std::string_view body() const noexcept override { return body_; }
    SteadyTime received_at() const noexcept override { return received_; }
    void respond(http::Response response) override {
        EXPECT_FALSE(answer_.has_value()) << "answered twice";
        answer_ = std::move(response);
        ready_.set_value();
    }
    std::shared_ptr<http::Stream> start_stream(http::Response) override { return nullptr; }
    bool client_gone() const noexcept override { return gone; }
    void on_sent(std::move_only_function<void(const Sent&)> callback) override { sent_ = std::move(callback); }

    /// As a connection does that ends before the answer.
    void leave() { std::exchange(sent_, nullptr)({.status = 499, .body_bytes = 0, .complete = false}); }
    void wait() { ready_.get_future().wait(); }
    const http::Response& answer() const { return *answer_; }
    bool answered() const { return answer_.has_value(); }
    std::atomic<bool> gone{false};

  private:
    http::RequestHead head_;
    std::string body_;
    SteadyTime received_ = std::chrono::steady_clock::now();
    std::optional<http::Response> answer_;
    std::promise<void> ready_;
    std::move_only_function<void(const Sent&)> sent_;
};

class FakeLog final : public audit::DecisionLog {
  public:
    void append(audit::Decision decision, Done done) override {
        std::vector<audit::Decision> one;
        one.push_back(std::move(decision));
        append_batch(std::move(one), std::move(done));
    }
    void append_batch(std::vector<audit::Decision> batch, Done done) override {
        if (failing) return done(fail(ErrorCode::kUnavailable, "disk full"));
        for (auto& decision : batch) kept.push_back(std::move(decision));
        done({});
    }
    audit::LogHealth health() const override { return {}; }
    void flush() override {}
    void close() override {}
    bool failing = false;
    std::vector<audit::Decision> kept;
};

}  // namespace tidegate::testing
