// Context: one request on its way through the pipeline; what a handler sees and answers through.
//
// Life        Made when the head was read; lives with the exchange. A ContextPtr keeps both alive.
// Guarantee   Exactly one answer: reply*(), fail() or start_stream(). A decision is answered only after it is
// durable. Threads     One thread at a time: the loop hands it to a pool, the pool to the decision writer.
// The answering methods
//             may be called on whichever of them holds it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/decision.h"
#include "base/json.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/compress.h"
#include "http/exchange.h"
#include "observe/span.h"
#include "observe/trace.h"
#include "pipeline/body_pipe.h"
#include "pipeline/loop_parts.h"
#include "pipeline/route.h"

namespace tidegate::pipeline {

class Dispatcher;
class Recall;
struct RouteState;

class Context {
  public:
    Context(Dispatcher& dispatcher, http::Exchange& exchange) : dispatcher_(dispatcher), exchange_(exchange) {}

    const http::RequestHead& head() const noexcept { return exchange_.head(); }
    const std::string& request_id() const noexcept { return request_id_; }
    /// The caller's trace with a span of ours, or a new one; made at the first call.
    observe::TraceContext trace() const;
    /// What an upstream is told: the span of our call of it, in the same trace.
    observe::TraceContext upstream_trace() const;
    /// Closes a stage: the time since the last one ended counts under this name. A literal, at most 16 a
    /// request.
    void end_stage(const char* name) noexcept { end_stage(name, clock().now()); }
    /// One that has ended before now.
    void end_stage(const char* name, SteadyTime ended) noexcept;
    observe::StageTimes stages() const;
    const Clock& clock() const noexcept;
    /// Milliseconds since the first byte of the head was read.
    double elapsed_ms() const noexcept;

    /// The JSON body, checked against the route's schema. Asserts that the route declares one.
    json::Value body() const;
    /// A declared path parameter, decoded and checked.
    std::string_view path_parameter(std::string_view name) const;
    /// A declared query parameter, decoded and checked; nullopt when the caller did not send it.
    std::optional<std::string> query(std::string_view name) const;
    std::optional<std::int64_t> query_int(std::string_view name) const;
    /// Unknown fields and the like, for the answer's `warnings`.
    const std::vector<std::string>& warnings() const noexcept { return findings_.warnings; }
    bool client_gone() const noexcept { return exchange_.client_gone(); }

    /// The exchange itself, for what a proxy needs: its loop, interim answers, tunnels, the moment the client leaves.
    http::ExchangePtr exchange() const { return held_exchange_.lock(); }
    /// The body as it comes, on a route that streams it; null on any other.
    const std::shared_ptr<BodyPipe>& body_pipe() const noexcept { return body_pipe_; }
    /// The body of a route with raw_body, whole; empty when it is streamed.
    std::string_view raw_body() const noexcept { return exchange_.body(); }
    /// Who asks; null on a route where nobody is asked.
    const CallerPtr& caller() const noexcept { return caller_; }
    LoopParts* loop() const noexcept { return loop_; }
    /// The credential that was sent was for us: it is not passed on, and has not shaped an upstream's answer.
    bool credential_is_ours() const noexcept { return caller_ && caller_->kind != Caller::Kind::kAnonymous; }
    const RouteState& route_state() const noexcept { return *route_; }

    void reply(http::Response response);
    /// As it is: no compression, no ETag, no Cache-Control of ours. For answers of an upstream or of the cache that leave no
    /// Decision; `charged` is what they cost.
    void send(http::Response response, Points charged = {}) {
        charge(charged);
        finish(std::move(response));
    }
    void reply_json(std::string body, int status = 200);
    void fail(const Error& error);
    /// What fail() would send: for a failure that leaves a Decision.
    http::Response error_response(const Error& error) const;
    ErrorShape error_shape() const noexcept;
    /// The caller asked for the times of the stages.
    bool shows_stages() const noexcept { return show_stages_; }
    /// An entry of Server-Timing behind the stages: `batch;desc="32 rows, full"`. Sent when shows_stages().
    void add_timing(std::string entry);
    /// 422 with these fields.
    void fail(std::vector<FieldError> errors);

    /// A Decision with what the pipeline knows filled in: ids, time, actor, trace, input hash and size.
    audit::Decision make_decision(std::string_view service, std::string_view operation, std::string_view input);
    /// A fresh UUIDv7 as text.
    std::string make_id() const;
    /// What is charged for an answer, by the route's price and the settings on failures and cache hits.
    Points price(audit::Status status, audit::CacheState cache) const noexcept;
    /// What the route costs.
    Points spend_points() const noexcept;
    /// Records the decisions, then answers with `body`; when they cannot be made durable the answer is 503
    /// instead.
    void reply_recorded(std::vector<audit::Decision> decisions, std::string body);
    /// The same for an answer that is no JSON: status 200, with its Content-Type.
    void reply_recorded(std::vector<audit::Decision> decisions, http::Response response);
    /// The same for an answer that is sent as it is.
    void send_recorded(std::vector<audit::Decision> decisions, http::Response response);

