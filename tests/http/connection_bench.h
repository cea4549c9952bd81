// A connection on the bench: one Connection without sockets, threads or time, over a transport that reads and writes as
// little as it likes, blocks where it likes, and breaks at any byte.
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/connection.h"
#include "http/test_application.h"

namespace tidegate::http {

struct Wire {
    std::string input;  // What the client sends.
    std::size_t read_step = 1 << 20;
    std::size_t write_step = 1 << 20;
    bool block_between = false;              // Every second call would block.
    std::size_t fail_after_read = SIZE_MAX;  // Bytes until a reset.
    std::size_t fail_after_write = SIZE_MAX;
    bool ends = false;  // The client closes after `input`.
    bool full = false;  // The client does not read: no write takes anything.
    std::string output;
    std::size_t read = 0;
    bool blocked = false;
    bool shut = false;
    int writes = 0;  // Calls that took something.
};

class FakeTransport final : public Transport {
  public:
    explicit FakeTransport(Wire& wire) : wire_(wire) {}
    IoResult read(std::span<char> into) override {
        if (wire_.block_between && (wire_.blocked = !wire_.blocked)) return {IoStatus::kWouldBlock, 0};
        const std::size_t left = std::min(wire_.input.size(), wire_.fail_after_read) - wire_.read;
        if (left == 0 && wire_.read == wire_.fail_after_read) return {IoStatus::kFailed, 0};
        if (left == 0) return {wire_.ends ? IoStatus::kEnd : IoStatus::kWouldBlock, 0};
        const std::size_t bytes = std::min({left, wire_.read_step, into.size()});
        std::memcpy(into.data(), wire_.input.data() + wire_.read, bytes);
        wire_.read += bytes;
        return {IoStatus::kOk, bytes};
    }
    IoResult write(std::span<const iovec> pieces) override {
        if (wire_.block_between && (wire_.blocked = !wire_.blocked)) return {IoStatus::kWouldBlock, 0};
        if (wire_.full) return {IoStatus::kWouldBlock, 0};
        std::size_t budget = std::min(wire_.write_step, wire_.fail_after_write - wire_.output.size());
        if (budget == 0) return {IoStatus::kFailed, 0};
        std::size_t taken = 0;
        for (const iovec& piece : pieces) {
            const std::size_t part = std::min(budget, piece.iov_len);
            wire_.output.append(static_cast<const char*>(piece.iov_base), part);
            taken += part;
            budget -= part;
        }
        ++wire_.writes;
        return {IoStatus::kOk, taken};
    }
    void shutdown_write() override { wire_.shut = true; }
    int descriptor() const noexcept override { return -1; }

  private:
    Wire& wire_;
};

/// A loop for one connection: hands it the events it asks for until nothing moves any more.
class Bench final : public ConnectionHost {
  public:
    explicit Bench(Wire& wire, const Limits& limits = {}, const TrustedProxies* proxies = nullptr)
        : limits_(limits),
          loop_(runtime::EventLoop::create(clock).value()),
          link_(make_link(*loop_)),
          context_(application, limits_, counters, clock, link_, now_),
          wire_(wire) {
        link_->mailbox->adopt();
        context_.proxies = proxies;
        now_ = clock.now();
        connection_ = std::make_unique<Connection>(*this, context_, std::make_unique<FakeTransport>(wire), "192.0.2.1");
        connection_->open();
    }
    ~Bench() override { cut(); }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    /// The events the connection asks for, and what was posted, until nothing moves any more.
    void run() {
        for (std::size_t still = 0; still < 4 && !connection_->closed();) {
            const std::size_t before = wire_.read + wire_.output.size();
            const std::uint32_t events = interest_ & (EPOLLIN | EPOLLOUT);
            if (events != 0) connection_->on_event(events);
            take_turn();
            const bool posted = run_posted();
            still = wire_.read + wire_.output.size() == before && !posted ? still + 1 : 0;
        }
        run_posted();
    }
    void run_once(std::uint32_t events = EPOLLIN) { connection_->on_event(events); }
    /// What was posted to the loop; true when there was something.
    bool run_posted() {
        const bool any = link_->mailbox->drain() > 0;
        take_turn();
        return any;
    }
    /// The end of a loop's turn, with `late_turns`.
    void take_turn() {
        if (std::exchange(turn_wanted_, false)) connection_->run_turn();
    }
    void drain() {
        context_.draining = true;
        connection_->on_drain();
    }
    void advance(Duration by) {
        clock.advance(by);
        now_ = clock.now();
        if (now_ >= deadline_) connection_->on_timer();
    }
    bool closed() const { return connection_->closed(); }
    std::uint32_t interest() const { return interest_; }

    void set_interest(Connection&, std::uint32_t events) override { interest_ = events; }
    void set_deadline(Connection&, SteadyTime deadline) override { deadline_ = deadline; }
    void want_turn(Connection& connection) override {
        if (!late_turns) return connection.run_turn();
        turn_wanted_ = true;
    }
    void retire(Connection&) override {}

    ManualClock clock;
    TestApplication application;
    ServerCounters counters;
    /// As on a real loop: what is done outside a turn waits for its end. Else it happens at once.
    bool late_turns = false;

    Connection& connection() { return *connection_; }
    void cut() {
        connection_->cut();
        run_posted();
    }

  private:
    static std::shared_ptr<LoopLink> make_link(runtime::EventLoop& loop) {
        auto link = std::make_shared<LoopLink>(LoopLink{.mailbox = loop.mailbox(), .spare_parts = {}, .loop = &loop});
        return link;
    }

    Limits limits_;
    SteadyTime now_;
    SteadyTime deadline_;
    std::unique_ptr<runtime::EventLoop> loop_;
    std::shared_ptr<LoopLink> link_;
    LoopContext context_;
    Wire& wire_;
    std::unique_ptr<Connection> connection_;
    std::uint32_t interest_ = 0;
    bool turn_wanted_ = false;
};

/// Keeps the requests instead of answering them.
inline void hold_requests(Bench& bench, std::vector<ExchangePtr>& held) {
    bench.application.handler = [&held](const ExchangePtr& exchange) { held.push_back(exchange); };
}

}  // namespace tidegate::http
