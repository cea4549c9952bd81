// Webhook: posts notices to one place, signed, in order, again and again until they are taken or given up.
//
// Guarantee   One post at a time, in the order of their ids. A post is taken with an answer of 200 to 299. Redirects are not followed.
//             Before each try the host is looked up and, unless allowed, loopback, private and link-local addresses are refused;
//             the connection goes to the very address that was judged. At least once: who gets a post twice knows it by its
//             delivery id.
// Form        POST, `Content-Type: application/json`, `X-Tidegate-Delivery: <id>`, `X-Tidegate-Event: drift.alert.<event>`,
//             `X-Tidegate-Signature: t=<unix seconds>,v1=<hex>`, where hex is HMAC-SHA-256 under the secret of the bytes
//             `<unix seconds>.<body>`. A receiver refuses what is older than a few minutes.
// Threads     add(), pump() and ended(): one thread, not a loop's: a look-up may take seconds. on_loop_*: the loops.
// When full   The newest is dropped and counted.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "jobs/webhook_target.h"
#include "pipeline/loop_parts.h"
#include "services/compliance/drift/settings.h"
#include "services/compliance/drift/store.h"

namespace tidegate::compliance {

struct WebhookHealth {
    std::uint64_t waiting = 0;
    std::uint64_t sent = 0;
    std::uint64_t failed_tries = 0;
    std::uint64_t dead = 0;     // Given up after attempts_max tries.
    std::uint64_t dropped = 0;  // Not taken: waiting_max waited.
    std::string reason;         // Of the last try that failed.
};

class Webhook final : public pipeline::LoopListener {
  public:
    /// `on_progress`: pump() has something to do; called on the loop's thread.
    static Result<std::unique_ptr<Webhook>> create(const DriftWebhookSettings& settings, const Clock& clock,
                                                   std::function<void()> on_progress);

    void add(Notice notice);
    /// Takes the answer of the last try and begins the next one that is due.
    void pump();
    /// Posts that are over since the last call: sent, dead or dropped.
    std::vector<std::uint64_t> ended();
    WebhookHealth health() const;

    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;

    /// The seam for tests.
    void set_look_up(jobs::LookUp look_up) { look_up_ = std::move(look_up); }

  private:
    struct Post {
        Notice notice;
        std::uint32_t tries = 0;
        SteadyTime due{};
    };
    Webhook(const DriftWebhookSettings& settings, jobs::WebhookTarget target, const Clock& clock,
            std::function<void()> on_progress);
    void take_outcome();
    void begin(const Post& post);
    void end_try(std::optional<std::string> failure);
    http::ClientRequest request_of(const Post& post) const;
    void finish_try(std::optional<std::string> failure);

    const DriftWebhookSettings& settings_;
    const jobs::WebhookTarget target_;
    const Clock& clock_;
    const std::function<void()> on_progress_;
    jobs::LookUp look_up_ = http::look_up_addresses;
    pipeline::LoopParts* parts_ = nullptr;  // The loop's.

    std::deque<Post> posts_;  // The pumping thread's.
    std::vector<std::uint64_t> ended_;
    bool trying_ = false;

    struct Outcome {
        std::optional<std::string> failure;  // Absent: taken.
    };
    mutable Mutex mutex_;
    std::shared_ptr<runtime::Mailbox> mailbox_ TG_GUARDED_BY(mutex_);
    std::optional<Outcome> outcome_ TG_GUARDED_BY(mutex_);
    WebhookHealth health_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::compliance
