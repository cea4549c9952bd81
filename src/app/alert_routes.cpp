#include "app/alert_routes.h"

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <utility>

#include "alerts/alert_json.h"
#include "pipeline/context.h"
#include "services/compliance/reading.h"

namespace tidegate::app {
namespace {

using alerts::Alert;
using alerts::AlertState;
using alerts::Silence;
using compliance::Reach;
using pipeline::Context;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kAllAlerts = "alerts";
constexpr std::size_t kNoteMax = 500;

Reach alert_reach(const Context& context, const AlertRouteParts& parts) {
    return compliance::reach_of(context.caller().get(), parts.loopback_without_keys, {kAllAlerts});
}

/// Alerts about one tenant are its own; those about the server are for whoever sees all.
bool sees(const Reach& alert_reach, const Alert& alert) {
    const auto tenant = alert.labels.find("tenant");
    return alert_reach.all || (tenant != alert.labels.end() && alert_reach.sees(tenant->second));
}

const Silence* silence_of(const Alert& alert, const std::vector<Silence>& silences, UnixMillis now) {
    const auto found = std::ranges::find_if(silences, [&](const Silence& one) { return one.covers(alert, now); });
    return found == silences.end() ? nullptr : &*found;
}

Schema time_schema() {
    return Schema::string().format("date-time");
}

Schema alert_schema() {
    return Schema::object({
        required("id", Schema::string().nullable().doc("null while pending.")),
        required("rule", Schema::string()),
        required("state", Schema::string().one_of({"pending", "firing", "resolved"})),
        required("severity", Schema::string().one_of({"info", "warning", "critical"})),
        required("summary", Schema::string()),
        required("labels", Schema::object({}).open()),
        required("value", Schema::number().doc("The last number that was measured.")),
        required("worst", Schema::number()),
        required("threshold", Schema::number()),
        required("comparison", Schema::string()),
        required("since", time_schema().nullable().doc("The first bad number.")),
        required("fired_at", time_schema().nullable()),
        required("resolved_at", time_schema().nullable()),
        required("resolved_by", Schema::string().nullable().doc("measured, no_data, rule_gone")),
        required("acknowledged", Schema::object({required("by", Schema::string()), required("at", time_schema()),
                                                 required("note", Schema::string())})
                                     .nullable()),
        required("silenced_by", Schema::string().nullable().doc("The silence that covers it now.")),
        required("notified", Schema::boolean().doc("Its webhooks have it.")),
    });
}

Schema silence_schema() {
    return Schema::object({
        required("id", Schema::string()),
        required("rule", Schema::string().nullable().doc("null: every rule.")),
        required("labels", Schema::object({}).open()),
        required("from", time_schema()),
        required("until", time_schema()),
        required("by", Schema::string()),
        required("note", Schema::string()),
    });
}

int rank(const Alert& alert) {
    const int severity = alert.severity == "critical" ? 0 : alert.severity == "warning" ? 1 : 2;
    return (alert.state == AlertState::kFiring ? 0 : 3) + severity;
}

void answer_alerts(const ContextPtr& context, const AlertRouteParts& parts) {
    alerts::Live live = parts.watch.live();
    const Reach scope = alert_reach(*context, parts);
    std::erase_if(live.alerts, [&](const Alert& alert) { return !sees(scope, alert); });
    std::ranges::sort(live.alerts, {},
                      [](const Alert& alert) { return std::tuple(rank(alert), alert.since, alert.rule); });
    const UnixMillis now = parts.clock.unix_ms();
    std::array<std::size_t, 4> counts{};  // Firing, pending, acknowledged, silenced.
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Alert& alert : live.alerts) {
        const Silence* const silence = silence_of(alert, live.silences, now);
        ++counts[alert.state == AlertState::kFiring ? 0 : 1];
        if (alert.acknowledged) ++counts[2];
        if (silence != nullptr) ++counts[3];
        append_json(writer, alert, silence);
    }
    writer.end_array().field("firing", counts[0]).field("pending", counts[1]).field("acknowledged", counts[2]);
    writer.field("silenced", counts[3]).key("judged_at");
    live.judged_at > 0 ? writer.value(format_rfc3339(live.judged_at)) : writer.null();
    writer.field("interval_s", std::chrono::duration_cast<std::chrono::seconds>(parts.interval).count()).end_object();
    context->reply_json(std::move(body));
}

/// Rules and silences are about all tenants at once. True: the request was refused.
bool refuse_part(const ContextPtr& context, const AlertRouteParts& parts) {
    if (alert_reach(*context, parts).all) return false;
    context->fail({ErrorCode::kPermissionDenied, "The key sees its own tenant's alerts only."});
    return true;
}

void append_rule(JsonWriter& writer, const alerts::RuleStatus& status) {
    using std::chrono::seconds;
    const alerts::RuleOptions& rule = status.options;
    const auto whole_seconds = [](Duration time) { return std::chrono::duration_cast<seconds>(time).count(); };
    writer.begin_object().field("name", rule.name).field("kind", rule.kind).field("severity", rule.severity);
    writer.field("summary", rule.summary).field("metric", rule.metric).field("comparison", rule.comparison);
    writer.field("threshold", rule.value)
        .field("hysteresis", rule.hysteresis)
        .field("for_s", whole_seconds(rule.for_time));
    writer.field("window_s", whole_seconds(rule.window)).field("resolve_for_s", whole_seconds(rule.resolve_for));
    writer.key("webhooks").begin_array();
    for (const std::string& name : rule.webhooks) writer.value(name);
    writer.end_array().field("state", status.firing > 0 ? "firing" : status.pending > 0 ? "pending" : "inactive");
    writer.field("series", status.series).field("value", status.value).field("firing", status.firing);
    writer.field("pending", status.pending).end_object();
}

void answer_rules(const ContextPtr& context, const AlertRouteParts& parts) {
    if (refuse_part(context, parts)) return;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const alerts::RuleStatus& status : parts.watch.rules()) append_rule(writer, status);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

Schema rules_schema() {
    const Schema rule = Schema::object({
        required("name", Schema::string()),
        required("kind", Schema::string()),
        required("severity", Schema::string()),
        required("summary", Schema::string()),
        required("metric", Schema::string()),
        required("comparison", Schema::string()),
        required("threshold", Schema::number()),
        required("hysteresis", Schema::number()),
        required("for_s", Schema::integer()),
        required("window_s", Schema::integer()),
        required("resolve_for_s", Schema::integer()),
        required("webhooks", Schema::array(Schema::string()).doc("None: all of them.")),
        required("state", Schema::string().one_of({"inactive", "pending", "firing"})),
        required("series", Schema::integer().doc("Groups of labels that had a number at the last judgement.")),
        required("value", Schema::number().nullable().doc("Where there is one such group.")),
        required("firing", Schema::integer()),
        required("pending", Schema::integer()),
    });
    return Schema::object({required("items", Schema::array(rule))});
}

void answer_history(const ContextPtr& context, const AlertRouteParts& parts) {
    alerts::HistoryFilter filter;
    filter.tenant = alert_reach(*context, parts).tenant_filter();
    filter.rule = context->query("rule").value_or("");
    filter.before = context->query("cursor").value_or("");
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    filter.limit = limit + 1;
    auto found = parts.watch.history(filter);
    if (!found) return context->fail(found.error());
    const bool more = found->size() > limit;
    if (more) found->pop_back();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Alert& alert : *found) append_json(writer, alert, nullptr);
    writer.end_array().key("next_cursor");
    more ? writer.value(found->back().id) : writer.null();
    writer.end_object();
    context->reply_json(std::move(body));
}

