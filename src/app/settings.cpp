#include "app/settings.h"

#include "app/services.h"

namespace tidegate::app {
namespace {

void declare(settings::Table& table, ProcessSettings& s) {
    table.group("data", "What the server keeps");
    table.add("data.dir", s.data_dir, "data").flag("data-dir").doc("Folder of the database; made when it is missing.");
    table.group("log", "The server's own log");
    table.add("log.level", s.log_level, "info")
        .choices({"debug", "info", "warn", "error", "off"})
        .doc("Least level that is written.");
    table.add("log.path", s.log_path, "").doc("File for the log; empty means standard error. SIGHUP opens it anew.");
    table.group("metrics", "Prometheus");
    table.add("metrics.enabled", s.metrics_enabled, true).env_aliases({"APT_ENABLE_PROMETHEUS"}).doc("Serve /metrics.");
    table.group("pools", "Threads behind the event loops");
    table.add("pools.cpu_threads", s.cpu_threads, 0)
        .range(0, 256)
        .unit("threads")
        .env_aliases({"WORKER_THREADS"})
        .doc("For detectors and JSON; 0 means one a core.");
    table.add("pools.cpu_queue_max", s.cpu_queue_max, 2048)
        .range(1, 1'000'000)
        .unit("requests")
        .doc("Requests that may wait for a CPU thread; one more gets 503.");
    table.add("pools.blocking_threads", s.blocking_threads, 4)
        .range(1, 256)
        .unit("threads")
        .doc("For database reads and streams; exports, reports and a verification have theirs beside them.");
    table.add("pools.blocking_queue_max", s.blocking_queue_max, 512)
        .range(1, 1'000'000)
        .unit("requests")
        .doc("Requests that may wait for a blocking thread; one more gets 503.");
}

void declare(settings::Table& table, DatabaseSettings& s) {
    table.group("database", "PostgreSQL, when audit.store or content.store is `postgres`");
    table.add("database.url", s.url)
        .env_aliases({"DATABASE_URL", "APT_DATABASE_URL"})
        .doc(
            "`postgresql://[user[:password]@]host[:port]/database`; the record's home when audit.store is `postgres`, "
            "that of texts, users, cards and tokens when content.store is.");
    table.add("database.schema", s.schema, "tidegate")
        .doc("The schema with our tables; one log each. 1 to 40 of a-z, 0-9 and _.");
    table.add("database.recent_days", s.recent_days, 30)
        .range(1, 36'500)
        .unit("days")
        .doc(
            "So long, to the end of a month, each record is also a row that can be queried and is found by its "
            "request.");
}

void declare(settings::Table& table, RedisSettings& s) {
    using std::chrono::milliseconds;
    table.group("redis", "What several servers share: limits, spend, the second level of the cache");
    table.add("redis.enabled", s.enabled, true).env_aliases({"REDIS_ENABLED"}).doc("Use Redis when redis.url is set.");
    table.add("redis.url", s.url)
        .env_aliases({"REDIS_URL"})
        .doc("`redis://[user:password@]host[:port][/database]`; empty: each server for itself.");
    table.add("redis.command_max_ms", s.command_max, milliseconds(50))
        .range(milliseconds(1), milliseconds(10'000))
        .doc("A slower answer counts as none, and the server goes on by itself.");
    table.add("redis.connect_max_ms", s.connect_max, milliseconds(1000))
        .range(milliseconds(10), milliseconds(60'000))
        .doc("Longest attempt to connect.");
}

}  // namespace

void declare(settings::Table& table, AppSettings& s) {
    http::declare(table, s.server);
    limits::declare(table, s.limits);
    declare(table, s.process);
    pipeline::declare(table, s.pipeline);
    pipeline::declare(table, s.identity);
    pipeline::spend::declare(table, s.spend);
    upstream::declare(table, s.admission);
    declare(table, s.database);
    declare(table, s.redis);
    cache::declare(table, s.cache);
    pipeline::declare_answers(table, s.pipeline);  // In the group `cache`.
    table.list("upstreams", s.upstreams, upstream::declare_upstream, "Other services that requests are passed on to.",
               "name");
    table.list("routes", s.routes, proxy::declare_route, "Which requests are passed on, and under what rules.", "name");
    audit::declare(table, s.audit);
    audit::keep::declare(table, s.keep);
    bus::declare(table, s.bus);
    audit::privacy::declare(table, s.privacy);
    compliance::declare(table, s.compliance);
    compliance::declare(table, s.reports);  // In the group `compliance`.
    compliance::declare(table, s.drift);
    compliance::ingest::declare(table, s.ingest);
    performance::declare(table, s.performance);
    telemetry::declare(table, s.tracing);
    provenance::declare(table, s.provenance);
    s.services = make_services();
    for (const auto& one : s.services) one->declare(table);
    model::declare(table, s.models);
    inference::declare(table, s.inference);
    jobs::declare(table, s.jobs);
    alerts::declare(table, s.alerts);
}

}  // namespace tidegate::app
