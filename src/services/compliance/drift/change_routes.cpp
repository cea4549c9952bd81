#include "services/compliance/drift/change_routes.h"

#include <future>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "pipeline/context.h"
#include "services/compliance/drift/alert_json.h"
#include "services/compliance/drift/scope.h"

namespace tidegate::compliance {
namespace {

using drift::Alert;
using drift::Alerts;
using drift::Monitor;
using drift::StreamKey;
using pipeline::Context;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::size_t kNoteMax = 500;

std::string text_of(const Context& context, std::string_view name) {
    const auto member = context.body().find(name);
    return member && member->kind() == json::Kind::kString ? std::string(member->as_string()) : std::string();
}

std::optional<UnixMillis> time_of(const Context& context, std::string_view name) {
    const std::string text = text_of(context, name);
    if (text.empty()) return std::nullopt;
    return parse_rfc3339(text).value();  // The schema has seen that it parses.
}

/// What was asked for is in the log before it is done. On a thread for waiting.
Result<void> record_event(Context& context, std::string_view operation, std::string_view asked) {
    audit::Decision event = context.make_decision("compliance", operation, asked);
    event.kind = audit::RecordKind::kEvent;
    event.output = asked;
    event.spend_points = {};
    std::promise<Result<void>> promise;
    auto durable = promise.get_future();
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context.record(std::move(events), [&promise](Result<void> outcome) { promise.set_value(std::move(outcome)); });
    return durable.get();
}

std::string actor_of(const Context& context) {
    return context.caller() ? context.caller()->actor : "unknown";
}

enum class Turn : std::uint8_t { kAcknowledge, kResolve, kSuppress };

struct TurnRequest {
    Turn turn = Turn::kAcknowledge;
    std::uint64_t id = 0;
    std::string actor;
    std::string note;
    UnixMillis until = 0;
};

Result<void> turn_alert(Alerts& alerts, const TurnRequest& request, UnixMillis now) {
    switch (request.turn) {
        case Turn::kAcknowledge:
            return alerts.acknowledge(request.id, request.actor, request.note, now);
        case Turn::kResolve:
            return alerts.resolve(request.id, request.actor, request.note, now);
        case Turn::kSuppress:
            return alerts.suppress(request.id, request.until, request.actor, request.note, now);
    }
    return fail(ErrorCode::kInternal, "no such turn");
}

std::string asked_of(const TurnRequest& request) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("alert", request.id).field("note", request.note);
    if (request.turn == Turn::kSuppress) writer.field("until", format_rfc3339(request.until));
    writer.end_object();
    return out;
}

void answer_turn(const ContextPtr& context, const DriftParts& parts, Turn turn, std::string_view operation) {
    const auto id = parse_u64(context->path_parameter("id"));
    const Reach scope = drift_reach(*context, parts);
    bool seen = false;
    parts.watch.read([&](const Monitor&, const Alerts& alerts) {
        const Alert* const alert = alerts.find(id.value_or(0));
        seen = alert != nullptr && scope.sees(alert->key.tenant);
    });
    // Another tenant's alert is not there, as far as this caller can tell.
    if (!seen) return context->fail({ErrorCode::kNotFound, "There is no such alert."});
    TurnRequest request{turn, *id, actor_of(*context), text_of(*context, "note"), 0};
    request.until = time_of(*context, "until").value_or(0);
    if (turn == Turn::kSuppress && request.until <= parts.clock.unix_ms()) {
        return context->fail({{"until", "must be in the future", "too_small"}});
    }
    if (const auto durable = record_event(*context, operation, asked_of(request)); !durable) {
        return context->fail({ErrorCode::kUnavailable, "The change could not be recorded, so it is not made."});
    }
    std::string body;
    const auto done = parts.watch.change([&](Monitor&, Alerts& alerts) -> Result<std::vector<std::uint64_t>> {
        TG_CHECK(turn_alert(alerts, request, parts.clock.unix_ms()));
        body = to_json(*alerts.find(request.id));
        return std::vector<std::uint64_t>{request.id};
    });
    if (!done) return context->fail(done.error());
    context->reply_json(std::move(body));
}

struct ResetRequest {
    std::string stream;
    std::optional<std::string> service, operation, model, tenant, segment;
    std::optional<UnixMillis> from, to;
    std::string reason;
    Reach scope;