std::string body_text(const Context& context, std::string_view name) {
    const auto member = context.body().find(name);
    return member && member->kind() == json::Kind::kString ? std::string(member->as_string()) : std::string();
}

std::string actor_of(const Context& context) {
    return context.caller() ? context.caller()->actor : "unknown";
}

/// What was asked for is in the log before it is done. False: the request was refused.
bool is_recorded(const ContextPtr& context, std::string_view operation, std::string what) {
    if (compliance::record_access(*context, compliance::access_event(*context, operation, std::move(what))))
        return true;
    context->fail({ErrorCode::kUnavailable, "The change could not be recorded, so it is not made."});
    return false;
}

void answer_acknowledge(const ContextPtr& context, const AlertRouteParts& parts) {
    const std::string id(context->path_parameter("id"));
    const std::vector<Alert> firing = parts.watch.live().alerts;
    if (std::ranges::find(firing, id, &Alert::id) == firing.end()) {
        return context->fail({ErrorCode::kNotFound, "There is no such alert that fires."});
    }
    const std::string note = body_text(*context, "note");
    std::string what;
    JsonWriter(what).begin_object().field("alert", id).field("note", note).end_object();
    if (!is_recorded(context, "alerts/acknowledge", std::move(what))) return;
    const auto alert = parts.watch.acknowledge(id, actor_of(*context), note);
    if (!alert) return context->fail(alert.error());
    std::string body;
    JsonWriter writer(body);
    append_json(writer, *alert, nullptr);
    context->reply_json(std::move(body));
}

