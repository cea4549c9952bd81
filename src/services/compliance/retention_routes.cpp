#include "services/compliance/retention_routes.h"

#include "audit/privacy/policy.h"
#include "base/strings.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

using audit::keep::Hold;
using audit::keep::RetentionPlan;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::int64_t kMsPerDay = 86'400'000;

Reach reach(const ContextPtr& context, const RetentionParts& parts) {
    return reach_of(context->caller().get(), parts.loopback_without_keys, {kOfficer, kAudit});
}

std::string actor_of(const ContextPtr& context) {
    return context->caller() ? context->caller()->actor : std::string();
}

void write_state(JsonWriter& writer, const RetentionPlan& plan, const RetentionParts& parts) {
    const auto& options = parts.retention.options();
    const auto age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.age).count();
    writer.key("retention_days");
    age_ms == 0 ? writer.null() : writer.value(static_cast<double>(age_ms) / static_cast<double>(kMsPerDay));
    writer.key("plan").begin_object();
    append_members(writer, plan);
    writer.end_object();
    const auto health = parts.retention.health();
    writer.field("runs", health.runs).field("records_dropped", health.records_dropped);
    writer.key("last_run");
    health.last_run == 0 ? writer.null() : writer.value(format_rfc3339(health.last_run));
    writer.key("last_failure");
    health.reason.empty() ? writer.null() : writer.value(health.reason);
}