    bool takes(const StreamKey& key) const {
        const auto fits = [](const std::optional<std::string>& wanted, const std::string& value) {
            return !wanted || *wanted == value;
        };
        return scope.sees(key.tenant) && (stream.empty() || stream == stream_id(key)) && fits(service, key.service) &&
               fits(operation, key.operation) && fits(model, key.model) && fits(tenant, key.tenant) &&
               fits(segment, key.segment);
    }
};

ResetRequest reset_request(const Context& context, const DriftParts& parts) {
    ResetRequest request;
    const auto member = [&](std::string_view name) -> std::optional<std::string> {
        if (!context.body().find(name)) return std::nullopt;
        return text_of(context, name);
    };
    request.stream = text_of(context, "stream");
    request.service = member("service");
    request.operation = member("operation");
    request.model = member("model");
    request.tenant = member("tenant");
    request.segment = member("segment");
    request.from = time_of(context, "from");
    request.to = time_of(context, "to");
    request.reason = text_of(context, "reason");
    request.scope = drift_reach(context, parts);
    return request;
}

/// A reference of a chosen period for each stream that the request names; the streams without enough decisions in it.
Result<std::vector<std::string>> choose_period(const DriftParts& parts, const ResetRequest& request,
                                               const std::vector<StreamKey>& keys, const std::string& reason) {
    std::vector<std::string> refused;
    for (const StreamKey& key : keys) {
        StreamKey whole = key;
        whole.segment.clear();
        const auto wanted = [&](const drift::Observation& seen) {
            return seen.key == whole &&
                   (key.segment.empty() || std::ranges::find(seen.segments, key.segment) != seen.segments.end());
        };
        TG_TRY(const std::vector<drift::Observation> period,
               parts.watch.period(*request.from, *request.to, parts.settings.baseline_decisions, wanted));
        TG_CHECK(parts.watch.change([&](Monitor& monitor, Alerts&) -> Result<std::vector<std::uint64_t>> {
            drift::Stream* const stream = monitor.find(key);
            if (stream == nullptr || !stream->set_baseline(period, reason)) refused.push_back(stream_id(key));
            return std::vector<std::uint64_t>();
        }));
    }
    return refused;
}

void answer_reset(const ContextPtr& context, const DriftParts& parts) {
    const ResetRequest request = reset_request(*context, parts);
    if (refuse_other(*context, request.scope, request.tenant)) return;
    if (request.from.has_value() != request.to.has_value() || (request.from && *request.to <= *request.from)) {
        return context->fail({{"to", "goes with `from` and must be after it", "too_small"}});
    }
    std::vector<StreamKey> keys;
    parts.watch.read([&](const Monitor& monitor, const Alerts&) {
        for (const drift::Stream* const stream : monitor.streams()) {
            if (request.takes(stream->key())) keys.push_back(stream->key());
        }
    });
    if (keys.empty()) return context->fail({ErrorCode::kNotFound, "No stream is meant by that."});
    std::string asked;
    json::append(asked, context->body());
    if (const auto durable = record_event(*context, "drift/reset-baseline", asked); !durable) {
        return context->fail({ErrorCode::kUnavailable, "The change could not be recorded, so it is not made."});
    }
    const std::string reason = "reset by " + actor_of(*context) + (request.reason.empty() ? "" : ": " + request.reason);
    std::vector<std::string> refused;
    if (request.from) {
        auto chosen = choose_period(parts, request, keys, reason);
        if (!chosen) return context->fail(chosen.error());
        refused = *std::move(chosen);
    } else {
        const auto done = parts.watch.change([&](Monitor& monitor, Alerts&) -> Result<std::vector<std::uint64_t>> {
            for (const StreamKey& key : keys) {
                if (drift::Stream* const stream = monitor.find(key)) stream->reset_baseline(reason);
            }
            return std::vector<std::uint64_t>();
        });
        if (!done) return context->fail(done.error());
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("reset", keys.size() - refused.size()).key("refused").begin_array();
    for (const std::string& id : refused) writer.value(std::string_view(id));
    writer.end_array().field("reason", reason).end_object();
    context->reply_json(std::move(body));
}

Route change_route(std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = http::Method::kPost;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "compliance";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = {std::string(kOfficer)};
    route.body_bytes_max = 16 * 1024;
    if (route.path.find("{id}") != std::string::npos) {
        route.path_parameters = {
            {.name = "id", .schema = Schema::string().size(1, 20).doc("An alert's id."), .required = true}};
    }
    return route;
}

Schema reset_schema() {
    const Schema name = Schema::string().size(0, 256);
    const Schema time = Schema::string().format("date-time");
    return Schema::object({
        pipeline::optional("stream", Schema::string().size(16, 16).doc("One stream's id; or any of the following.")),
        pipeline::optional("service", name),
        pipeline::optional("operation", name),
        pipeline::optional("model", name),
        pipeline::optional("tenant", name),
        pipeline::optional("segment", name),
        pipeline::optional("from", time.doc("Take the decisions of this period as the reference; needs `to`.")),
        pipeline::optional("to", time),
        pipeline::optional("reason", Schema::string().size(0, kNoteMax)),
    });
}

}  // namespace

void register_drift_change_routes(std::vector<Route>& routes, const DriftParts& parts) {
    struct Named {
        Turn turn;
        const char* path;
        const char* operation;
        const char* event;
        const char* summary;
        const char* example;
    };
    const Named turns[] = {
        {Turn::kAcknowledge, "/api/drift/alert/{id}/acknowledge", "drift_acknowledge", "drift/acknowledge",
         "Somebody has seen the alert.", R"({"note":"looked into by the day shift"})"},
        {Turn::kResolve, "/api/drift/alert/{id}/resolve", "drift_resolve", "drift/resolve", "The alert is over.",
         R"({"note":"the new price list is in"})"},
        {Turn::kSuppress, "/api/drift/alert/{id}/suppress", "drift_suppress", "drift/suppress",
         "Nobody is told of the alert until a time.", R"({"until":"2100-01-01T00:00:00Z"})"},
    };
    for (const Named& named : turns) {
        Route route = change_route(named.path, named.operation, named.summary);
        std::vector<Schema::Member> members = {pipeline::optional("note", Schema::string().size(0, kNoteMax))};
        if (named.turn == Turn::kSuppress) {
            members.push_back(required("until", Schema::string().format("date-time").doc("In the future.")));
        }
        route.request = Schema::object(std::move(members));
        route.response = alert_schema();
        route.example = named.example;
        route.handler = [parts, turn = named.turn, event = std::string_view(named.event)](const ContextPtr& context) {
            answer_turn(context, parts, turn, event);
        };
        routes.push_back(std::move(route));
    }
    Route reset = change_route("/api/drift/reset-baseline", "drift_reset_baseline",
                               "What streams are compared with from now on: their next decisions, or a period's.");
    reset.request = reset_schema();
    reset.example = R"({"service":"provenance","reason":"a new model"})";
    reset.response = Schema::object({
        required("reset", Schema::integer().doc("Streams.")),
        required("refused",
                 Schema::array(Schema::string()).doc("Streams with fewer than 100 decisions in the period.")),
        required("reason", Schema::string()),
    });
    reset.handler = [parts](const ContextPtr& context) { answer_reset(context, parts); };
    routes.push_back(std::move(reset));
}

}  // namespace tidegate::compliance
