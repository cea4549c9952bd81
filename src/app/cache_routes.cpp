#include "app/cache_routes.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/strings.h"
#include "pipeline/context.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using pipeline::Work;
using CacheParts = std::shared_ptr<const CacheRouteParts>;

constexpr std::size_t kTextMax = 8192;  // A key holds a target and may hold a body.
constexpr std::array<std::string_view, 6> kSelectors{"key", "path", "prefix", "tag", "route", "all"};

Schema dropped_schema() {
    return Schema::object({required(
        "dropped", Schema::integer().doc("Answers of this server that were usable and are no more. Other servers that "
                                         "share the cache drop theirs as well; those are not counted."))});
}

void reply_number(const ContextPtr& context, std::string_view name, std::uint64_t number) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field(name, number).end_object();
    context->reply_json(std::move(body));
}

void reply_dropped(const ContextPtr& context, std::uint64_t dropped) {
    reply_number(context, "dropped", dropped);
}

void write_use(JsonWriter& writer, const cache::StoreStats& stats, const CacheRouteParts& parts) {
    writer.field("total_entries", stats.entries);
    writer.field("active_entries", parts.cache.store().fresh_entries(parts.clock.unix_ms()));
    writer.key("hit_rate");
    const auto rate = hit_rate(stats);
    rate ? writer.value(*rate) : writer.null();
    writer.field("memory_usage_bytes", stats.bytes).field("memory_bytes_max", stats.bytes_max);
}

void reply_stats(const ContextPtr& context, const CacheRouteParts& parts) {
    const cache::StoreStats stats = parts.cache.store().stats();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    write_use(writer, stats, parts);
    writer.field("hits", stats.hits).field("stale_hits", stats.stale_hits).field("misses", stats.misses);
    writer.field("inserts", stats.inserts).field("replaced", stats.replaced);
    writer.key("rejected").begin_object().field("too_large", stats.rejected_too_large);
    writer.field("invalidated", stats.rejected_invalidated).end_object();
    writer.key("evicted").begin_object().field("room", stats.evicted_for_room);
    writer.field("variants", stats.evicted_variants).end_object();
    writer.field("expired", stats.expired);
    writer.key("invalidated").begin_object().field("key", stats.invalidated_key);
    writer.field("prefix", stats.invalidated_prefix).field("tag", stats.invalidated_tag);
    writer.field("all", stats.invalidated_all).end_object();
    writer.key("flights");
    parts.cache.append_flights(writer);
    writer.key("l2");
    parts.cache.append_l2(writer);
    writer.end_object();
    context->reply_json(std::move(body));
}

void reply_cache_health(const ContextPtr& context, const CacheRouteParts& parts) {
    const cache::StoreStats stats = parts.cache.store().stats();
    std::string body;
    JsonWriter writer(body);
    const bool sound = stats.bytes <= stats.bytes_max && !parts.cache.is_degraded();
    writer.begin_object().field("status", sound ? "ok" : "degraded");
    write_use(writer, stats, parts);
    writer.key("l2");
    parts.cache.append_l2_state(writer);
    writer.end_object();
    context->reply_json(std::move(body));
}

/// The one selector of the body; nothing when the request was refused.
std::optional<std::pair<std::string_view, json::Value>> take_selector(const ContextPtr& context) {
    std::optional<std::pair<std::string_view, json::Value>> found;
    for (const std::string_view name : kSelectors) {
        const auto member = context->body().find(name);
        if (!member || (member->kind() == json::Kind::kBool && !member->as_bool())) continue;
        if (found) {
            context->fail({{std::string(name), "is one too many: one selector a request", "not_allowed"}});
            return std::nullopt;
        }
        found.emplace(name, *member);
    }
    if (!found) context->fail({{"", "needs one of key, path, prefix, tag, route, all", "missing"}});
    return found;
}

