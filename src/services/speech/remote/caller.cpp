#include "services/speech/remote/caller.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/mutex.h"
#include "base/strings.h"

namespace tidegate::speech {
namespace {

using Why = RemoteFailure::Why;
using upstream::Outcome;

constexpr Duration kLookEach = std::chrono::milliseconds(100);
constexpr std::uint64_t kRetryAfterMaxS = 3'600;  // Who says more is asked in an hour.
constexpr std::size_t kLoggedBytesMax = 300;
constexpr std::string_view kKeyMark = "[key]";

/// What an operator reads at night: which target changed sides, and why.
void tell_change(observe::Logger& log, const upstream::TargetEvent& event) {
    using Kind = upstream::TargetEvent::Kind;
    const bool worse = event.kind == Kind::kEjected ||
                       (event.kind == Kind::kBreaker && event.breaker.to == upstream::BreakerState::kOpen);
    auto line = log.line(worse ? observe::Level::kWarn : observe::Level::kInfo, "upstream_changed");
    line.field("upstream", event.pool).field("target", event.name).field("why", event.why);
    if (event.kind == Kind::kBreaker) line.field("breaker", upstream::to_string(event.breaker.to));
    if (event.kind == Kind::kEjected) {
        line.field("ejected_s", std::chrono::duration<double>(event.ejected_for).count());
    }
}

/// Statuses that speak of what was sent, not of who sent it: the same would be answered to the same tomorrow.
bool is_rejection(int status) noexcept {
    return status == 400 || status == 413 || status == 415 || status == 422;
}

/// The start of what an upstream says. Some repeat the key that they were sent: it is taken out before anything is cut.
std::string loggable(std::string_view body, std::string_view authorization) {
    const std::size_t space = authorization.find(' ');
    const std::string_view key = space == std::string_view::npos ? authorization : authorization.substr(space + 1);
    std::string out;
    while (!body.empty() && out.size() < kLoggedBytesMax) {
        const std::size_t at = key.empty() ? std::string_view::npos : body.find(key);
        out += body.substr(0, std::min(at, kLoggedBytesMax - out.size()));
        if (at == std::string_view::npos || out.size() >= kLoggedBytesMax) break;
        out += kKeyMark;
        body.remove_prefix(at + key.size());
    }
    return out;
}

RemoteFailure failure_of_status(int status, std::optional<Duration> again_in) {
    if (status == 429) {
        return {.why = Why::kThrottled,
                .detail = "The upstream takes no more requests now (429).",
                .ask_again_in = again_in};
    }
    if (status >= 500) {
        return {.why = Why::kServerError,
                .detail = fmt::format("The upstream failed ({}).", status),
                .ask_again_in = again_in};
    }
    if (status == 401 || status == 403) {
        return {.why = Why::kRefused, .detail = fmt::format("The upstream refuses speech.upstream.key ({}).", status)};
    }
    if (is_rejection(status)) {
        return {.why = Why::kRejected,
                .detail = fmt::format("The upstream rejects the recording or what is asked of it ({}).", status)};
    }
    if (status >= 400)
        return {.why = Why::kRefused, .detail = fmt::format("The upstream refused the request ({}).", status)};
    return {.why = Why::kNoTranscript,
            .detail = fmt::format("The upstream answered {} instead of a transcript.", status)};
}

RemoteFailure failure_of_call(const http::CallFailure& failure) {
    if (failure.kind == http::CallFailure::Kind::kTimeout && failure.stage != http::CallFailure::Stage::kConnect) {
        return {.why = Why::kTimeout, .detail = "The upstream took too long to answer (speech.upstream.timeout_s)."};
    }
    return {.why = Why::kUnreachable,
            .detail = fmt::format("The upstream cannot be reached ({} at {}).", http::to_string(failure.kind),
                                  http::to_string(failure.stage))};
}

RemoteFailure given_up() {
    return {.why = Why::kCancelled, .detail = "The work was cancelled."};
}

}  // namespace

std::string_view to_string(Why why) noexcept {
    switch (why) {
        case Why::kBreakerOpen:
            return "breaker_open";
        case Why::kUnreachable:
            return "unreachable";
        case Why::kTimeout:
            return "timeout";
        case Why::kServerError:
            return "server_error";
        case Why::kThrottled:
            return "throttled";
        case Why::kRefused:
            return "refused";
        case Why::kRejected:
            return "rejected";
        case Why::kNoTranscript:
            return "no_transcript";
        case Why::kCancelled:
            return "cancelled";
    }
    return "unreachable";
}

/// A whole answer.
struct RemoteCaller::Reply {
    int status = 0;
    std::optional<Duration> retry_after;
    std::string body;
    SteadyTime head_at{};
};

/// What one call came to.
struct RemoteCaller::Tried {
    Outcome outcome = Outcome::kReset;
    std::optional<Duration> first_byte = std::nullopt;
    bool safe = false;  // CallFailure::safe_to_retry.
    std::expected<std::string, RemoteFailure> body;
};

/// Whoever waits for a call, and the call's handler, share it.
class RemoteCaller::Waiting final : public http::CallHandler {
  public:
    explicit Waiting(const Clock& clock) : clock_(clock) {}

