// Webhooks: signed posts to the places that the settings name, again and again until they are taken or dead.
//
// Position    A kind of job, `webhook`.
// Guarantee   What send() accepted is posted at least once, also over a restart; who gets a post twice knows it by its delivery id,
//             the job's. Taken is an answer of 200 to 299. Redirects are not followed. Where a webhook may not go to private
//             addresses, what its name leads to is judged before each try, and the connection goes to the address that was judged.
//             No URL and no secret is in a job, an error or the log: a webhook is known by its name.
// Form        POST, `Content-Type: application/json`, `X-Tidegate-Event: <event>`, `X-Tidegate-Delivery: <job's id>`,
//             `X-Tidegate-Signature` as webhook_signature() makes it.
// When it fails  Tried again (jobs.h), not before the `Retry-After` of a 429 or 503; 410 (gone) and attempts used up end in the dead
//             letter: GET /api/v1/jobs?kind=webhook&state=dead.
// Threads     Any but an event loop's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/http_post.h"
#include "jobs/jobs.h"
#include "jobs/settings.h"
#include "jobs/webhook_target.h"

namespace tidegate::jobs {

class Webhooks {
  public:
    static constexpr std::string_view kKind = "webhook";

    /// Adds its kind to `jobs`, which outlives it and is stopped first. kInvalidArgument names the webhook and what is wrong with it.
    static Result<std::unique_ptr<Webhooks>> create(const JobSettings& settings, Jobs& jobs, const Clock& clock);

    bool knows(std::string_view name) const { return places_.contains(name); }
    std::vector<std::string> names() const;
    /// `body`: JSON. `once_key`: two posts with one key are one. Gives the job's id. kNotFound: no such webhook.
    struct Post {
        std::string webhook;
        std::string event;
        std::string tenant = {};
        std::string once_key = {};
        std::string body;
    };
    Result<std::string> send(Post post);
    /// One try at once, without a job: for what must be told although nothing can be kept. Waits for the answer, at most timeout_ms.
    Result<void> post_now(const Post& post);
    void set_look_up(LookUp look_up) { look_up_ = std::move(look_up); }

  private:
    struct Place {
        const WebhookOptions* options;
        WebhookTarget target;
    };
    Webhooks(Jobs& jobs, const Clock& clock, std::unique_ptr<HttpPost> poster)
        : jobs_(jobs), clock_(clock), poster_(std::move(poster)) {}
    Result<void> add_place(const WebhookOptions& options);
    Outcome run(const Run& run);
    struct Parcel {
        std::string event;
        std::string delivery;
        std::string body;
    };
    Result<PostAnswer> deliver(const Place& place, const Parcel& parcel, const std::function<bool()>& gives_up);

    Jobs& jobs_;
    const Clock& clock_;
    const std::unique_ptr<HttpPost> poster_;
    LookUp look_up_ = http::look_up_addresses;
    std::map<std::string, Place, std::less<>> places_;
};

}  // namespace tidegate::jobs
