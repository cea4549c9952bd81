#include "app/key_routes.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "pipeline/context.h"
#include "pipeline/identity/key_text.h"
#include "pipeline/identity/rate.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::KeyRecord;
using pipeline::KeySpec;
using pipeline::NewKey;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using pipeline::Work;

constexpr std::int64_t kOverlapDefaultS = 86'400;
constexpr std::int64_t kOverlapMaxS = 31 * 86'400;
constexpr double kCapMax = 9e9;  // What parse_points takes.

std::vector<Schema::Member> record_members() {
    const Schema time = Schema::string().format("date-time").nullable();
    return {
        required("id", Schema::string().doc("The public half of the key.")),
        required("family", Schema::string().doc("The first key of a chain of rotations: stands in every decision.")),
        required("name", Schema::string()),
        required("state", Schema::string().one_of({"active", "overlap", "expired", "revoked"})),
        required("tenant", Schema::string().nullable()),
        required("scopes", Schema::array(Schema::string())),
        required("rate", Schema::string().nullable().doc("`600/1m burst 60`")),
        required("daily_cap", Schema::number().nullable().doc("Points a day.")),
        required("created_at", Schema::string().format("date-time")),
        required("expires_at", time),
        required("rotated_from", Schema::string().nullable()),
        required("rotated_to", Schema::string().nullable()),
        required("overlap_ends_at", time),
        required("revoked_at", time),
        required("last_used_at", time),
    };
}

Schema record_schema() {
    return Schema::object(record_members());
}

Schema new_key_schema() {
    std::vector<Schema::Member> members = record_members();
    members.insert(members.begin(),
                   required("key", Schema::string().doc("The key itself: shown here and never again.")));
    return Schema::object(std::move(members));
}

void reply_record(const ContextPtr& context, const Result<KeyRecord>& record, const KeyRouteParts& parts) {
    if (!record) return context->fail(record.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    append_members(writer, *record, parts.clock.unix_ms());
    writer.end_object();
    context->reply_json(std::move(body));
}

void reply_new_key(const ContextPtr& context, const Result<NewKey>& made, const KeyRouteParts& parts) {
    if (!made) return context->fail(made.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("key", made->text);
    append_members(writer, made->record, parts.clock.unix_ms());
    writer.end_object();
    context->reply_json(std::move(body));
}

/// The members that a schema cannot judge alone; nothing when the request was refused.
std::optional<KeySpec> take_spec(const ContextPtr& context) {
    const json::Value body = context->body();
    KeySpec spec;
    std::vector<pipeline::FieldError> errors;
    const auto text = [&](std::string_view name) {
        const auto member = body.find(name);
        return member && member->kind() == json::Kind::kString ? member->as_string() : std::string_view();
    };
    spec.name = text("name");
    spec.tenant = text("tenant");
    if (const auto scopes = body.find("scopes")) {
        scopes->each([&](json::Value scope) { spec.scopes.emplace_back(scope.as_string()); });
    } else {
        spec.scopes = {"*"};
    }
    if (const std::string_view rate = text("rate"); !rate.empty()) {
        if (const auto parsed = pipeline::parse_rate(rate)) {
            spec.rate = *parsed;
        } else {
            errors.push_back({"rate", parsed.error().message, "bad_format"});
        }
    }
    if (const auto cap = body.find("daily_cap"); cap && cap->is_number()) {
        const double milli = cap->as_double() * 1000;
        if (std::abs(milli - std::round(milli)) > 1e-6 * std::max(1.0, milli)) {
            errors.push_back({"daily_cap", "takes at most three decimals", "bad_format"});
        }
        spec.daily_cap = Points{std::llround(milli)};
    }
    if (const std::string_view expires = text("expires_at"); !expires.empty()) {
        spec.expires = parse_rfc3339(expires).value();  // The schema has seen that it parses.
    }
    if (errors.empty()) return spec;
    context->fail(std::move(errors));
    return std::nullopt;
}

void answer_create(const ContextPtr& context, const KeyRouteParts& parts) {
    const auto spec = take_spec(context);
    if (spec) reply_new_key(context, parts.keys.create(*spec), parts);
}

void answer_rotate(const ContextPtr& context, const KeyRouteParts& parts) {
    const auto overlap = std::chrono::seconds(context->query_int("overlap_s").value_or(kOverlapDefaultS));
    std::optional<UnixMillis> expires;
    if (const auto text = context->query("expires_at")) expires = parse_rfc3339(*text).value();
    reply_new_key(context, parts.keys.rotate(context->path_parameter("id"), overlap, expires), parts);
}

void answer_keys(const ContextPtr& context, const KeyRouteParts& parts) {
    const auto records = parts.keys.list();
    if (!records) return context->fail(records.error());
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    const std::string cursor = context->query("cursor").value_or("");
    std::size_t at = 0;
    // The cursor is the last key of the page before; keys are never taken out of the list.
    while (!cursor.empty() && at < records->size() && (*records)[at].public_id != cursor) ++at;
    if (!cursor.empty() && at == records->size()) {
        return context->fail({{"cursor", "is not one that a page has given", "not_allowed"}});
    }
    if (!cursor.empty()) ++at;
    const std::size_t end = std::min(records->size(), at + limit);
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (std::size_t i = at; i < end; ++i) {
        writer.begin_object();
        append_members(writer, (*records)[i], parts.clock.unix_ms());
        writer.end_object();
    }
    writer.end_array().key("next_cursor");
    end<records->size() && end> at ? writer.value((*records)[end - 1].public_id) : writer.null();
    writer.field("total", records->size()).end_object();
    context->reply_json(std::move(body));
}

Schema create_schema() {
    return Schema::object({
        required("name", Schema::string().size(1, 128).doc("For people: who uses the key.")),
        optional("tenant", Schema::string().size(1, 128).nullable()),
        optional("scopes", Schema::array(Schema::string().size(1, 64))
                               .size(1, 32)
                               .doc("Route families (`provenance`, `provenance:read`), `*` for all of them, `admin`. "
                                    "Default `*`.")),
        optional("rate", Schema::string().size(1, 64).nullable().doc("As `600/1m` or `600/1m burst 60`.")),
        optional("daily_cap", Schema::number().range(0, kCapMax).nullable().doc("Points a day.")),
        optional("expires_at", Schema::string().format("date-time").nullable()),
    });
}

Route admin_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "keys";
    route.summary = std::move(summary);
    route.work = Work::kBlocking;
    route.scopes = {"admin"};
    route.access = pipeline::Access::kAdmin;
    if (route.path.find("{id}") != std::string::npos) {
        route.path_parameters = {{.name = "id",
                                  .schema = Schema::string().size(pipeline::kPublicIdSize, pipeline::kPublicIdSize),
                                  .required = true}};
    }
    return route;
}

}  // namespace