void invalidate(const ContextPtr& context, const CacheRouteParts& parts) {
    const auto selector = take_selector(context);
    if (!selector) return;
    const UnixMillis now = parts.clock.unix_ms();
    const auto& [name, value] = *selector;
    if (name == "all") return reply_dropped(context, parts.cache.invalidator().clear(now));
    const std::string text(value.as_string());
    if ((name == "path" || name == "prefix") && !text.starts_with('/')) {
        return context->fail({{std::string(name), "begins with `/`", "bad_format"}});
    }
    if (name == "key") return reply_dropped(context, parts.cache.invalidator().erase(cache::Key(text), now));
    if (name == "prefix") return reply_dropped(context, parts.cache.invalidator().erase_prefix(text, now));
    if (name == "tag") return reply_dropped(context, parts.cache.invalidator().erase_tag(cache::tag_hash(text), now));
    // Every kept answer has the tags of its target and of its route.
    if (name == "path")
        return reply_dropped(context, parts.cache.invalidator().erase_tag(cache::tag_hash("target:" + text), now));
    if (std::ranges::find(parts.routes, text) == parts.routes.end()) {
        return context->fail({{"route", "is not the name of a route whose answers may be kept", "not_allowed"}});
    }
    reply_dropped(context, parts.cache.invalidator().erase_tag(cache::tag_hash("route:" + text), now));
}

void delete_key(const ContextPtr& context, const CacheRouteParts& parts) {
    // A key holds slashes and line ends, which a path must not: it comes escaped once more than the path is.
    auto text = percent_decode(context->path_parameter("key"), false);
    if (!text) return context->fail({{"key", "holds a broken % escape", "bad_format"}});
    reply_dropped(context, parts.cache.invalidator().erase(cache::Key(*std::move(text)), parts.clock.unix_ms()));
}

void delete_model(const ContextPtr& context, const CacheRouteParts& parts) {
    const std::string name(context->path_parameter("name"));
    if (std::ranges::find(parts.models, name) == parts.models.end()) {
        return context->fail({ErrorCode::kNotFound, "There is no model of that name."});
    }
    reply_dropped(context,
                  parts.cache.invalidator().erase_tag(cache::tag_hash("model:" + name), parts.clock.unix_ms()));
}

std::vector<Schema::Member> use_members() {
    return {required("total_entries", Schema::integer()),
            required("active_entries", Schema::integer().doc("Fresh now.")),
            required("hit_rate", Schema::number().range(0, 1).nullable().doc(
                                     "Fresh hits of all questions since the start; null before the first.")),
            required("memory_usage_bytes", Schema::integer()), required("memory_bytes_max", Schema::integer())};
}

Schema l2_schema() {
    return Schema::object({required("configured", Schema::boolean()),
                           required("shared", Schema::boolean().doc("Answers are read from Redis now.")),
                           optional("reason", Schema::string().doc("Why not, or what else is wrong."))});
}

Schema stats_schema() {
    std::vector<Schema::Member> members = use_members();
    const auto counts = [](std::initializer_list<const char*> names) {
        std::vector<Schema::Member> counted;
        for (const char* name : names) counted.push_back(required(name, Schema::integer()));
        return Schema::object(std::move(counted));
    };
    for (const char* name : {"hits", "stale_hits", "misses", "inserts", "replaced", "expired"}) {
        members.push_back(required(name, Schema::integer()));
    }
    members.push_back(required("rejected", counts({"too_large", "invalidated"})));
    members.push_back(required("evicted", counts({"room", "variants"})));
    members.push_back(required("invalidated", counts({"key", "prefix", "tag", "all"})));
    members.push_back(required(
        "flights",
        counts({"led", "waited", "alone_uncacheable", "alone_full", "failed", "overdue", "under_way", "waiting"})
            .doc("Questions without a kept answer: who fetched, who waited for whom.")));
    members.push_back(required("l2", l2_schema().open().doc("With counts of what went to Redis and came from there.")));
    return Schema::object(std::move(members));
}

Schema cache_health_schema() {
    std::vector<Schema::Member> members = use_members();
    members.insert(members.begin(),
                   required("status", Schema::string()
                                          .one_of({"ok", "degraded"})
                                          .doc("degraded: it holds more than its limit, or `l2` says why.")));
    members.push_back(required("l2", l2_schema()));
    return Schema::object(std::move(members));
}