void answer_silence(const ContextPtr& context, const AlertRouteParts& parts) {
    Silence wanted;
    wanted.rule = body_text(*context, "rule");
    wanted.until = parse_rfc3339(body_text(*context, "until")).value();  // The schema has seen that it parses.
    wanted.note = body_text(*context, "note");
    wanted.by = actor_of(*context);
    if (const auto labels = context->body().find("labels")) {
        labels->each_member([&wanted](std::string_view name, json::Value value) {
            if (value.kind() == json::Kind::kString) wanted.labels.emplace(name, value.as_string());
        });
        if (wanted.labels.size() != labels->size()) {
            return context->fail({{"labels", "each label is a text", "wrong_type"}});
        }
    }
    if (wanted.until <= parts.clock.unix_ms()) {
        return context->fail({{"until", "must be in the future", "too_small"}});
    }
    const std::vector<alerts::RuleStatus> rules = parts.watch.rules();
    const auto is_named = [&](const alerts::RuleStatus& status) { return status.options.name == wanted.rule; };
    if (!wanted.rule.empty() && std::ranges::none_of(rules, is_named)) {
        return context->fail({{"rule", "is no rule's name", "not_allowed"}});
    }
    // Before it is recorded: what is refused is no change.
    if (const auto room = parts.watch.room_for_silence(); !room) return context->fail(room.error());
    std::string what;
    JsonWriter writer(what);
    append_json(writer, wanted);
    if (!is_recorded(context, "alerts/silence", std::move(what))) return;
    const auto made = parts.watch.silence(std::move(wanted));
    if (!made) return context->fail(made.error());
    std::string body;
    JsonWriter answer(body);
    append_json(answer, *made);
    context->reply_json(std::move(body));
}

void answer_silences(const ContextPtr& context, const AlertRouteParts& parts) {
    if (refuse_part(context, parts)) return;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Silence& silence : parts.watch.live().silences) append_json(writer, silence);
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

void answer_end_silence(const ContextPtr& context, const AlertRouteParts& parts) {
    const std::string id(context->path_parameter("id"));
    const std::vector<Silence> silences = parts.watch.live().silences;
    const auto silence = std::ranges::find(silences, id, &Silence::id);
    if (silence == silences.end()) return context->fail({ErrorCode::kNotFound, "There is no such silence."});
    std::string what;
    JsonWriter(what).begin_object().field("silence", id).end_object();
    if (!is_recorded(context, "alerts/end_silence", std::move(what))) return;
    if (const auto ended = parts.watch.end_silence(id); !ended) return context->fail(ended.error());
    std::string body;
    JsonWriter writer(body);
    append_json(writer, *silence);
    context->reply_json(std::move(body));
}