    /// Starts a body of unknown length; counts as the answer.
    std::shared_ptr<http::Stream> start_stream(http::Response response);
    /// As start_stream(), with the answer's own Cache-Control.
    std::shared_ptr<http::Stream> send_stream(http::Response response);
    /// 101 and raw bytes from then on; counts as the answer.
    std::shared_ptr<http::Tunnel> start_tunnel(http::Response response, std::shared_ptr<http::TunnelEnd> end);
    /// The stream that was started cannot be ended as promised and this is our fault: logged, and counted with the
    /// status of `error` instead of as a client that left. Drop the stream without finish() afterwards.
    void fail_stream(const Error& error);
    /// Records, then calls `done` on the writer thread: for streams, which have begun their answer already.
    void record(std::vector<audit::Decision> decisions, std::move_only_function<void(Result<void>)> done);

  private:
    friend class Dispatcher;
    friend class Recall;
    friend struct Stages;
    /// What the privacy policy keeps of an input, until its decision is recorded.
    struct HeldInput {
        Uuid record;
        std::string bytes;
    };
    /// What may be stored of them; an error: none may be.
    Result<void> make_private(std::vector<audit::Decision>& decisions);
    audit::Decision blank_decision() const;
    /// Whether an answer of so many bytes of JSON would be packed for this client.
    bool packs(std::size_t bytes) const;
    bool parse_body(std::uint32_t depth_max);
    bool parse_parameters();
    http::Coding choose_coding(http::Response& response) const;
    static void compress(http::Response& response, http::Coding coding);
    bool answer_not_modified(http::Response& response, http::Coding coding);
    void finish(http::Response response);
    void charge(Points points) noexcept;
    void note_use(const std::vector<audit::Decision>& decisions);
    void tell_trace(int status, Duration took, std::uint64_t body_bytes) const;
    void watch_stream();
    void decorate(http::Response& response) const;
    ContextPtr self() const;

    Dispatcher& dispatcher_;
    http::Exchange& exchange_;
    std::weak_ptr<Context> self_;
    RouteState* route_ = nullptr;  // Null when nothing matched.
    std::string request_id_;
    // A client that leaves is logged and counted on the loop while a worker may be at work for it still.
    mutable Mutex told_mutex_;
    mutable std::optional<observe::TraceContext> trace_ TG_GUARDED_BY(told_mutex_);  // Once made it never changes.
    mutable observe::SpanId parent_span_ TG_GUARDED_BY(told_mutex_){};               // The caller's; zero: none.
    mutable observe::SpanId upstream_span_ TG_GUARDED_BY(told_mutex_){};             // Zero: no upstream was asked.
    std::optional<observe::ModelUse> use_ TG_GUARDED_BY(told_mutex_);
    observe::StageTimes stages_ TG_GUARDED_BY(told_mutex_);
    Duration lap_ TG_GUARDED_BY(told_mutex_){};  // Elapsed time at the end of the last stage.
    std::atomic<int> stream_failure_{0};         // Status of fail_stream().
    std::vector<std::pair<std::string, std::string>> path_values_;
    std::vector<std::pair<std::string, std::string>> query_values_;
    std::optional<json::Document> document_;
    Findings findings_;
    LoopParts* loop_ = nullptr;  // Null in tests without loops.
    CallerPtr caller_;           // Null where nobody was asked.
    spend::Reservation reservation_;
    int retry_after_s_ = 1;
    bool says_when_ = false;  // Retry-After stands in extra_ already.
    std::vector<HeldInput> held_inputs_;
    http::Headers extra_;  // For whatever answer comes: limits, spend, a challenge.
    std::weak_ptr<http::Exchange> held_exchange_;
    std::shared_ptr<BodyPipe> body_pipe_;
    std::shared_ptr<Recall> recall_;  // Only where answers are kept.
    ContextPtr waiting_guard_;        // While a stage waits though the request is whole.
    std::uint8_t next_stage_ = 0;
    bool received_ = false;   // on_request() has been called.
    bool validated_ = false;  // On the loop already.
    std::atomic<std::int64_t> charged_milli_{0};
    bool answered_ = false;
    bool show_stages_ = false;  // X-Trace: true
    std::string timings_;
};

}  // namespace tidegate::pipeline
