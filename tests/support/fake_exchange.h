// FakeExchange and FakeLog: a request without a socket and a record without a disk, for tests of pipeline and services.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/decision_log.h"
#include "base/assert.h"
#include "base/mutex.h"
#include "http/exchange.h"
#include "runtime/event_loop.h"

namespace tidegate::testing {

/// A stream that keeps what is written. Set `full` to refuse pieces; make_room() takes them again and tells the writer.
class FakeStream final : public http::Stream {
  public:
    Outcome write(std::string_view bytes) override {
        if (gone) return Outcome::kGone;
        if (full) return Outcome::kFull;
        body.append(bytes);
        return Outcome::kAccepted;
    }
    Outcome write_wait(std::string_view bytes, Duration) override { return write(bytes); }
    void on_room(std::move_only_function<void()> callback) override { room_ = std::move(callback); }
    void finish() override { finished = true; }
    bool client_gone() const noexcept override { return gone; }
    void make_room() {
        full = false;
        if (auto callback = std::exchange(room_, nullptr)) callback();
    }
    std::string body;
    std::atomic<bool> full{false};
    std::atomic<bool> gone{false};
    std::atomic<bool> finished{false};

  private:
    std::move_only_function<void()> room_;
};

/// The client's end of a tunnel that keeps what is written; what the client says goes through FakeExchange::tunnel_end.
class FakeTunnel final : public http::Tunnel {
  public:
    bool write(std::string_view bytes) override {
        written.append(bytes);
        return !full;
    }
    void finish() override { finished = true; }
    void resume() override { ++resumed; }
    void cut() override { was_cut = true; }
    std::string written;
    bool full = false;
    bool finished = false;
    bool was_cut = false;
    int resumed = 0;
};

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
        responded = true;
        ready_.set_value();
    }
    /// The stream stays here as `stream`; its head is answer().
    std::shared_ptr<http::Stream> start_stream(http::Response response) override {
        stream = std::make_shared<FakeStream>();
        respond(std::move(response));
        return stream;
    }
    std::shared_ptr<http::Tunnel> start_tunnel(http::Response head, std::shared_ptr<http::TunnelEnd> end) override {
        tunnel_end = std::move(end);
        tunnel = std::make_shared<FakeTunnel>();
        respond(std::move(head));
        return tunnel;
    }
    bool client_gone() const noexcept override { return gone; }
    void on_sent(std::move_only_function<void(const Sent&)> callback) override { sent_ = std::move(callback); }
    runtime::EventLoop& loop() const override {
        TG_ASSERT(loop_ != nullptr);  // Give one with use_loop().
        return *loop_;
    }
    unsigned loop_index() const noexcept override { return loop_index_; }
    void on_gone(std::move_only_function<void()> callback) override { on_gone_ = std::move(callback); }
    void resume_body() override { ++body_resumed; }
    void send_interim(int status, const http::Headers& headers) override { interim.emplace_back(status, headers); }

    void use_loop(runtime::EventLoop& loop, unsigned index = 0) {
        loop_ = &loop;
        loop_index_ = index;
    }
    /// As a connection does that ends before the answer: the report.
    void leave() {
        if (auto callback = std::exchange(sent_, nullptr))
            callback({.status = 499, .body_bytes = 0, .complete = false});
    }
    /// The whole of it, on the loop: the client is gone, who asked is told, the stream takes no more, the report.
    void hang_up() {
        gone = true;
        if (stream) stream->gone = true;
        if (auto callback = std::exchange(on_gone_, nullptr)) callback();
        leave();
    }
    void wait() { ready_.get_future().wait(); }
    const http::Response& answer() const { return *answer_; }
    bool answered() const { return answer_.has_value(); }
    std::atomic<bool> gone{false};
    std::atomic<bool> responded{false};  // As answered(), from any thread.
    std::shared_ptr<FakeStream> stream;
    std::shared_ptr<FakeTunnel> tunnel;
    std::shared_ptr<http::TunnelEnd> tunnel_end;
    std::vector<std::pair<int, http::Headers>> interim;
    int body_resumed = 0;

  private:
    http::RequestHead head_;
    std::string body_;
    SteadyTime received_ = std::chrono::steady_clock::now();
    std::optional<http::Response> answer_;
    std::promise<void> ready_;
    std::move_only_function<void(const Sent&)> sent_;
    std::move_only_function<void()> on_gone_;
    runtime::EventLoop* loop_ = nullptr;
    unsigned loop_index_ = 0;
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
        {
            const Lock lock(mutex_);
            for (auto& decision : batch) kept.push_back(std::move(decision));
        }
        done({});
    }
    audit::LogHealth health() const override { return {}; }
    void flush() override {}
    void close() override {}
    std::atomic<bool> failing{false};
    std::vector<audit::Decision> kept;  // To be read when nothing is under way.

  private:
    Mutex mutex_;
};

}  // namespace tidegate::testing
