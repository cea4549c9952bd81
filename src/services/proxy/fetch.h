// Fetch: one request to an upstream, from its place in the queue to the last byte, retries included.
//
// Position    Below it Admission, Pool, RetryBudget and the loop's Client; above it whoever listens (FetchSink): a client's
//             answer, a cache fill, both.
// Order       Admission -> target (breaker, health, balance) -> call -> on a failure that may be repeated: pause, another
//             target, call.
// Guarantee   The sink hears on_answer at most once and then exactly one of on_done and on_failed; or on_failed alone; or
//             on_tunnel. Nothing after cancel(). Every lease and permit is ended with what really happened.
// Memory      The request, for as long as it may have to be sent again.
// Threads     The loop it was made for.
// When full   Admission refuses: 503 with the measured wait as Retry-After.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "http/client/client.h"
#include "pipeline/body_pipe.h"
#include "services/proxy/upstream.h"

namespace tidegate::proxy {

struct FetchFailure {
    int status = 502;             // 502, 503 or 504; 499 when the client's own body broke off; 4xx of that body else.
    std::string_view error;       // Short stable code: `upstream_timeout`.
    std::string detail;           // In words, for the client.
    Duration retry_after{};       // For 503.
    bool upstream_failed = true;  // False: the request or our own limits are to blame.
};

struct FetchRequest {
    http::ClientRequest call;
    std::shared_ptr<pipeline::BodyPipe> pipe;  // With call.streamed.
    std::weak_ptr<http::Exchange> exchange;    // Whose body the pipe carries.
    bool idempotent = false;
    upstream::Priority priority = upstream::Priority::kInteractive;
    SteadyTime deadline = SteadyTime::max();
    std::string tenant;  // Only requests of one tenant share a merged call.
};

/// The merged call that an answer is a part of.
struct BatchFacts {
    std::string id;              // Also the call's X-Request-Id.
    std::uint32_t requests = 0;  // That shared it.
    SteadyTime cut_at{};         // When waiting for company ended.
};

class FetchSink {
  public:
    virtual ~FetchSink() = default;
    virtual void on_interim(int status, const http::Headers& headers) = 0;
    virtual void on_answer(http::ResponseHead head) = 0;
    /// False: pause until Fetch::resume().
    virtual bool on_bytes(std::string_view bytes) = 0;
    virtual void on_done() = 0;
    virtual void on_failed(const FetchFailure& failure) = 0;
    virtual void on_tunnel(http::ResponseHead head) = 0;
    virtual void on_tunnel_room() {}
    /// Before on_answer or on_failed, when the request shared its call with others or could have.
    virtual void on_batched(const BatchFacts& facts) { (void)facts; }
};

/// Where an answer comes from: a call of its own (Fetch), or its part of a merged one (BatchItem, batch_item.h).
class Source {
  public:
    virtual ~Source() = default;
    /// May tell the sink of a failure before it returns.
    virtual void start() = 0;
    virtual void resume() = 0;
    virtual void cancel() = 0;
    /// The sink has heard all it wanted; the rest comes to its end by itself.
    virtual void let_go() noexcept = 0;
    /// Raw bytes into the tunnel; false: enough for now, FetchSink::on_tunnel_room() tells.
    virtual bool write(std::string_view bytes) = 0;
    virtual void finish_writing() = 0;
    /// The target that answered; empty before.
    virtual const std::string& target() const noexcept = 0;
};

/// What a loop lends to its fetches.
struct FetchLoop {
    runtime::EventLoop& loop;
    http::Client& client;  // For upstreams without one of their own.
    Random& random;
    /// By Upstream::index. The loop's own: filled at its start, emptied at its stop.
    std::shared_ptr<std::vector<std::unique_ptr<http::Client>>> own =
        std::make_shared<std::vector<std::unique_ptr<http::Client>>>();

    http::Client& client_of(const Upstream& upstream) const {
        return upstream.index < own->size() ? *(*own)[upstream.index] : client;
    }
};

class Fetch final : public Source,
                    public http::CallHandler,
                    public runtime::Timer,
                    public std::enable_shared_from_this<Fetch> {
  public:
    /// `loop` and `upstream` outlive it; `sink` until it has heard the end or cancel() was called.
    Fetch(const FetchLoop& loop, Upstream& upstream, FetchRequest request, FetchSink& sink);
    ~Fetch() override;

    void start() override;
    void resume() override;
    void cancel() override;
    void let_go() noexcept override { sink_ = nullptr; }
    bool write(std::string_view bytes) override;
    void finish_writing() override;
    const std::string& target() const noexcept override { return target_; }
    std::uint32_t attempts() const noexcept { return attempts_; }

  private:
    // http::CallHandler
    void on_interim(int status, const http::Headers& headers) override;
    void on_head(http::ResponseHead head) override;
    bool on_body(std::string_view bytes) override;
    void on_end() override;
    void on_failure(const http::CallFailure& failure) override;
    void on_writable() override;
    void on_tunnel(http::ResponseHead head) override;
    // runtime::Timer: the pause before a retry.
    void on_timer() override;

    /// The request's body on its way from the client to the upstream.
    class Upload final : public http::BodyReceiver {
      public:
        explicit Upload(Fetch& fetch) : fetch_(fetch) {}
        bool on_body(std::string_view bytes) override;
        void on_body_end() override;
        void on_body_failed(int status, std::string_view detail) override;

      private:
        Fetch& fetch_;
    };

    void admitted(upstream::Admitted answer);
    void attempt();
    bool retry(upstream::Outcome outcome, bool safe);
    void end_lease(upstream::Outcome outcome);
    void end_permit(bool overloaded);
    void fail(FetchFailure failure);
    void close();

    const FetchLoop& loop_;
    Upstream& upstream_;
    FetchRequest request_;
    FetchSink* sink_;
    Upload upload_{*this};
    upstream::RetryBudget::Place place_;
    upstream::RetryBudget::Place retry_place_;
    upstream::Permit permit_;
    upstream::Lease lease_;
    upstream::TargetSet tried_ = 0;
    std::optional<upstream::Admission::WaiterId> waiting_;
    http::CallPtr call_;
    SteadyTime call_started_{};
    std::optional<Duration> first_byte_;
    std::string target_;
    std::uint32_t attempts_ = 0;
    std::shared_ptr<Fetch> pause_;  // While it waits for its timer.
    bool answered_ = false;
    bool tunnel_ = false;
    bool upload_begun_ = false;  // Bytes of a streamed body may be gone: no second attempt.
    bool ended_ = false;
};

}  // namespace tidegate::proxy