    // On the loop.
    void on_head(http::ResponseHead head) override {
        reply_.status = head.status;
        reply_.head_at = clock_.now();
        if (const auto after = head.headers.get("retry-after")) {
            if (const auto seconds = parse_u64(trim(*after))) {
                reply_.retry_after = std::chrono::seconds(std::min(*seconds, kRetryAfterMaxS));
            }
        }
    }
    bool on_body(std::string_view bytes) override {
        if (reply_.body.size() + bytes.size() > kAnswerBytesMax) {
            if (call) std::exchange(call, nullptr)->cancel();
            end(std::unexpected(http::CallFailure{.kind = http::CallFailure::Kind::kProtocol,
                                                  .stage = http::CallFailure::Stage::kBody,
                                                  .detail = "too long"}));
            return true;
        }
        reply_.body.append(bytes);
        return true;
    }
    void on_end() override { end(std::move(reply_)); }
    void on_failure(const http::CallFailure& failure) override { end(std::unexpected(failure)); }

    using Ended = std::expected<Reply, http::CallFailure>;
    /// Nothing: whoever waits gives up.
    std::optional<Ended> wait(const std::function<bool()>& gives_up) {
        const Lock lock(mutex_);
        while (!ended_ && !gives_up()) changed_.wait_for(mutex_, kLookEach);
        return std::exchange(ended_, std::nullopt);
    }

    http::CallPtr call;  // The loop's.

  private:
    void end(Ended ended) {
        call.reset();
        const Lock lock(mutex_);
        if (!ended_) ended_ = std::move(ended);
        changed_.notify_all();
    }

