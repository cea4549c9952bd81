#include "jobs/settings.h"

#include <chrono>

#include "jobs/webhook_target.h"

namespace tidegate::jobs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Result<void> check_url(std::string_view url) {
    TG_TRY([[maybe_unused]] const WebhookTarget target, parse_webhook_url(std::string(url)));
    return {};
}

void declare_webhook(settings::Table& table, WebhookOptions& s) {
    table.add("name", s.name, "").doc("By which rules call it.");
    table.add("url", s.url, "").required().check(check_url, "http(s)://host[:port]/path").doc("Where to.");
    table.add("secret", s.secret).doc("Key of the signature (HMAC-SHA-256) that every post carries; required.");
    table.add("allow_private", s.allow_private, false).doc("Also post to loopback, private and link-local addresses.");
    table.add("attempts_max", s.attempts_max, 12)
        .range(1, 100)
        .doc(
            "Tries of one post, 1 s, 2 s, 4 s ... apart, at most 5 min; then it is a dead job, which an admin may send "
            "again.");
    table.add("timeout_ms", s.timeout, seconds(5))
        .range(milliseconds(100), seconds(60))
        .doc("Longest time of one try.");
}

}  // namespace

void declare(settings::Table& table, JobSettings& s) {
    table.group("jobs", "Work that outlives the process: jobs and the posts of webhooks");
    table.add("jobs.waiting_max", s.waiting_max, 10'000)
        .range(1, 1'000'000)
        .unit("jobs")
        .doc("Jobs that may wait or run; one more is refused.");
    table.add("jobs.tenant_waiting_max", s.tenant_waiting_max, 1'000)
        .range(1, 1'000'000)
        .unit("jobs")
        .doc("Of them of one tenant.");
    table.add("jobs.keep_s", s.keep, hours(24 * 7))
        .range(seconds(0), hours(24 * 3650))
        .doc("A job that succeeded, failed or was cancelled can be asked for so long.");
    table.add("jobs.dead_keep_s", s.dead_keep, hours(24 * 30))
        .range(seconds(0), hours(24 * 3650))
        .doc("A job whose attempts are used up is kept so long, with its file, and may be retried.");
    table.add("jobs.webhook_threads", s.webhook_threads, 4)
        .range(1, 64)
        .unit("threads")
        .doc("Posts of webhooks that are under way at once.");
    table.list("webhooks", s.webhooks, declare_webhook, "Who is told of alerts, by a signed post.", "name");
}

}  // namespace tidegate::jobs
