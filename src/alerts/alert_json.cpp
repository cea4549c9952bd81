#include "alerts/alert_json.h"

#include "alerts/alert_store.h"

namespace tidegate::alerts {
namespace {

void time_field(JsonWriter& writer, std::string_view name, UnixMillis time) {
    writer.key(name);
    time > 0 ? writer.value(format_rfc3339(time)) : writer.null();
}

}  // namespace

std::string_view to_string(AlertState state) noexcept {
    switch (state) {
        case AlertState::kPending:
            return "pending";
        case AlertState::kFiring:
            return "firing";
        case AlertState::kResolved:
            return "resolved";
    }
    return "resolved";
}

bool Silence::covers(const Alert& alert, UnixMillis now) const {
    if (now < from || now >= until || (!rule.empty() && rule != alert.rule)) return false;
    for (const auto& [name, value] : labels) {
        const auto label = alert.labels.find(name);
        if (label == alert.labels.end() || label->second != value) return false;
    }
    return true;
}

void append_json(JsonWriter& writer, const Alert& alert, const Silence* silence) {
    writer.begin_object().key("id");
    alert.id.empty() ? writer.null() : writer.value(alert.id);
    writer.field("rule", alert.rule).field("state", to_string(alert.state)).field("severity", alert.severity);
    writer.field("summary", alert.summary).key("labels").raw(to_json(alert.labels));
    writer.field("value", alert.value).field("worst", alert.worst).field("threshold", alert.threshold);
    writer.field("comparison", alert.comparison);
    time_field(writer, "since", alert.since);
    time_field(writer, "fired_at", alert.fired);
    time_field(writer, "resolved_at", alert.resolved);
    writer.key("resolved_by");
    alert.end.empty() ? writer.null() : writer.value(alert.end);
    writer.key("acknowledged");
    if (alert.acknowledged) {
        writer.begin_object().field("by", alert.acknowledged->by).field("at", format_rfc3339(alert.acknowledged->at));
        writer.field("note", alert.acknowledged->note).end_object();
    } else {
        writer.null();
    }
    writer.key("silenced_by");
    silence == nullptr ? writer.null() : writer.value(silence->id);
    writer.field("notified", alert.told_firing).end_object();
}

void append_json(JsonWriter& writer, const Silence& silence) {
    writer.begin_object().field("id", silence.id).key("rule");
    silence.rule.empty() ? writer.null() : writer.value(silence.rule);
    writer.key("labels").raw(to_json(silence.labels));
    time_field(writer, "from", silence.from);
    time_field(writer, "until", silence.until);
    writer.field("by", silence.by).field("note", silence.note).end_object();
}

std::string post_body(const Alert& alert, UnixMillis now) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("type", "alert." + std::string(to_string(alert.state)));
    writer.field("time", format_rfc3339(now)).key("alert");
    append_json(writer, alert, nullptr);
    writer.end_object();
    return out;
}

}  // namespace tidegate::alerts
