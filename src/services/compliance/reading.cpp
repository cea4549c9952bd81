#include "services/compliance/reading.h"

#include <algorithm>
#include <future>
#include <utility>

#include "pipeline/identity/caller.h"
#include "services/compliance/query_routes.h"

namespace tidegate::compliance {
namespace {

using pipeline::Schema;

struct Field {
    std::string name;
    Schema schema;
};

std::vector<Field> filter_fields() {
    return {
        {"tenant", Schema::string().size(0, 200).doc("One's own; whoever sees all may name any, or none: `\"\"`.")},
        {"service", name_schema()},
        {"operation", name_schema()},
        {"content_type", name_schema().doc("The operation's last part: `text`.")},
        {"band", name_schema()},
        {"status", Schema::string().one_of({"success", "error", "refused", "timeout", "cancelled"})},
        {"model", name_schema()},
        {"model_version", name_schema()},
        {"actor", name_schema().doc("Who asked, as a decision names it.")},
        {"from", Schema::string().format("date-time").doc("Of the decision's time, inclusive.")},
        {"to", Schema::string().format("date-time").doc("Exclusive.")},
        {"kind", Schema::string()
                     .one_of({"decision", "event"})
                     .doc("Decisions, or events of the record itself: accesses, gaps, erasures. Default decision.")},
    };
}

}  // namespace

Schema name_schema() {
    return Schema::string().size(1, 200);
}

bool is_named(const pipeline::Caller* caller, std::string_view scope) {
    if (caller == nullptr || caller->admin) return true;
    return std::ranges::any_of(caller->scopes,
                               [&](const std::string& granted) { return granted == scope || granted == kService; });
}

Reach reach_of(const pipeline::Caller* caller, bool loopback_without_keys,
               std::initializer_list<std::string_view> for_all) {
    if (caller == nullptr || caller->kind == pipeline::Caller::Kind::kAnonymous) {
        return {.all = loopback_without_keys, .tenant = {}};
    }
    const bool named = std::ranges::any_of(for_all, [&](std::string_view scope) { return is_named(caller, scope); });
    return {.all = caller->tenant.empty() && named, .tenant = caller->tenant};
}

void guard(pipeline::Route& route, bool loopback_without_keys) {
    const bool officers = route.scopes.size() == 1 && route.scopes.front() == kOfficer;
    // A stream of lines looks at its own parameters.
    const bool strict = !route.raw_body;
    route.handler = [inner = std::move(route.handler), officers, strict,
                     loopback_without_keys](const pipeline::ContextPtr& context) {
        const pipeline::Caller* caller = context->caller().get();
        const bool open =
            loopback_without_keys && caller != nullptr && caller->kind == pipeline::Caller::Kind::kAnonymous;
        if (officers && !open && !is_named(caller, kOfficer)) {
            return context->fail(
                {ErrorCode::kPermissionDenied, "This needs a key whose scopes name compliance:officer."});
        }
        if (strict && !context->warnings().empty()) {
            return context->fail({ErrorCode::kFailedValidation,
                                  "What is not known is refused here, not left out: " + context->warnings().front()});
        }
        inner(context);
    };
}

std::vector<Schema::Member> filter_members() {
    std::vector<Schema::Member> members;
    for (Field& field : filter_fields()) members.push_back(pipeline::optional(field.name, std::move(field.schema)));
    return members;
}

std::vector<pipeline::Parameter> filter_parameters() {
    std::vector<pipeline::Parameter> parameters;
    for (Field& field : filter_fields()) parameters.push_back({.name = field.name, .schema = std::move(field.schema)});
    return parameters;
}

std::optional<audit::HistoryFilter> take_filter(pipeline::Context& context, const Reach& reach, From from_where) {
    if (!context.warnings().empty()) {
        context.fail({ErrorCode::kFailedValidation,
                      "A filter that is not known filters nothing: " + context.warnings().front()});
        return std::nullopt;
    }
    const auto text = [&](std::string_view name) -> std::optional<std::string> {
        if (from_where == From::kQuery) return context.query(name);
        const auto member = context.body().find(name);
        if (!member || member->kind() != json::Kind::kString) return std::nullopt;
        return std::string(member->as_string());
    };
    audit::HistoryFilter filter;
    filter.tenant = text("tenant");
    if (!reach.all) {
        if (filter.tenant && *filter.tenant != reach.tenant) {
            context.fail({ErrorCode::kPermissionDenied, "The key sees its own tenant's records only."});
            return std::nullopt;
        }
        filter.tenant = reach.tenant;
    }
    filter.service = text("service");
    filter.operation = text("operation");
    filter.content_type = text("content_type");
    filter.band = text("band");
    if (const auto status = text("status")) filter.status = audit::parse_status(*status);
    filter.model = text("model");
    filter.model_version = text("model_version");
    filter.actor = text("actor");
    // Validated by the schema already: a value that is there parses.
    if (const auto from = text("from")) filter.from = parse_rfc3339(*from).value();
    if (const auto to = text("to")) filter.to = parse_rfc3339(*to).value();
    if (text("kind") == "event") filter.kind = audit::RecordKind::kEvent;
    if (filter.from && filter.to && *filter.to <= *filter.from) {
        context.fail({{"to", "must be after `from`", "too_small"}});
        return std::nullopt;
    }
    return filter;
}

std::string to_json(const audit::HistoryFilter& filter) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    const auto field = [&](std::string_view name, const std::optional<std::string>& value) {
        if (value) writer.field(name, *value);
    };
    field("tenant", filter.tenant);
    field("service", filter.service);
    field("operation", filter.operation);
    field("content_type", filter.content_type);
    field("band", filter.band);
    if (filter.status) writer.field("status", audit::to_string(*filter.status));
    field("model", filter.model);
    field("model_version", filter.model_version);
    field("actor", filter.actor);
    if (filter.from) writer.field("from", format_rfc3339(*filter.from));
    if (filter.to) writer.field("to", format_rfc3339(*filter.to));
    writer.field("kind", filter.kind == audit::RecordKind::kEvent ? "event" : "decision");
    writer.end_object();
    return out;
}

audit::Decision access_event(pipeline::Context& context, std::string_view operation, std::string what) {
    audit::Decision event = context.make_decision(kService, operation, what);
    event.kind = audit::RecordKind::kEvent;
    event.output = std::move(what);
    return event;
}

Result<void> record_access(pipeline::Context& context, audit::Decision event) {
    std::promise<Result<void>> promise;
    auto durable = promise.get_future();
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context.record(std::move(events), [&promise](Result<void> outcome) { promise.set_value(std::move(outcome)); });
    return durable.get();
}

Schema record_schema() {
    return Schema::object({
                              pipeline::required("id", Schema::string().format("uuid")),
                              pipeline::required("request_id", Schema::string()),
                              pipeline::required("service", Schema::string()),
                              pipeline::required("operation", Schema::string()),
                              pipeline::required("status", Schema::string()),
                          })
        .open()
        .doc("A record as it is kept: every member of it.");
}

}  // namespace tidegate::compliance
