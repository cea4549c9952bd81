#include "services/compliance/drift/settings.h"

#include <algorithm>
#include <chrono>

#include "jobs/webhook_target.h"

namespace tidegate::compliance {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// A tag or a member of an output: what a record may hold as a name, less what would make a stream's key ambiguous.
Result<void> check_name(std::string_view name) {
    const bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    });
    if (!good) return fail(ErrorCode::kInvalidArgument, "is not a name of 1 to 64 letters, digits, `_`, `-`, `.`");
    return {};
}

Result<void> check_url(std::string_view url) {
    if (url.empty()) return {};
    TG_TRY([[maybe_unused]] const jobs::WebhookTarget target, jobs::parse_webhook_url(std::string(url)));
    return {};
}

void declare_windows(settings::Table& table, DriftSettings& s) {
    table.add("drift.enabled", s.enabled, true).doc("Watch the decisions for drift.");
    table.add("drift.baseline_decisions", s.baseline_decisions, 2'000)
        .range(100, 10'000)
        .unit("decisions")
        .env_aliases({"DRIFT_BASELINE_WINDOW"})
        .doc("The first decisions of a stream, which later ones are compared with.");
    table.add("drift.window_decisions", s.window_decisions, 1'000)
        .range(30, 10'000)
        .unit("decisions")
        .env_aliases({"DRIFT_DETECTION_WINDOW"})
        .doc("Decisions that are compared with the baseline at a time.");
    table.add("drift.window_min_decisions", s.window_min_decisions, 200)
        .range(30, 10'000)
        .unit("decisions")
        .env_aliases({"DRIFT_MIN_SAMPLES"})
        .doc("Decisions that are enough once drift.window_age_max_s has passed since the last look.");
    table.add("drift.effect_min", s.effect_min, 0.1)
        .range(0.01, 5)
        .unit("standard deviations")
        .env_aliases({"DRIFT_THRESHOLD"})
        .doc(
            "The smallest change that counts, as a shift of a normal feature; each test has the minimum that such a "
            "shift reaches.");
    table.add("drift.alarms_a_month", s.alarms_a_month, 1)
        .range(0.001, 1000)
        .doc("False alarms a stream may raise in 30 days on average when nothing changes.");
    table.add("drift.look_interval_s", s.look_interval, minutes(1))
        .range(seconds(0), hours(24))
        .doc("Least time between two looks at a stream.");
    table.add("drift.window_age_max_s", s.window_age_max, hours(24))
        .range(seconds(1), hours(24 * 90))
        .doc("After this a window closes with drift.window_min_decisions.");
}

void declare_streams(settings::Table& table, DriftSettings& s) {
    table.add("drift.streams_max", s.streams_max, 200)
        .range(1, 100'000)
        .unit("streams")
        .doc("Streams that are watched; each takes about 0.4 MB. Decisions beyond them are counted and not looked at.");
    table.add("drift.tenant_share_percent", s.tenant_share_percent, 50)
        .range(1, 100)
        .unit("percent")
        .doc(
            "Of drift.streams_max and drift.listeners_max one tenant has at most so many, at least one; what has no "
            "tenant is not "
            "bound by it.");
    table.add("drift.stream_idle_max_s", s.stream_idle_max, hours(24 * 7))
        .range(seconds(60), hours(24 * 365))
        .doc("A stream quiet for so long makes room for a new one.");
    table.add("drift.segments", s.segments, {})
        .check(check_name, "tag names")
        .doc("Tags of decisions whose values are streams of their own beside the whole.");
    table.add("drift.numbers", s.numbers, {})
        .check(check_name, "member or tag names")
        .doc("Numeric members of the recorded output, or tags, that are watched as features.");
    table.add("drift.queue_records_max", s.queue_records_max, 20'000)
        .range(100, 10'000'000)
        .unit("records")
        .doc("Decisions that may wait for the monitor in memory; beyond it they are read from the log again.");
    table.add("drift.save_interval_s", s.save_interval, seconds(30))
        .range(seconds(1), hours(1))
        .doc("How often the state is saved; after a crash the decisions since then are read again.");
    table.add("drift.listeners_max", s.listeners_max, 64)
        .range(1, 10'000)
        .unit("streams")
        .doc("Open event streams of /api/drift/stream.");
}

void declare_alerts(settings::Table& table, DriftSettings& s) {
    table.add("drift.alerts_max", s.alerts_max, 10'000)
        .range(100, 1'000'000)
        .unit("alerts")
        .doc("Alerts that are kept; the oldest resolved one makes room.");
    table.add("drift.cool_down_s", s.cool_down, hours(1))
        .range(seconds(0), hours(24 * 30))
        .doc("How long a resolved alert keeps its like from opening again.");
    table.add("drift.quiet_s", s.quiet, hours(24))
        .range(seconds(0), hours(24 * 365))
        .doc("An alert that no look has found for so long resolves itself; 0: never.");
    table.add("drift.webhook.url", s.webhook.url, "")
        .check(check_url, "http(s)://host[:port]/path")
        .doc("Where alerts are posted; empty: nowhere.");
    table.add("drift.webhook.secret", s.webhook.secret)
        .doc("Key of the signature (HMAC-SHA-256) that every post carries; required with a URL.");
    table.add("drift.webhook.allow_private", s.webhook.allow_private, false)
        .doc("Also post to loopback, private and link-local addresses.");
    table.add("drift.webhook.attempts_max", s.webhook.attempts_max, 8)
        .range(1, 20)
        .doc("Tries of one post, 1 s, 2 s, 4 s ... apart, at most 5 min; then it is dead and counted.");
    table.add("drift.webhook.waiting_max", s.webhook.waiting_max, 1'000)
        .range(1, 100'000)
        .unit("posts")
        .doc("Posts that may wait; the next is dropped and counted.");
    table.add("drift.webhook.timeout_ms", s.webhook.timeout, seconds(5))
        .range(std::chrono::milliseconds(100), seconds(60))
        .doc("Longest time of one try.");
}

}  // namespace

void declare(settings::Table& table, DriftSettings& s) {
    table.group("drift", "Is it still the same AI: tests of the decisions against their own past");
    declare_windows(table, s);
    declare_streams(table, s);
    declare_alerts(table, s);
}

}  // namespace tidegate::compliance
