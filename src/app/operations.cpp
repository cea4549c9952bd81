#include "app/operations.h"

#include <algorithm>

#include "app/cache_routes.h"
#include "app/server.h"
#include "app/usage_routes.h"
#include "app/warmup_routes.h"
#include "base/embedded.h"
#include "pipeline/context.h"
#include "pipeline/openapi.h"

TG_EMBEDDED(docs_html)
TG_EMBEDDED(docs_css)
TG_EMBEDDED(docs_js)

namespace tidegate::app {
namespace {

using pipeline::CachePolicy;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;
using pipeline::Work;

void reply_fixed(const ContextPtr& context, std::string_view type, const std::shared_ptr<const std::string>& body) {
    http::Response response;
    response.headers.add("Content-Type", type);
    response.shared_body = body;
    context->reply(std::move(response));
}

void reply_live(const ContextPtr& context) {
    static const auto kBody = std::make_shared<const std::string>(R"({"status":"alive"})");
    reply_fixed(context, "application/json", kBody);
}

bool is_ready(const OperationParts& parts, const audit::LogHealth& log) {
    return (!log.degraded || parts.audit.goes_on()) && !parts.stopping.load(std::memory_order_relaxed);
}

void reply_ready(const ContextPtr& context, const OperationParts& parts) {
    const audit::LogHealth log = parts.audit.log().health();
    if (is_ready(parts, log)) return context->reply_json(R"({"status":"ready"})");
    const std::string reason =
        log.degraded ? "decisions cannot be recorded: " + log.reason : "the server is shutting down";
    context->fail({ErrorCode::kUnavailable, reason});
}

void write_pool(JsonWriter& writer, const runtime::WorkerPool& pool) {
    writer.key(pool.name()).begin_object();
    writer.field("threads", pool.thread_count()).field("waiting", pool.depth());
    writer.field("completed", pool.completed()).field("refused", pool.refused());
    writer.end_object();
}

void write_cache(JsonWriter& writer, CacheAssembly& cache) {
    const cache::StoreStats stats = cache.store().stats();
    writer.key("cache").begin_object();
    writer.field("total_entries", stats.entries).field("hits", stats.hits).field("misses", stats.misses);
    writer.field("stale_hits", stats.stale_hits);
    writer.key("hit_rate");
    const auto rate = hit_rate(stats);
    rate ? writer.value(*rate) : writer.null();
    writer.field("memory_usage_bytes", stats.bytes).field("memory_bytes_max", stats.bytes_max);
    writer.key("l2");
    cache.append_l2_state(writer);
    writer.end_object();
}

void reply_server_health(const ContextPtr& context, const OperationParts& parts, SteadyTime started) {
    const audit::LogHealth log = parts.audit.log().health();
    const std::string jobs_trouble = parts.jobs.trouble();
    const bool sound = is_ready(parts, log) && !log.degraded && !parts.audit.is_degraded() &&
                       !parts.compliance.is_degraded() && !parts.gate.is_degraded() && !parts.cache.is_degraded() &&
                       !parts.models.is_degraded() && !parts.proxy.is_degraded(parts.clock.now()) &&
                       jobs_trouble.empty() &&
                       std::ranges::none_of(parts.services, [](const auto& one) { return one.service->is_degraded(); });
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    writer.field("status", sound ? "ok" : "degraded");
    writer.field("version", version());
    writer.field("uptime_s", std::chrono::duration<double>(parts.clock.now() - started).count());
    writer.key("decisions").begin_object();
    writer.field("degraded", log.degraded);
    if (log.degraded) {
        writer.field("reason", log.reason).field("degraded_since", format_rfc3339(log.degraded_since));
    }
    writer.field("recorded", log.appended).field("failed", log.failed);
    writer.field("refused_full", log.refused_full).field("refused_invalid", log.refused_invalid);
    writer.field("waiting", log.queue_records).field("commits", log.commits);
    writer.field("last_commit_ms", static_cast<double>(log.commit_us_last) / 1000.0);
    writer.field("slowest_commit_ms", static_cast<double>(log.commit_us_max) / 1000.0);
    writer.field("size", log.size).field("first", log.first);
    writer.field("gap_records", log.gap_records);
    parts.audit.append_status(writer);
    writer.end_object();
    writer.key("pools").begin_object();
    write_pool(writer, parts.cpu);
    write_pool(writer, parts.blocking);
    writer.end_object();
    parts.gate.append_status(writer);
    parts.compliance.append_status(writer);
    write_cache(writer, parts.cache);
    parts.proxy.append_status(writer, parts.clock.now());
    writer.key("models").begin_object().field("text_detector", parts.text_model_version);
    parts.models.append_status(writer);
    writer.end_object();
    writer.key("jobs").begin_object().field("degraded", !jobs_trouble.empty());
    if (!jobs_trouble.empty()) writer.field("reason", jobs_trouble);
    writer.end_object();
    writer.key("services").begin_object();
    for (const RunningService& one : parts.services) {
        writer.key(one.name).begin_object().field("degraded", one.service->is_degraded());
        one.service->append_status(writer);
        writer.end_object();
    }
    writer.end_object();
    writer.field("response_time_ms", context->elapsed_ms());
    writer.end_object();
    context->reply_json(std::move(body));
}

void reply_metrics(const ContextPtr& context, const OperationParts& parts) {
    const auto form = observe::choose_exposition(context->head().headers.get("Accept").value_or(""));
    http::Response response;
    response.headers.add("Content-Type", observe::content_type(form));
    response.body = parts.metrics.render(form);
    context->reply(std::move(response));
}

Schema server_health_schema() {
    return Schema::object({
        required("status", Schema::string().one_of({"ok", "degraded"})),
        required("version", Schema::string()),
        required("uptime_s", Schema::number()),
        required("decisions",
                 Schema::object({}).open().doc("The record: what was kept, what waits, how long a commit took.")),
        required("pools", Schema::object({}).open()),
        required("identity", Schema::object({}).open().doc("Keys, and how tokens are checked.")),
        required("limits", Schema::object({}).open().doc("Whether limits are shared with other servers.")),
        required("spend", Schema::object({}).open().doc("Whether spend is shared with other servers.")),
        required("privacy", Schema::object({}).open().doc("What is replaced, and the content that is kept.")),
        optional("drift", Schema::object({}).open().doc("Streams that are watched, alerts that are open.")),
        optional("redis", Schema::object({}).open()),
        required("memory", Schema::object({}).open()),
        required("cache",
                 Schema::object({}).open().doc("What it holds; `l2`: whether answers are shared through Redis.")),
        required("upstreams", Schema::array(Schema::object({}).open())),
        required("models", Schema::object({}).open().doc("What runs models, which of them serve, which fail and why.")),
        required("jobs", Schema::object({}).open().doc("Whether durable work can be accepted and ended.")),
        required("services", Schema::object({}).open().doc("Each service by name: whether it can do all of its work.")),
        required("response_time_ms", Schema::number().doc("Measured for this answer.")),
    });
}

Schema status_schema(std::string word) {
    return Schema::object({required("status", Schema::string().one_of({std::move(word)}))});
}

Route operation(std::string path, std::string name, std::string summary) {
    Route route;
    route.method = http::Method::kGet;
    route.access = pipeline::Access::kOpen;
    route.path = std::move(path);
    route.operation = std::move(name);
    route.family = "operations";
    route.summary = std::move(summary);
    return route;
}

Route page(std::string path, std::string name, std::string summary, std::string type, std::string_view content) {
    Route route = operation(std::move(path), std::move(name), std::move(summary));
    route.work = Work::kCpu;  // Hashing and compressing 10 KB is not for a loop.
    route.response_type = type;
    route.cache = CachePolicy::kRevalidate;
    route.handler = [type, body = std::make_shared<const std::string>(content)](const ContextPtr& context) {
        http::Response response;
        response.headers.add("Content-Type", type);
        // Nothing but our own files runs on the page, and it is framed by nobody.
        response.headers.add(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
        response.headers.add("X-Content-Type-Options", "nosniff");
        response.shared_body = body;
        context->reply(std::move(response));
    };
    return route;
}

void register_cache(std::vector<Route>& routes, const OperationParts& parts) {
    CacheRouteParts of_cache{.cache = parts.cache, .clock = parts.clock, .routes = {}, .models = {"text_detector"}};
    for (const auto& route : parts.proxy.routes()) {
        if (!route->caches()) continue;
        of_cache.routes.push_back(route->options.name);
        // An upstream's model is known by the tag that the settings give its routes.
        for (const std::string_view tag : route->options.cache.tags) {
            if (tag.starts_with("model:")) of_cache.models.emplace_back(tag.substr(6));
        }
    }
    register_warmup_routes(
        routes,
        {.hot_keys = parts.cache.hot_keys(), .proxy = parts.proxy, .clock = parts.clock, .routes = of_cache.routes});
    // Services have put theirs into the table before.
    for (const Route& route : routes) {
        if (!route.keep) continue;
        of_cache.routes.push_back(route.operation);
        // A service's models are known by the tags of what it keeps.
        for (const std::string_view tag : route.keep->tags) {
            if (!tag.starts_with("model:")) continue;
            const std::string_view name = tag.substr(6);
            if (std::ranges::find(of_cache.models, name) == of_cache.models.end()) of_cache.models.emplace_back(name);
        }
    }
    register_cache_routes(routes, std::move(of_cache));
}

}  // namespace

bool is_ready(AuditAssembly& audit, const std::atomic<bool>& stopping) {
    return (!audit.log().health().degraded || audit.goes_on()) && !stopping.load(std::memory_order_relaxed);
}

void register_operations(std::vector<Route>& routes, const OperationParts& parts) {
    Route live = operation("/live", "live", "Is the process alive?");
    live.response = status_schema("alive");
    live.handler = reply_live;
    routes.push_back(std::move(live));

    Route ready = operation("/ready", "ready", "Would a request sent now be answered and recorded? 503 when not.");
    ready.response = status_schema("ready");
    ready.handler = [parts](const ContextPtr& context) { reply_ready(context, parts); };
    routes.push_back(std::move(ready));

    Route health = operation("/health", "health", "State of the parts, measured now.");
    health.response = server_health_schema();
    if (parts.models.status_reads_folder()) health.work = Work::kBlocking;
    health.handler = [parts, started = parts.clock.now()](const ContextPtr& context) {
        reply_server_health(context, parts, started);
    };
    routes.push_back(std::move(health));

    Route metrics = operation("/metrics", "metrics", "Prometheus text; OpenMetrics when asked for by Accept.");
    // Not on the CPU pool: the numbers are wanted most when its queue is full.
    metrics.work = Work::kBlocking;
    metrics.access = pipeline::Access::kScoped;
    metrics.scopes = {"metrics"};
    metrics.response_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics.handler = [parts](const ContextPtr& context) { reply_metrics(context, parts); };
    if (parts.metrics_enabled) routes.push_back(std::move(metrics));
    register_cache(routes, parts);
    register_usage(routes, parts.gate.spend_policy(), parts.gate.zone());

    routes.push_back(page("/docs", "docs", "This API as a page.", "text/html; charset=utf-8", docs_html()));
    routes.push_back(page("/docs/docs.css", "docs_css", "Style of the page.", "text/css; charset=utf-8", docs_css()));
    routes.push_back(
        page("/docs/docs.js", "docs_js", "Script of the page.", "text/javascript; charset=utf-8", docs_js()));
}

std::shared_ptr<const std::string> register_openapi(std::vector<Route>& routes) {
    Route route =
        operation("/openapi.json", "openapi", "The OpenAPI 3.1 document of this server, made from its route table.");
    route.work = Work::kCpu;
    route.cache = CachePolicy::kRevalidate;
    route.response = Schema::object({required("openapi", Schema::string())}).open();
    routes.push_back(std::move(route));
    auto document = std::make_shared<const std::string>(pipeline::openapi_document(routes, version()));
    routes.back().handler = [document](const ContextPtr& context) {
        reply_fixed(context, "application/json", document);
    };
    return document;
}

}  // namespace tidegate::app
