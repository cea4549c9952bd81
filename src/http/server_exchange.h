// ServerExchange: the Exchange that a Connection makes; carries the answer from any thread to the
// connection's loop.
//
// Life        Shared by the connection and the application. The connection's pointer here is cleared, on the
// loop, when the
//             connection ends; an answer that comes later is dropped.
// Memory      Head and body strings are lent by the loop (ExchangeParts) and go back when the last holder
// lets go on the
//             loop's thread. A body over 64 KiB is freed at once instead.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/exchange.h"
#include "http/stream_core.h"
#include "http/tunnel_core.h"
#include "runtime/event_loop.h"

namespace tidegate::http {

class Connection;

struct ExchangeParts {
    RequestHead head;
    std::string body;
};

/// What exchanges share with their loop, and may outlive it.
struct LoopLink {
    std::shared_ptr<runtime::Mailbox> mailbox;
    std::vector<std::unique_ptr<ExchangeParts>> spare_parts;  // The loop's thread only.
    /// Of all loops of the server: what bodies hold, and may hold (Limits::bodies_bytes_max).
    std::shared_ptr<std::atomic<std::uint64_t>> bodies_bytes = std::make_shared<std::atomic<std::uint64_t>>(0);
    std::uint64_t bodies_bytes_max = UINT64_MAX;
    runtime::EventLoop* loop = nullptr;  // Outlived by no callback.
    unsigned index = 0;

    std::unique_ptr<ExchangeParts> take_parts();
    void give_parts(std::unique_ptr<ExchangeParts> parts);
};

class ServerExchange final : public Exchange, public std::enable_shared_from_this<ServerExchange> {
  public:
    ServerExchange(Connection* connection, std::shared_ptr<LoopLink> link, std::unique_ptr<ExchangeParts> parts,
                   SteadyTime received_at, std::uint64_t stream_bytes_max);
    ~ServerExchange() override;
    ServerExchange(const ServerExchange&) = delete;
    ServerExchange& operator=(const ServerExchange&) = delete;

    const RequestHead& head() const noexcept override { return parts_->head; }
    std::string_view body() const noexcept override {
        return delivered ? std::string_view(parts_->body) : std::string_view();
    }
    SteadyTime received_at() const noexcept override { return received_at_; }
    void respond(Response response) override;
    std::shared_ptr<Stream> start_stream(Response response) override;
    bool client_gone() const noexcept override { return client_gone_.load(std::memory_order_acquire); }
    bool unreachable() const noexcept override { return unreachable_.load(std::memory_order_acquire); }
    void on_sent(std::move_only_function<void(const Sent&)> callback) override { on_sent_ = std::move(callback); }
    runtime::EventLoop& loop() const override;
    unsigned loop_index() const noexcept override { return link_->index; }
    void on_gone(std::move_only_function<void()> callback) override;
    void resume_body() override;
    void send_interim(int status, const Headers& headers) override;
    std::shared_ptr<Tunnel> start_tunnel(Response head, std::shared_ptr<TunnelEnd> end) override;
    void cut() override;

    // The connection's side; the loop's thread.
    /// Answers in the application's place (a body that broke a limit); an answer of its own that comes later
    /// is dropped.
    void answer_for_application(Response response);
    bool answered() const noexcept { return ready_; }
    /// An answer has been given, perhaps on another thread, and is on its way here.
    bool claimed() const noexcept { return claimed_.load(std::memory_order_acquire); }
    /// What the answer holds of memory while it waits for its turn; only once answered().
    std::size_t answer_bytes() const noexcept { return response_ ? response_->body.size() : 0; }
    /// The answer, to be written and then dropped; once.
    Response& answer() noexcept {
        TG_ASSERT(ready_ && response_);
        return *response_;
    }
    void drop_answer() noexcept { response_.reset(); }
    const std::shared_ptr<StreamCore>& stream() const noexcept { return stream_; }
    std::string& body_buffer() noexcept { return parts_->body; }
    /// Counts `bytes` more of body against what the server may hold; false when it may not.
    bool charge_body(std::uint64_t bytes) noexcept;
    /// The client has closed its side, or will not get its answer: says so to whoever asked to hear it.
    void set_client_gone();
    /// The connection has ended or lets this exchange go.
    void detach();
    /// Runs the application's callback, once.
    void report_sent(const Sent& sent);
    bool wants_report() const noexcept { return static_cast<bool>(on_sent_); }

    void set_stream_facts(int status, bool has_body) noexcept {
        stream_status_ = status;
        stream_has_body_ = has_body;
    }
    int stream_status() const noexcept { return stream_status_; }
    /// False for HEAD: what is written is dropped.
    bool stream_has_body() const noexcept { return stream_has_body_; }
    /// Of a stream with Content-Length.
    const std::optional<std::uint64_t>& stream_length() const noexcept { return stream_length_; }
    /// An endless stream to a client that has closed its side would never end; an answer that ends is still sent.
    bool ends_with_client() const noexcept { return stream_ && !stream_length_; }
    const std::shared_ptr<TunnelCore>& tunnel() const noexcept { return tunnel_; }
    /// Interim answers that wait for their turn, rendered.
    std::string take_interim() noexcept { return std::exchange(interim_, {}); }
    bool has_interim() const noexcept { return !interim_.empty(); }

    // Facts the connection keeps with the exchange.
    bool http_1_1 = true;
    bool keep_alive = true;
    bool delivered = false;         // on_request() has been called.
    bool continue_pending = false;  // The client waits for 100 Continue.

  private:
    void post_ready();
    void become_ready();

    Connection* connection_;  // The loop's thread only.
    std::shared_ptr<LoopLink> link_;
    std::unique_ptr<ExchangeParts> parts_;
    const SteadyTime received_at_;
    const std::uint64_t stream_bytes_max_;
    std::atomic<bool> claimed_{false};  // An answer has been given.
    std::atomic<bool> overruled_{false};
    std::atomic<bool> client_gone_{false};
    std::atomic<bool> unreachable_{false};
    std::uint64_t body_charged_ = 0;
    int stream_status_ = 0;
    bool stream_has_body_ = true;
    std::optional<std::uint64_t> stream_length_;
    bool ready_ = false;  // The loop has seen the answer.
    std::optional<Response> response_;
    std::shared_ptr<StreamCore> stream_;
    std::shared_ptr<TunnelCore> tunnel_;
    std::string interim_;
    std::move_only_function<void()> on_gone_;
    std::move_only_function<void(const Sent&)> on_sent_;
};

}  // namespace tidegate::http