void reply_plan(const ContextPtr& context, const Result<RetentionPlan>& plan, const RetentionParts& parts, bool ran) {
    if (!plan) return context->fail(plan.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("ran", ran);
    write_state(writer, *plan, parts);
    writer.end_object();
    context->reply_json(std::move(body));
}

bool refuse_tenants(const ContextPtr& context, const RetentionParts& parts) {
    if (reach(context, parts).all) return false;
    context->fail(
        {ErrorCode::kPermissionDenied,
         "The schedule is everybody's: this needs a key without a tenant that names compliance:officer, or to read "
         "compliance:audit."});
    return true;
}

void answer_schedule(const ContextPtr& context, const RetentionParts& parts) {
    if (refuse_tenants(context, parts)) return;
    reply_plan(context, parts.retention.preview(), parts, false);
}

void answer_run(const ContextPtr& context, const RetentionParts& parts) {
    if (refuse_tenants(context, parts)) return;
    const auto run = context->body().find("run");
    if (!run || !run->as_bool()) return reply_plan(context, parts.retention.preview(), parts, false);
    reply_plan(context, parts.retention.run(actor_of(context)), parts, true);
}

void reply_hold(const ContextPtr& context, const Result<Hold>& hold) {
    if (!hold) return context->fail(hold.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    append_members(writer, *hold);
    writer.end_object();
    context->reply_json(std::move(body));
}

std::string_view text_in(json::Value body, std::string_view name) {
    const auto member = body.find(name);
    return member && member->kind() == json::Kind::kString ? member->as_string() : std::string_view();
}

void answer_place(const ContextPtr& context, const RetentionParts& parts) {
    const json::Value body = context->body();
    const Reach own = reach(context, parts);
    Hold hold;
    hold.reason = text_in(body, "reason");
    hold.tenant = text_in(body, "tenant");
    if (!own.all) {
        if (own.tenant.empty() || (!hold.tenant.empty() && hold.tenant != own.tenant)) {
            return context->fail({ErrorCode::kPermissionDenied, "A key of a tenant holds that tenant's records only."});
        }
        hold.tenant = own.tenant;
    }
    // The schema has seen that they parse.
    if (const auto from = text_in(body, "from"); !from.empty()) hold.from = parse_rfc3339(from).value();
    if (const auto to = text_in(body, "to"); !to.empty()) hold.to = parse_rfc3339(to).value();
    if (hold.from && hold.to && *hold.to <= *hold.from) {
        return context->fail({{"to", "must be after `from`", "too_small"}});
    }
    if (parts.privacy != nullptr) parts.privacy->redact_text(hold.reason);
    hold.placed_by = actor_of(context);
    reply_hold(context, parts.retention.place(std::move(hold)));
}

void answer_list(const ContextPtr& context, const RetentionParts& parts) {
    const Reach own = reach(context, parts);
    audit::keep::HoldQuery query;
    query.active_only = context->query("active").value_or("false") == "true";
    query.limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    query.before = context->query_int("cursor").value_or(0);
    query.tenant = own.tenant_filter();
    const auto holds = parts.holds.list(query);
    if (!holds) return context->fail(holds.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Hold& hold : *holds) {
        writer.begin_object();
        append_members(writer, hold);
        writer.end_object();
    }
    writer.end_array().key("next_cursor");
    holds->size() == query.limit ? writer.value(std::to_string(holds->back().id)) : writer.null();
    writer.end_object();
    context->reply_json(std::move(body));
}

void answer_release(const ContextPtr& context, const RetentionParts& parts) {
    const auto id = parse_u64(context->path_parameter("id"));
    const auto hold = parts.holds.find(id ? static_cast<std::int64_t>(*id) : 0);
    if (!hold) return context->fail(hold.error());
    const Reach own = reach(context, parts);
    // Another tenant's looks like one that does not exist.
    if (!own.all && (own.tenant.empty() || hold->tenant != own.tenant)) {
        return context->fail({ErrorCode::kNotFound, "there is no such hold"});
    }
    reply_hold(context, parts.retention.release(hold->id, actor_of(context)));
}

Schema hold_schema() {
    const Schema time = Schema::string().format("date-time").nullable();
    return Schema::object({required("id", Schema::integer()), required("reason", Schema::string()),
                           required("tenant", Schema::string().nullable()), required("from", time),
                           required("to", time), required("placed_by", Schema::string()),
                           required("placed_at", Schema::string().format("date-time")),
                           required("active", Schema::boolean()), required("released_by", Schema::string().nullable()),
                           required("released_at", time)});
}

Schema plan_schema() {
    return Schema::object(
        {required("ran", Schema::boolean()), required("retention_days", Schema::number().nullable()),
         required("plan",
                  Schema::object({required("before", Schema::string().format("date-time").nullable()),
                                  required("first_leaf", Schema::integer()), required("drop_before", Schema::integer()),
                                  required("segments", Schema::integer()), required("records", Schema::integer()),
                                  required("held_by", Schema::integer().nullable()),
                                  required("waits_for_checkpoint", Schema::boolean())})),
         required("runs", Schema::integer()), required("records_dropped", Schema::integer()),
         required("last_run", Schema::string().format("date-time").nullable()),
         required("last_failure", Schema::string().nullable())});
}

Route begin_retention_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "compliance";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    // Reading is an auditor's; what changes something an officer's.
    route.scopes = {std::string(kOfficer)};
    if (method == http::Method::kGet) route.scopes.emplace_back(kAudit);
    return route;
}

Route place_route(const RetentionParts& parts) {
    Route route = begin_retention_route(http::Method::kPost, "/api/compliance/hold", "place_hold",
                                        "Keeps records from being deleted, whatever the retention says.");
    const Schema time = Schema::string().format("date-time").nullable();
    route.request = Schema::object({
        required("reason", Schema::string().size(1, 1000)),
        optional("tenant",
                 Schema::string().size(1, 128).nullable().doc("Default: the caller's; none: every tenant's.")),
        optional("from", time),
        optional("to", time),
    });
    route.response = hold_schema();
    route.body_bytes_max = 16 * 1024;
    route.example = R"({"reason":"case 2026-17","from":"2026-01-01T00:00:00Z"})";
    route.handler = [parts](const ContextPtr& context) { answer_place(context, parts); };
    return route;
}

Route list_route(const RetentionParts& parts) {
    Route route =
        begin_retention_route(http::Method::kGet, "/api/compliance/hold", "list_holds", "Legal holds, newest first.");
    route.query = {{.name = "active", .schema = Schema::string().one_of({"true", "false"})},
                   {.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
                   {.name = "cursor", .schema = Schema::integer().range(1, 9e15).doc("`next_cursor` before.")}};
    route.response = Schema::object(
        {required("items", Schema::array(hold_schema())), required("next_cursor", Schema::string().nullable())});
    route.example = "limit=5";
    route.handler = [parts](const ContextPtr& context) { answer_list(context, parts); };
    return route;
}

}  // namespace

void register_retention_routes(std::vector<Route>& routes, const RetentionParts& parts) {
    Route schedule = begin_retention_route(http::Method::kGet, "/api/compliance/retention", "get_retention",
                                           "How long records are kept, and what a run would remove now.");
    schedule.response = plan_schema();
    schedule.handler = [parts](const ContextPtr& context) { answer_schedule(context, parts); };
    routes.push_back(std::move(schedule));

    Route run = begin_retention_route(http::Method::kPost, "/api/compliance/retention", "run_retention",
                                      "Shows what a run would remove, or with `run`: true removes it.");
    run.request = Schema::object({optional("run", Schema::boolean().doc("Default false: a preview."))});
    run.response = plan_schema();
    run.body_bytes_max = 1024;
    run.example = R"({"run":false})";
    run.handler = [parts](const ContextPtr& context) { answer_run(context, parts); };
    routes.push_back(std::move(run));

    routes.push_back(place_route(parts));
    routes.push_back(list_route(parts));

    Route release = begin_retention_route(http::Method::kDelete, "/api/compliance/hold/{id}", "release_hold",
                                          "Ends a legal hold; it stays in the list, and the log says who ended it.");
    release.path_parameters = {{.name = "id", .schema = Schema::integer().range(1, 9e15), .required = true}};
    release.response = hold_schema();
    release.handler = [parts](const ContextPtr& context) { answer_release(context, parts); };
    routes.push_back(std::move(release));
}

}  // namespace tidegate::compliance
