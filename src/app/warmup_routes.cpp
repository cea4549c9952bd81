#include "app/warmup_routes.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "pipeline/context.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using WarmupParts = std::shared_ptr<const WarmupRouteParts>;

// Whoever asks waits for the answer: shorter than proxies and clients commonly wait.
constexpr Duration kDeadline = std::chrono::seconds(20);
constexpr std::uint64_t kTopDefault = 100;
constexpr std::uint64_t kTopMax = cache::HotKeys::kKeysMax;

/// The most requested, of one route where it is named.
std::vector<cache::HotKey> take_top(const WarmupRouteParts& parts, std::uint64_t top, std::string_view route) {
    std::vector<cache::HotKey> keys = parts.hot_keys.top(2 * cache::HotKeys::kKeysMax, parts.clock.now());
    if (!route.empty()) {
        std::erase_if(keys, [&](const cache::HotKey& key) {
            const auto replay = proxy::unpack_replay(key.replay);
            return !replay || replay->route != route;
        });
    }
    keys.resize(std::min<std::size_t>(keys.size(), top));
    return keys;
}

void reply_warmup(const ContextPtr& context, const proxy::WarmupReport& report) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("keys", report.keys).field("asked", report.asked).field("fresh", report.fresh);
    writer.field("busy", report.busy).field("stored", report.stored).field("not_kept", report.not_kept);
    writer.field("failed", report.failed).field("unfinished", report.unfinished).end_object();
    context->reply_json(std::move(body));
}

void warm_up(const ContextPtr& context, const WarmupRouteParts& parts) {
    const auto top = context->body().find("top");
    const auto named = context->body().find("route");
    const std::string route(named ? named->as_string() : "");
    if (named && std::ranges::find(parts.routes, route) == parts.routes.end()) {
        return context->fail(
            {{"route", "is not the name of a route of the settings that keeps answers", "not_allowed"}});
    }
    const std::uint64_t count = top ? static_cast<std::uint64_t>(top->as_int()) : kTopDefault;
    const bool begun =
        parts.proxy.warm_up(take_top(parts, count, route), kDeadline,
                            [context](const proxy::WarmupReport& report) { reply_warmup(context, report); });
    if (!begun) context->fail({ErrorCode::kUnavailable, "the server is starting or stopping"});
}

void show_hot(const ContextPtr& context, const WarmupRouteParts& parts) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("keys").begin_array();
    for (const cache::HotKey& key : take_top(parts, kTopDefault, {})) {
        const auto replay = proxy::unpack_replay(key.replay);
        if (!replay) continue;
        writer.begin_object().field("requests", key.count).field("error", key.error);
        writer.field("route", replay->route).field("method", replay->method).field("target", replay->target);
        writer.field("body_bytes", replay->body.size()).end_object();
    }
    writer.end_array().end_object();
    context->reply_json(std::move(body));
}

Route warmup_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "operations";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = {"admin"};
    route.access = pipeline::Access::kAdmin;
    return route;
}

Schema report_schema() {
    const auto count = [](const char* name, const char* doc) { return required(name, Schema::integer().doc(doc)); };
    return Schema::object({
        count("keys", "Looked at: the sum of what follows, `asked` aside."),
        count("asked", "For which Redis or the upstream was asked."),
        count("fresh", "Kept and fresh already."),
        count("busy", "A client was fetching it."),
        count("stored", "Asked, and kept now."),
        count("not_kept", "Answered, but the answer may not be kept."),
        count("failed", "Not answered, or the route is gone."),
        count("unfinished", "The time was over first (20 s)."),
    });
}

}  // namespace

void register_warmup_routes(std::vector<Route>& routes, WarmupRouteParts all_parts) {
    const auto parts = std::make_shared<const WarmupRouteParts>(std::move(all_parts));

    Route warm = warmup_route(http::Method::kPost, "/api/v1/cache/warmup", "cache_warmup",
                              "Asks upstreams again for what was requested most and is not fresh in the cache.");
    warm.request = Schema::object({
        optional("top", Schema::integer().range(1, static_cast<double>(kTopMax)).doc("So many keys; 100.")),
        optional("route", Schema::string().size(1, 128).doc("Of this route of the settings alone.")),
    });
    warm.body_bytes_max = 4096;
    warm.example = R"({"top":100})";
    warm.response = report_schema();
    warm.handler = [parts](const ContextPtr& context) { warm_up(context, *parts); };
    routes.push_back(std::move(warm));

    Route hot = warmup_route(
        http::Method::kGet, "/api/v1/cache/hot", "cache_hot",
        "The most requested keys of the last one to two hours, as far as nobody's credential is part of them.");
    const auto number = [](const char* name, const char* doc) { return required(name, Schema::integer().doc(doc)); };
    hot.response = Schema::object(
        {required("keys", Schema::array(Schema::object({
                              number("requests", "Estimated from one request in sixteen."),
                              number("error", "By so much `requests` may be too high, beside the sampling."),
                              required("route", Schema::string()),
                              required("method", Schema::string()),
                              required("target", Schema::string().doc("As the upstream sees it.")),
                              number("body_bytes", "Of a POST."),
                          })))});
    hot.handler = [parts](const ContextPtr& context) { show_hot(context, *parts); };
    routes.push_back(std::move(hot));
}

}  // namespace tidegate::app