void register_key_routes(std::vector<Route>& routes, const KeyRouteParts& parts) {
    using http::Method;
    Route create = admin_route(Method::kPost, "/api/keys", "create_key", "Makes a key and shows it once.");
    create.request = create_schema();
    create.response = new_key_schema();
    create.body_bytes_max = 16 * 1024;
    create.example =
        R"({"name":"mobile app","tenant":"north","scopes":["provenance"],"rate":"600/1m","daily_cap":100})";
    create.handler = [parts](const ContextPtr& context) { answer_create(context, parts); };
    routes.push_back(std::move(create));

    Route list = admin_route(Method::kGet, "/api/keys", "list_keys", "All keys, newest first; never their secrets.");
    list.query = {{.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
                  {.name = "cursor", .schema = Schema::string().size(1, 64).doc("`next_cursor` of the page before.")}};
    list.response =
        Schema::object({required("items", Schema::array(record_schema())),
                        required("next_cursor", Schema::string().nullable()), required("total", Schema::integer())});
    list.example = "limit=5";
    list.handler = [parts](const ContextPtr& context) { answer_keys(context, parts); };
    routes.push_back(std::move(list));

    const auto revoke = [parts](const ContextPtr& context) {
        reply_record(context, parts.keys.revoke(context->path_parameter("id")), parts);
    };
    const std::string what = "Ends a key at once, also for what it has under way.";
    for (auto [method, path, operation] : {std::tuple(Method::kPost, "/api/keys/{id}/revoke", "revoke_key"),
                                           std::tuple(Method::kDelete, "/api/keys/{id}", "delete_key")}) {
        Route route = admin_route(method, path, operation, what);
        route.response = record_schema();
        route.handler = revoke;
        routes.push_back(std::move(route));
    }

    Route rotate = admin_route(Method::kPost, "/api/keys/{id}/rotate", "rotate_key",
                               "Makes the successor of a key; both work until the overlap ends.");
    rotate.query = {
        {.name = "overlap_s",
         .schema = Schema::integer().range(0, static_cast<double>(kOverlapMaxS)).doc("Default 86400, a day.")},
        {.name = "expires_at", .schema = Schema::string().format("date-time").doc("Default: the old key's.")}};
    rotate.response = new_key_schema();
    rotate.example = "overlap_s=3600";
    rotate.handler = [parts](const ContextPtr& context) { answer_rotate(context, parts); };
    routes.push_back(std::move(rotate));
}

}  // namespace tidegate::app