    const Clock& clock_;
    Reply reply_;  // The loop's.
    Mutex mutex_;
    Condition changed_;
    std::optional<Ended> ended_ TG_GUARDED_BY(mutex_);
};

Result<std::unique_ptr<RemoteCaller>> RemoteCaller::create(const upstream::UpstreamOptions& options, const Clock& clock,
                                                           Random& random, observe::Logger& log) {
    TG_CHECK(upstream::check(options));
    TG_TRY(auto targets, upstream::targets_of(options));
    TG_TRY(auto loop, runtime::EventLoop::create(clock));
    return std::unique_ptr<RemoteCaller>(
        new RemoteCaller(options, std::move(targets), clock, random, log, std::move(loop)));
}

RemoteCaller::RemoteCaller(const upstream::UpstreamOptions& options, std::vector<upstream::PoolTarget> targets,
                           const Clock& clock, Random& random, observe::Logger& log,
                           std::unique_ptr<runtime::EventLoop> loop)
    : options_(options),
      clock_(clock),
      random_(random),
      log_(log),
      pool_(options.name, std::move(targets), upstream::pool_options(options), random, clock.now(),
            [&log](const upstream::TargetEvent& event) { tell_change(log, event); }),
      budget_(options.retry),
      look_ups_("speech-names", 1, 64),
      loop_(std::move(loop)) {
    client_ = http::make_client(*loop_, look_ups_, upstream::client_options(options), counters_);
    thread_ = std::thread([this] { loop_->run(); });
}

RemoteCaller::~RemoteCaller() {
    loop_->stop();
    thread_.join();
    client_.reset();
}

bool RemoteCaller::rest(Duration pause, const std::function<bool()>& gives_up) const {
    Mutex mutex;
    Condition never;
    const Lock lock(mutex);
    const SteadyTime until = clock_.now() + pause;
    for (SteadyTime now = clock_.now(); now < until; now = clock_.now()) {
        if (gives_up()) return false;
        never.wait_for(mutex, std::min<Duration>(kLookEach, until - now));
    }
    return !gives_up();
}

/// The operator's: callers are told no piece of what the upstream says. What came with 200 may be somebody's words: none of it is logged.
void RemoteCaller::note(const upstream::Lease& lease, const http::ClientRequest& request, const Reply& reply,
                        std::string_view reason) const {
    auto line = log_.line(observe::Level::kWarn, "speech_upstream_answer");
    line.field("target", lease.name()).field("status", reply.status).field("reason", reason);
    line.field("bytes", reply.body.size());
    if (reply.status == 200) return;
    line.field("answer", loggable(reply.body, request.headers.get("authorization").value_or("")));
}

RemoteCaller::Tried RemoteCaller::try_once(const upstream::Lease& lease, const http::ClientRequest& request,
                                           SteadyTime deadline, const Judge& judge,
                                           const std::function<bool()>& gives_up) {
    const SteadyTime began = clock_.now();
    http::CallTimes times = options_.times;
    times.total_max = std::min(times.total_max, std::max(deadline - began, Duration(1)));
    const auto waiting = std::make_shared<Waiting>(clock_);
    loop_->mailbox()->post(
        [this, origin = lease.origin(), request = http::ClientRequest(request), times, waiting]() mutable {
            waiting->call = client_->start(origin, std::move(request), times, waiting);
        });
    auto ended = waiting->wait(gives_up);
    if (!ended) {
        loop_->mailbox()->post([waiting] {
            if (waiting->call) std::exchange(waiting->call, nullptr)->cancel();
        });
        return {.outcome = Outcome::kClientGone, .body = std::unexpected(given_up())};
    }
    if (!*ended) {
        const http::CallFailure& failure = ended->error();
        log_.line(observe::Level::kWarn, "speech_upstream_failed")
            .field("target", lease.name())
            .field("failure", http::to_string(failure.kind))
            .field("at", http::to_string(failure.stage))
            .field("reason", failure.detail);
        return {.outcome = upstream::outcome_of(failure),
                .safe = failure.safe_to_retry,
                .body = std::unexpected(failure_of_call(failure))};
    }
    Reply reply = *std::move(*ended);
    const Duration first_byte = reply.head_at - began;
    if (reply.status != 200) {
        RemoteFailure failure = failure_of_status(reply.status, reply.retry_after);
        note(lease, request, reply, failure.detail);
        return {.outcome = upstream::outcome_of_status(reply.status),
                .first_byte = first_byte,
                .body = std::unexpected(std::move(failure))};
    }
    if (const auto judged = judge(reply.body); !judged) {
        note(lease, request, reply, judged.error().message);
        RemoteFailure failure{.why = Why::kNoTranscript, .detail = judged.error().message};
        // One tenant's odd recording must not close the way for all the others.
        const bool works = judged.error().code == ErrorCode::kFailedValidation;
        return {.outcome = works ? Outcome::kLocal : Outcome::kServerError,
                .first_byte = first_byte,
                .body = std::unexpected(std::move(failure))};
    }
    return {.outcome = Outcome::kSuccess, .first_byte = first_byte, .body = std::move(reply.body)};
}

std::expected<upstream::Lease, RemoteFailure> RemoteCaller::pick(upstream::TargetSet& tried) {
    auto lease = pool_.pick(tried, clock_.now());
    if (!lease && lease.error().all_tried) {
        // Nobody new is left; who has failed before may still be the only one.
        tried = 0;
        lease = pool_.pick(tried, clock_.now());
    }
    if (lease) {
        tried |= lease->bit();
        return *std::move(lease);
    }
    return std::unexpected(RemoteFailure{.why = Why::kBreakerOpen,
                                         .detail = "No target of the upstream can be asked now.",
                                         .ask_again_in = lease.error().retry_after});
}

std::expected<std::string, RemoteFailure> RemoteCaller::ask(const http::ClientRequest& request, const Judge& judge,
                                                            const std::function<bool()>& gives_up) {
    const SteadyTime deadline = clock_.now() + options_.times.total_max;
    const auto place = budget_.begin_request();
    upstream::RetryBudget::Place retry_place;
    upstream::TargetSet tried = 0;
    for (std::uint32_t attempt = 1;; ++attempt) {
        auto lease = pick(tried);
        if (!lease) return std::unexpected(std::move(lease).error());
        Tried came = try_once(*lease, request, deadline, judge, gives_up);
        lease->end(came.outcome, came.first_byte, clock_.now());
        if (came.body || came.body.error().why == Why::kCancelled) return std::move(came.body);
        // A transcript that was made twice is the same transcript: any such call may be repeated.
        const upstream::Attempt tale{.number = attempt,
                                     .outcome = came.outcome,
                                     .safe_to_retry = came.safe,
                                     .idempotent = true,
                                     .answer_started = false,
                                     .body_replayable = true,
                                     .deadline = deadline};
        retry_place.drop();
        auto decision = upstream::decide_retry(options_.retry, budget_, tale, random_, clock_.now());
        if (!decision) return std::move(came.body);
        retry_place = std::move(decision.place);
        if (!rest(decision.delay, gives_up)) return std::unexpected(given_up());
    }
}

}  // namespace tidegate::speech
