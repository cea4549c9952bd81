// What others ask of the Watch: what fires, what fired, that somebody has seen it, and its metrics.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "alerts/watch.h"
#include "base/ids.h"

namespace tidegate::alerts {

Live Watch::live() const {
    const Lock lock(mutex_);
    Live live;
    for (const auto& [key, held] : held_) live.alerts.push_back(held.alert);
    const UnixMillis now = parts_.clock.unix_ms();
    for (const Silence& silence : silences_) {
        if (silence.until > now) live.silences.push_back(silence);
    }
    live.judged_at = judged_at_;
    return live;
}

std::vector<RuleStatus> Watch::rules() const {
    std::vector<RuleStatus> all;
    const Lock lock(mutex_);
    for (const Rule& rule : rules_) {
        RuleStatus& status = all.emplace_back();
        status.options = rule.options();
        if (const auto found = found_.find(rule.name()); found != found_.end()) {
            status.series = found->second.series;
            status.value = found->second.value;
        }
        for (const auto& [key, held] : held_) {
            if (key.first != rule.name()) continue;
            ++(held.alert.state == AlertState::kFiring ? status.firing : status.pending);
        }
    }
    return all;
}

Result<std::vector<Alert>> Watch::history(const HistoryFilter& filter) const {
    const Lock lock(mutex_);
    return store_.history(filter);
}

Result<Alert> Watch::acknowledge(std::string_view id, std::string by, std::string note) {
    const Lock lock(mutex_);
    const auto held = std::ranges::find_if(
        held_, [&](const auto& entry) { return !entry.second.alert.id.empty() && entry.second.alert.id == id; });
    if (held == held_.end()) return fail(ErrorCode::kNotFound, "There is no such alert that fires.");
    Alert seen = held->second.alert;
    seen.acknowledged = Acknowledgement{std::move(by), parts_.clock.unix_ms(), std::move(note)};
    TG_CHECK(store_.save(seen));
    held->second.alert = seen;
    return seen;
}

Result<void> Watch::has_room_for_silence() const {
    const UnixMillis now = parts_.clock.unix_ms();
    const auto holds = [now](const Silence& one) { return one.until > now; };
    if (std::ranges::count_if(silences_, holds) < static_cast<std::ptrdiff_t>(settings_.silences_max)) return {};
    return fail(ErrorCode::kConflict, "As many silences hold as alerts.silences_max allows (" +
                                          std::to_string(settings_.silences_max) + "); end one first.");
}

Result<void> Watch::room_for_silence() const {
    const Lock lock(mutex_);
    return has_room_for_silence();
}

Result<Silence> Watch::silence(Silence wanted) {
    const bool known = wanted.rule.empty() || std::ranges::find(rules_, wanted.rule, &Rule::name) != rules_.end();
    if (!known) return fail(ErrorCode::kInvalidArgument, "There is no rule " + wanted.rule + ".");
    wanted.id = to_string(make_uuid7(parts_.clock, parts_.random));
    wanted.from = parts_.clock.unix_ms();
    const Lock lock(mutex_);
    TG_CHECK(has_room_for_silence());
    TG_CHECK(store_.save(wanted));
    std::erase_if(silences_, [&](const Silence& old) { return old.until <= wanted.from; });
    silences_.push_back(wanted);
    return wanted;
}

Result<void> Watch::end_silence(std::string_view id) {
    const Lock lock(mutex_);
    TG_CHECK(store_.remove_silence(id));
    std::erase_if(silences_, [&](const Silence& silence) { return silence.id == id; });
    return {};
}

std::uint64_t Watch::count(AlertState state, std::string_view severity) const {
    const Lock lock(mutex_);
    return static_cast<std::uint64_t>(std::ranges::count_if(held_, [&](const auto& entry) {
        return entry.second.alert.state == state && entry.second.alert.severity == severity;
    }));
}

void Watch::declare_metrics(observe::Registry& registry) const {
    using observe::MetricType;
    using observe::Samples;
    registry.callback({.name = "tidegate_alerts",
                       .help = "Alerts that are pending or fire now.",
                       .labels = {"state", "severity"},
                       .when_it_rises = "See GET /api/v1/alerts."},
                      MetricType::kGauge, [this](Samples& out) {
                          for (const AlertState state : {AlertState::kPending, AlertState::kFiring}) {
                              for (const char* severity : {"info", "warning", "critical"}) {
                                  out.add({to_string(state), severity}, static_cast<double>(count(state, severity)));
                              }
                          }
                      });
    const auto total = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::uint64_t>& count) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, MetricType::kCounter,
            [&count](Samples& out) { out.add({}, static_cast<double>(count.load(std::memory_order_relaxed))); });
    };
    total("tidegate_alert_judgements_total", "Times the rules were judged.",
          "Time goes by. It stands still: the alerts do not work.", judgements_);
    total("tidegate_alerts_fired_total", "Alerts that fired.", "See GET /api/v1/alerts/history.", fired_);
    total("tidegate_alerts_told_total", "Alerts whose firing or end was handed to all of their webhooks.",
          "Alerts fire or end.", told_);
    total("tidegate_alert_tell_failures_total", "Tries to tell a webhook that neither a job nor a post took.",
          "Look at the disk of data.dir and at the webhook.", tell_failures_);
    total("tidegate_alert_save_failures_total", "Alerts that the disk did not take.", "Look at the disk of data.dir.",
          save_failures_);
}

}  // namespace tidegate::alerts