using AlertAnswer = void (*)(const ContextPtr&, const AlertRouteParts&);

Route alert_route(http::Method method, std::string path, std::string operation, std::string summary, Schema response,
                  const AlertRouteParts& parts, AlertAnswer answer) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "alerts";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.response = std::move(response);
    if (method != http::Method::kGet) {
        route.access = pipeline::Access::kAdmin;
        route.scopes = {"admin"};
    }
    if (route.path.find("{id}") != std::string::npos) {
        route.path_parameters = {{.name = "id", .schema = Schema::string().size(36, 36), .required = true}};
    }
    route.handler = [parts, answer](const ContextPtr& context) { answer(context, parts); };
    return route;
}

}  // namespace

void register_alert_routes(std::vector<Route>& routes, const AlertRouteParts& parts) {
    using http::Method;
    const Schema live = Schema::object({
        required("items", Schema::array(alert_schema()).doc("Firing first, the worst first.")),
        required("firing", Schema::integer()),
        required("pending", Schema::integer()),
        required("acknowledged", Schema::integer()),
        required("silenced", Schema::integer()),
        required("judged_at", time_schema().nullable().doc("When the rules were judged last.")),
        required("interval_s", Schema::integer()),
    });
    routes.push_back(alert_route(Method::kGet, "/api/v1/alerts", "list_alerts", "What is pending or fires now.", live,
                                 parts, answer_alerts));
    routes.push_back(alert_route(Method::kGet, "/api/v1/alerts/rules", "list_alert_rules",
                                 "The rules that are judged, and what they found last.", rules_schema(), parts,
                                 answer_rules));
    Route history = alert_route(Method::kGet, "/api/v1/alerts/history", "alert_history",
                                "Alerts that fired, newest first; those that fire still among them.",
                                Schema::object({required("items", Schema::array(alert_schema())),
                                                required("next_cursor", Schema::string().nullable())}),
                                parts, answer_history);
    history.query = {
        {.name = "rule", .schema = Schema::string().size(1, 128)},
        {.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
        {.name = "cursor", .schema = Schema::string().size(1, 64).doc("`next_cursor` of the page before.")}};
    history.example = "limit=5";
    routes.push_back(std::move(history));
    Route acknowledge = alert_route(Method::kPost, "/api/v1/alerts/{id}/acknowledge", "acknowledge_alert",
                                    "Somebody has seen the alert.", alert_schema(), parts, answer_acknowledge);
    acknowledge.request = Schema::object({pipeline::optional("note", Schema::string().size(0, kNoteMax))});
    acknowledge.body_bytes_max = 16 * 1024;
    acknowledge.example = R"({"note":"the disk is being replaced"})";
    routes.push_back(std::move(acknowledge));
    routes.push_back(
        alert_route(Method::kGet, "/api/v1/alerts/silences", "list_silences", "The silences that hold now.",
                    Schema::object({required("items", Schema::array(silence_schema()))}), parts, answer_silences));
    Route silence =
        alert_route(Method::kPost, "/api/v1/alerts/silences", "silence_alerts",
                    "Nobody is told of what matches, until a time.", silence_schema(), parts, answer_silence);
    silence.request = Schema::object({
        pipeline::optional("rule", Schema::string().size(1, 128).doc("Absent: every rule.")),
        pipeline::optional("labels", Schema::object({}).open().doc("All must be so.")),
        required("until", time_schema().doc("In the future.")),
        pipeline::optional("note", Schema::string().size(0, kNoteMax)),
    });
    silence.body_bytes_max = 16 * 1024;
    silence.example = R"({"rule":"upstream_down","until":"2100-01-01T00:00:00Z","note":"maintenance"})";
    routes.push_back(std::move(silence));
    routes.push_back(alert_route(Method::kDelete, "/api/v1/alerts/silences/{id}", "end_silence", "Ends a silence.",
                                 silence_schema(), parts, answer_end_silence));
}

}  // namespace tidegate::app
