// HttpPost: sends one request and waits for the answer, for workers that have a thread to wait with.
//
// Position    Below the webhooks. An event loop and a client of its own: a slow receiver takes nothing from the server's loops.
// Guarantee   post() returns within the time given, or soon after whoever waits gives up. Redirects are answers, never followed. An answer's body is
//             not kept.
// Threads     post(): any, several at once. One thread for the loop, one that the client's look-ups would use (posts bring an address).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "http/client/client.h"
#include "http/client/client_counters.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::jobs {

struct PostAnswer {
    int status = 0;
    std::optional<Duration> retry_after;  // In seconds, of 429 and 503.
};

class HttpPost {
  public:
    static Result<std::unique_ptr<HttpPost>> create(const Clock& clock);
    ~HttpPost();

    /// kUnavailable with the failure in a word (`refused at connect`); kCancelled: `gives_up`, asked ten times a second, said so;
    /// the other side may yet get it.
    Result<PostAnswer> post(const http::Origin& origin, http::ClientRequest request, Duration time_max,
                            const std::function<bool()>& gives_up);

  private:
    explicit HttpPost(std::unique_ptr<runtime::EventLoop> loop);

    http::ClientCounters counters_;
    runtime::WorkerPool look_ups_;
    const std::unique_ptr<runtime::EventLoop> loop_;
    std::unique_ptr<http::Client> client_;  // The loop's thread.
    std::thread thread_;
};

}  // namespace tidegate::jobs
