// RemoteCaller: asks one of several servers and waits for the answer, for workers that have a thread to wait with.
//
// Position    Over pipeline/upstream (which target, whether its breaker lets a call pass, whether to repeat) and http/client, with an
//             event loop of its own: a slow server takes nothing from the server's loops.
// Guarantee   ask() returns within the time given for it, repeats included, or soon after whoever waits gives up. Only what is worth
//             repeating is (a gateway failure, a connection that broke), within attempts_max and the budget of repeats. What `judge`
//             refuses of an answer with 200 counts against its target as a server error does, unless it says kFailedValidation: then
//             the target works, and only this answer is odd, which a caller's recording may bring about.
//             Of an answer with 200 no byte goes to the log, of any other the key that was sent does not.
// Memory      An answer of kAnswerBytesMax; the request's body, twice while it may have to be sent again.
// Threads     ask(): any, several at once. One thread for the loop, one for the look-up of names.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "http/client/client.h"
#include "http/client/client_counters.h"
#include "observe/log.h"
#include "pipeline/upstream/options.h"
#include "pipeline/upstream/pool.h"
#include "pipeline/upstream/retry.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::speech {

/// Why another server gave no transcript.
struct RemoteFailure {
    enum class Why : std::uint8_t {
        kBreakerOpen,  // No target may be asked now.
        kUnreachable,  // No connection, or it broke.
        kTimeout,
        kServerError,  // 5xx.
        kThrottled,    // 429.
        kRefused,      // Another 4xx: the key, the model or the way.
        kRejected,     // 400, 413, 415, 422: this recording, or what was asked of it.
        kNoTranscript,
        kCancelled,  // Whoever waited gave up.
    };
    static constexpr std::size_t kWhys = 9;
    Why why = Why::kUnreachable;
    std::string detail;                                   // A sentence for callers: nothing of the answer is in it.
    std::optional<Duration> ask_again_in = std::nullopt;  // Where that is known.
};
/// `breaker_open`, `unreachable`, ...: for answers, records and metric labels.
std::string_view to_string(RemoteFailure::Why why) noexcept;

class RemoteCaller {
  public:
    static constexpr std::size_t kAnswerBytesMax = std::size_t{16} * 1024 * 1024;

    /// What it is given outlives it. kInvalidArgument: the options.
    static Result<std::unique_ptr<RemoteCaller>> create(const upstream::UpstreamOptions& options, const Clock& clock,
                                                        Random& random, observe::Logger& log);
    ~RemoteCaller();

    using Judge = std::function<Result<void>(std::string_view body)>;
    /// The body of an answer with 200 that `judge` took. `gives_up` is asked ten times a second.
    std::expected<std::string, RemoteFailure> ask(const http::ClientRequest& request, const Judge& judge,
                                                  const std::function<bool()>& gives_up);

    /// False: whoever waits gives up, before or at the end of the pause.
    bool rest(Duration pause, const std::function<bool()>& gives_up) const;

    upstream::PoolSnapshot snapshot() const { return pool_.snapshot(clock_.now()); }
    const upstream::RetryBudget& retries() const noexcept { return budget_; }

  private:
    struct Reply;
    struct Tried;
    class Waiting;
    RemoteCaller(const upstream::UpstreamOptions& options, std::vector<upstream::PoolTarget> targets,
                 const Clock& clock, Random& random, observe::Logger& log, std::unique_ptr<runtime::EventLoop> loop);
    std::expected<upstream::Lease, RemoteFailure> pick(upstream::TargetSet& tried);
    Tried try_once(const upstream::Lease& lease, const http::ClientRequest& request, SteadyTime deadline,
                   const Judge& judge, const std::function<bool()>& gives_up);
    void note(const upstream::Lease& lease, const http::ClientRequest& request, const Reply& reply,
              std::string_view reason) const;

    const upstream::UpstreamOptions options_;
    const Clock& clock_;
    Random& random_;
    observe::Logger& log_;
    upstream::Pool pool_;
    upstream::RetryBudget budget_;
    http::ClientCounters counters_;
    runtime::WorkerPool look_ups_;
    const std::unique_ptr<runtime::EventLoop> loop_;
    std::unique_ptr<http::Client> client_;  // The loop's thread.
    std::thread thread_;
};

}  // namespace tidegate::speech