Schema invalidate_schema() {
    const Schema text = Schema::string().size(1, kTextMax);
    return Schema::object({
        optional("key", text.doc("The whole text of one key.")),
        optional("path", text.doc("Path and query as the upstream sees them, exactly; in all variants and methods.")),
        optional("prefix", text.doc("How the path begins; it begins with `/`.")),
        optional("tag", text.doc("A tag of the settings; `route:NAME`, `model:NAME`, `group:NAME` (RFC 9875).")),
        optional("route", text.doc("A route of the settings, or the operation of one of ours whose answers are kept.")),
        optional("all", Schema::boolean()),
    });
}

Route cache_view_route(std::string path, std::string operation, std::string summary) {
    Route route;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "operations";
    route.summary = std::move(summary);
    route.work = Work::kBlocking;
    return route;
}

Route cache_admin_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route = cache_view_route(std::move(path), std::move(operation), std::move(summary));
    route.method = method;
    route.scopes = {"admin"};
    route.access = pipeline::Access::kAdmin;
    route.response = dropped_schema();
    return route;
}

}  // namespace

std::optional<double> hit_rate(const cache::StoreStats& stats) noexcept {
    const std::uint64_t asked = stats.hits + stats.stale_hits + stats.misses;
    if (asked == 0) return std::nullopt;
    return static_cast<double>(stats.hits) / static_cast<double>(asked);
}

void register_cache_routes(std::vector<Route>& routes, CacheRouteParts all_parts) {
    using http::Method;
    const auto parts = std::make_shared<const CacheRouteParts>(std::move(all_parts));
    const auto add = [&](Route route, void (*handler)(const ContextPtr&, const CacheRouteParts&)) {
        route.handler = [parts, handler](const ContextPtr& context) { handler(context, *parts); };
        routes.push_back(std::move(route));
    };

    Route stats =
        cache_view_route("/api/v1/cache/stats", "cache_stats", "What the response cache holds and what it has done.");
    stats.response = stats_schema();
    add(std::move(stats), reply_stats);

    Route health = cache_view_route("/api/v1/cache/health", "cache_health",
                                    "Whether the response cache keeps to its limit and is shared as it should be.");
    health.response = cache_health_schema();
    add(std::move(health), reply_cache_health);

    Route some = cache_admin_route(Method::kPost, "/api/v1/cache/invalidate", "cache_invalidate",
                                   "Takes answers out of the cache, by exactly one selector.");
    some.request = invalidate_schema();
    some.body_bytes_max = 16 * 1024;
    some.example = R"({"prefix":"/cards/"})";
    add(std::move(some), invalidate);

    Route key = cache_admin_route(Method::kDelete, "/api/v1/cache/key/{key}", "cache_delete_key",
                                  "Takes one key out of the cache.");
    key.path_parameters = {
        {.name = "key",
         .schema = Schema::string()
                       .size(1, kTextMax)
                       .doc("The whole text of the key, percent-encoded and then percent-encoded again."),
         .required = true}};
    add(std::move(key), delete_key);

    Route clear =
        cache_admin_route(Method::kPost, "/health/cache/clear", "cache_clear", "Takes all answers out of the cache.");
    add(std::move(clear), [](const ContextPtr& context, const CacheRouteParts& p) {
        reply_dropped(context, p.cache.invalidator().clear(p.clock.unix_ms()));
    });

    Route cleanup = cache_admin_route(Method::kPost, "/health/cache/cleanup", "cache_cleanup",
                                      "Frees the memory of what has expired or was invalidated.");
    cleanup.response = Schema::object({required("freed", Schema::integer().doc("Answers."))});
    add(std::move(cleanup), [](const ContextPtr& context, const CacheRouteParts& p) {
        reply_number(context, "freed", p.cache.store().sweep_all(p.clock.unix_ms()));
    });

    Route model = cache_admin_route(Method::kDelete, "/api/v1/models/{name}/cache", "model_cache_delete",
                                    "Takes the answers of one model out of the cache.");
    model.path_parameters = {{.name = "name", .schema = Schema::string().size(1, 128), .required = true}};
    add(std::move(model), delete_model);
}

}  // namespace tidegate::app
