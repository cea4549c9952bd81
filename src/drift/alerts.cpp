#include "drift/alerts.h"

#include <algorithm>
#include <utility>

namespace tidegate::drift {
namespace {

void see(Alert& alert, const Evidence& evidence, UnixMillis now) {
    ++alert.seen;
    alert.last_seen = std::max(alert.last_seen, now);
    if (evidence.effect > alert.worst.effect) alert.worst = evidence;
    alert.latest = evidence;
}

}  // namespace

std::string_view to_string(AlertState state) noexcept {
    switch (state) {
        case AlertState::kOpen:
            return "open";
        case AlertState::kAcknowledged:
            return "acknowledged";
        case AlertState::kResolved:
            return "resolved";
        case AlertState::kSuppressed:
            return "suppressed";
    }
    return "open";
}

// Every change of state goes through here: history, and which map knows the key.
void Alerts::change(Alert& alert, AlertState to, std::string actor, std::string note, UnixMillis now) {
    if (alert.history.size() >= options_.history_max && alert.history.size() > 1) {
        alert.history.erase(alert.history.begin() + 1);
    }
    alert.history.push_back({now, alert.state, to, std::move(actor), std::move(note)});
    alert.state = to;
    if (to != AlertState::kSuppressed) alert.suppressed_until = 0;
    if (to == AlertState::kResolved) {
        live_.erase(alert.key);
        resolved_[alert.key] = alert.id;
    }
}

bool Alerts::make_room() {
    if (alerts_.size() < options_.alerts_max) return true;
    // Ids grow with time: the first resolved one is the oldest.
    const auto oldest =
        std::ranges::find_if(alerts_, [](const auto& entry) { return entry.second.state == AlertState::kResolved; });
    if (oldest == alerts_.end()) return false;
    const auto last = resolved_.find(oldest->second.key);
    if (last != resolved_.end() && last->second == oldest->first) resolved_.erase(last);
    alerts_.erase(oldest);
    return true;
}

Alerts::Outcome Alerts::raise(const AlertKey& key, const Evidence& evidence, UnixMillis now) {
    if (const auto found = live_.find(key); found != live_.end()) {
        Alert& alert = alerts_.at(found->second);
        see(alert, evidence, now);
        return {alert.state == AlertState::kSuppressed ? Raised::kSuppressed : Raised::kRepeated, alert.id};
    }
    if (const auto found = resolved_.find(key); found != resolved_.end()) {
        Alert& last = alerts_.at(found->second);
        if (now - last.history.back().at < options_.cool_down_ms) {
            see(last, evidence, now);
            return {Raised::kCooling, last.id};
        }
    }
    if (!make_room()) {
        ++dropped_;
        return {Raised::kDropped, 0};
    }
    Alert alert;
    alert.id = next_id_++;
    alert.key = key;
    alert.opened = alert.last_seen = now;
    alert.latest = alert.worst = evidence;
    alert.history.push_back({now, AlertState::kOpen, AlertState::kOpen, "system", "opened"});
    live_[key] = alert.id;
    const std::uint64_t id = alert.id;
    alerts_.emplace(id, std::move(alert));
    return {Raised::kOpened, id};
}

std::vector<std::uint64_t> Alerts::tick(UnixMillis now) {
    std::vector<std::uint64_t> changed;
    std::vector<std::uint64_t> live;
    for (const auto& [key, id] : live_) live.push_back(id);
    for (const std::uint64_t id : live) {
        Alert& alert = alerts_.at(id);
        if (options_.quiet_ms > 0 && now - alert.last_seen >= options_.quiet_ms) {
            change(alert, AlertState::kResolved, "system", "not seen any more", now);
        } else if (alert.state == AlertState::kSuppressed && now >= alert.suppressed_until) {
            change(alert, AlertState::kOpen, "system", "the suppression ended", now);
        } else {
            continue;
        }
        changed.push_back(id);
    }
    std::ranges::sort(changed);
    return changed;
}

Result<Alert*> Alerts::live_alert(std::uint64_t id) {
    const auto found = alerts_.find(id);
    if (found == alerts_.end()) return fail(ErrorCode::kNotFound, "no such alert");
    if (found->second.state == AlertState::kResolved) return fail(ErrorCode::kConflict, "the alert is resolved");
    return &found->second;
}

Result<void> Alerts::acknowledge(std::uint64_t id, std::string actor, std::string note, UnixMillis now) {
    TG_TRY(Alert * alert, live_alert(id));
    if (alert->state != AlertState::kOpen) {
        return fail(ErrorCode::kConflict, "the alert is " + std::string(to_string(alert->state)));
    }
    change(*alert, AlertState::kAcknowledged, std::move(actor), std::move(note), now);
    return {};
}

Result<void> Alerts::resolve(std::uint64_t id, std::string actor, std::string note, UnixMillis now) {
    TG_TRY(Alert * alert, live_alert(id));
    change(*alert, AlertState::kResolved, std::move(actor), std::move(note), now);
    return {};
}

Result<void> Alerts::suppress(std::uint64_t id, UnixMillis until, std::string actor, std::string note, UnixMillis now) {
    if (until <= now) return fail(ErrorCode::kInvalidArgument, "a suppression ends in the future");
    TG_TRY(Alert * alert, live_alert(id));
    if (alert->state == AlertState::kSuppressed) return fail(ErrorCode::kConflict, "the alert is suppressed");
    change(*alert, AlertState::kSuppressed, std::move(actor), std::move(note), now);
    alert->suppressed_until = until;
    return {};
}

Result<void> Alerts::restore(Alert alert) {
    const bool is_live = alert.state != AlertState::kResolved;
    if (alert.id == 0 || alert.history.empty()) return fail(ErrorCode::kInvalidArgument, "no id or no history");
    if (alerts_.contains(alert.id) || (is_live && live_.contains(alert.key))) {
        return fail(ErrorCode::kConflict, "the alert is here already");
    }
    if (!make_room()) return fail(ErrorCode::kResourceExhausted, "too many live alerts");
    next_id_ = std::max(next_id_, alert.id + 1);
    std::uint64_t& known = is_live ? live_[alert.key] : resolved_[alert.key];
    known = std::max(known, alert.id);
    const std::uint64_t id = alert.id;
    alerts_.emplace(id, std::move(alert));
    return {};
}

const Alert* Alerts::find(std::uint64_t id) const noexcept {
    const auto found = alerts_.find(id);
    return found == alerts_.end() ? nullptr : &found->second;
}

std::vector<const Alert*> Alerts::list(std::size_t limit, bool live_only) const {
    std::vector<const Alert*> result;
    for (auto entry = alerts_.rbegin(); entry != alerts_.rend() && result.size() < limit; ++entry) {
        if (live_only && entry->second.state == AlertState::kResolved) continue;
        result.push_back(&entry->second);
    }
    return result;
}

}  // namespace tidegate::drift
