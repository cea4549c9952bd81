#include "app/performance_sources.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/as_double.h"
#include "base/file.h"
#include "base/strings.h"
#include "observe/process.h"
#include "observe/thread_times.h"
#include "pipeline/upstream/memory_ceiling.h"
#include "store/query_times.h"

namespace tidegate::app {
namespace {

using performance::RouteReading;
using performance::Series;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
/// Of threads by their names; those of no name here are `other`.
constexpr std::array<std::string_view, 7> kGroups{"loop", "cpu", "blocking", "audit", "model", "performance", "other"};

/// What several series are read from, once a sample.
struct SharedSamples {
    observe::ProcessSample process;
    observe::HeapSample heap;
    std::array<observe::ThreadGroup, kGroups.size()> groups;
    cache::StoreStats cache;
    audit::LogHealth log;
    double loop_lag_ms = 0;
};
using SharedPtr = std::shared_ptr<SharedSamples>;

void read_groups(SharedSamples& shared) {
    shared.groups = {};
    for (const auto& [name, group] : observe::read_threads()) {
        const auto found = std::ranges::find(kGroups, name);
        const std::size_t at =
            found == kGroups.end() ? kGroups.size() - 1 : static_cast<std::size_t>(found - kGroups.begin());
        shared.groups[at].cpu_seconds += group.cpu_seconds;
        shared.groups[at].threads += group.threads;
    }
}

class SeriesList {
  public:
    void level(std::string name, std::string unit, std::function<double()> read) {
        list_.push_back({.name = std::move(name), .unit = std::move(unit), .is_total = false, .read = std::move(read)});
    }
    void total(std::string name, std::string unit, std::function<double()> read) {
        list_.push_back({.name = std::move(name), .unit = std::move(unit), .is_total = true, .read = std::move(read)});
    }
    std::vector<Series> take() { return std::move(list_); }

  private:
    std::vector<Series> list_;
};

/// Cores' worth of time that the control groups (v2) of this process leave it; infinite without a bound. A bound may stand at any level
/// above its group, and inside a container the path that the process reads may lie outside of what it sees.
double cores_of_groups() {
    double least = std::numeric_limits<double>::infinity();
    const std::string groups = SystemDisk().read("/proc/self/cgroup", 65'536).value_or("");
    for (const std::string_view line : split(groups, '\n')) {
        if (!line.starts_with("0::/")) continue;
        for (std::string group(line.substr(3));; group.resize(group.rfind('/'))) {
            const std::string file = "/sys/fs/cgroup" + group + (group.ends_with('/') ? "" : "/") + "cpu.max";
            const std::string text = SystemDisk().read(file, 64).value_or("");
            const auto words = split(trim(text), ' ');
            const auto quota = words.size() == 2 ? parse_double(words[0]) : std::nullopt;
            const auto period = words.size() == 2 ? parse_double(words[1]) : std::nullopt;
            if (quota && period && *quota > 0 && *period > 0) least = std::min(least, *quota / *period);
            if (group.empty() || group == "/") break;
        }
    }
    return least;
}

/// What this process may use: of 64 cores two, where its affinity or its control group says so.
double cores_allowed() {
    double cores = std::max(1U, std::thread::hardware_concurrency());
    cpu_set_t set;
    if (::sched_getaffinity(::getpid(), sizeof(set), &set) == 0)
        cores = std::min(cores, static_cast<double>(CPU_COUNT(&set)));
    return std::min(cores, cores_of_groups());
}

void add_process(SeriesList& list, const SharedPtr& shared) {
    // What the start itself took, before the first sample began, is no load of that sample.
    const double before = std::isnan(shared->process.cpu_seconds) ? 0 : shared->process.cpu_seconds;
    list.total("cpu_seconds", "s", [shared, before] { return shared->process.cpu_seconds - before; });
    list.level("cores", "cores", cores_allowed);
    list.level("threads", "threads", [shared] { return shared->process.threads; });
    list.level("resident_bytes", "bytes", [shared] { return shared->process.resident_bytes; });
    list.level("memory_allowed_bytes", "bytes", [] {
        const auto allowed = upstream::memory_allowed();
        return allowed ? as_double(*allowed) : kUnknown;
    });
    list.level("heap_used_bytes", "bytes", [shared] { return shared->heap.used_bytes; });
    list.level("heap_arena_bytes", "bytes", [shared] { return shared->heap.arena_bytes; });
    list.level("open_descriptors", "descriptors", [shared] { return shared->process.open_descriptors; });
    list.level("loop_lag_ms", "ms", [shared] { return shared->loop_lag_ms; });
    for (std::size_t i = 0; i < kGroups.size(); ++i) {
        const std::string group(kGroups[i]);
        list.total("cpu_seconds." + group, "s",
                   [shared, i, from = shared->groups[i].cpu_seconds] { return shared->groups[i].cpu_seconds - from; });
        list.level("threads." + group, "threads", [shared, i] { return shared->groups[i].threads; });
    }
}

void add_cache(SeriesList& list, const SharedPtr& shared) {
    list.total("cache_hits", "look-ups", [shared] { return as_double(shared->cache.hits); });
    list.total("cache_misses", "look-ups",
               [shared] { return as_double(shared->cache.misses + shared->cache.stale_hits); });
    list.level("cache_entries", "answers", [shared] { return as_double(shared->cache.entries); });
    list.level("cache_bytes", "bytes", [shared] { return as_double(shared->cache.bytes); });
    list.level("cache_bytes_max", "bytes", [shared] { return as_double(shared->cache.bytes_max); });
}

void add_pool(SeriesList& list, const runtime::WorkerPool& pool) {
    const std::string& name = pool.name();
    list.level("pool_threads." + name, "threads", [&pool] { return as_double(pool.thread_count()); });
    list.level("pool_waiting." + name, "tasks", [&pool] { return as_double(pool.depth()); });
    list.total("pool_completed." + name, "tasks", [&pool] { return as_double(pool.completed()); });
    list.total("pool_refused." + name, "tasks", [&pool] { return as_double(pool.refused()); });
}

void add_record(SeriesList& list, const SharedPtr& shared) {
    list.level("audit_waiting", "decisions", [shared] { return as_double(shared->log.queue_records); });
    list.total("audit_recorded", "decisions", [shared] { return as_double(shared->log.appended); });
    list.total("audit_failed", "decisions", [shared] { return as_double(shared->log.failed); });
    list.total("audit_commits", "commits", [shared] { return as_double(shared->log.commits); });
    list.level("audit_commit_last_ms", "ms",
               [shared] { return static_cast<double>(shared->log.commit_us_last) / 1000; });
}

void add_database(SeriesList& list) {
    list.total("database_slow", "statements", [] { return as_double(store::database_times().slow()); });
    list.level("database_connections", "connections",
               [] { return static_cast<double>(store::database_times().connections()); });
    list.level("database_running", "statements", [] { return static_cast<double>(store::database_times().running()); });
}

using RouteKey = std::pair<std::string, std::string>;

void read_stages(const pipeline::Dispatcher& dispatcher, std::map<RouteKey, RouteReading>& routes) {
    for (const auto& state : dispatcher.routes()) {
        const std::string method(state->route.any_method ? "ANY" : http::to_string(state->route.method));
        const auto found = routes.find({method, state->route.path});
        if (found == routes.end()) continue;
        found->second.slow = state->metrics.stages().slow();
        const auto stages = state->metrics.stages().read();
        // A stream or a profile lasts as long as somebody listens: the dispatcher keeps no stage of it, we no latency.
        if (stages.empty()) found->second.latency = {};
        for (const auto& stage : stages) {
            found->second.stages.push_back(
                {.stage = stage.stage, .requests = stage.requests, .ns = stage.ns, .slow_ns = stage.slow_ns});
        }
    }
}

std::vector<RouteReading> read_routes(pipeline::Dispatcher& dispatcher) {
    std::map<RouteKey, RouteReading> routes;
    const auto of = [&](const std::vector<std::string>& labels) -> RouteReading& {
        RouteReading& route = routes[{labels[0], labels[1]}];
        route.method = labels[0];
        route.route = labels[1];
        return route;
    };
    pipeline::HttpMetrics& http = dispatcher.http_metrics();
    http.requests.each([&](const std::vector<std::string>& labels, const observe::Counter& counter) {
        const std::uint64_t count = counter.value();
        RouteReading& route = of(labels);
        route.requests += count;
        if (labels[2].starts_with('5')) route.errors += count;
    });
    http.duration.each([&](const std::vector<std::string>& labels, const observe::Histogram& histogram) {
        // Of a route that nobody has asked yet there is nothing to read.
        if (const auto found = routes.find({labels[0], labels[1]}); found != routes.end()) {
            found->second.latency = histogram.snapshot();
        }
    });
    read_stages(dispatcher, routes);
    std::vector<RouteReading> out;
    out.reserve(routes.size());
    for (auto& [key, route] : routes) out.push_back(std::move(route));
    return out;
}

void set_slow(const pipeline::Dispatcher& dispatcher, const std::string& method, const std::string& route,
              std::uint64_t from_ns) {
    for (const auto& state : dispatcher.routes()) {
        if (state->route.path != route) continue;
        if ((state->route.any_method ? "ANY" : http::to_string(state->route.method)) != method) continue;
        state->metrics.stages().set_slow_from(from_ns);
    }
}

}  // namespace

performance::Sources performance_sources(const SourceParts& parts) {
    const auto shared = std::make_shared<SharedSamples>();
    shared->process = observe::read_process();
    read_groups(*shared);
    SeriesList list;
    add_process(list, shared);
    add_cache(list, shared);
    add_pool(list, parts.needs.cpu);
    add_pool(list, parts.needs.blocking);
    add_record(list, shared);
    add_database(list);
    pipeline::Dispatcher& dispatcher = parts.dispatcher;
    list.level("in_flight", "requests", [&dispatcher] {
        double all = 0;
        dispatcher.http_metrics().in_progress.each(
            [&](const std::vector<std::string>&, const observe::Gauge& gauge) { all += gauge.value(); });
        return all;
    });
    list.total("spend_points", "points", [read = parts.spend_milli] { return as_double(read()) / 1000; });
    performance::Sources sources;
    sources.series = list.take();
    sources.refresh = [shared, &cache = parts.needs.cache, &lag = parts.needs.loop_lag, &log = parts.decisions] {
        shared->process = observe::read_process();
        shared->heap = observe::read_heap();
        read_groups(*shared);
        shared->cache = cache.store().stats();
        shared->log = log.health();
        shared->loop_lag_ms = std::chrono::duration<double, std::milli>(lag.take_peak()).count();
    };
    sources.routes = [&dispatcher] { return read_routes(dispatcher); };
    sources.times = [&dispatcher] {
        std::vector<std::pair<std::string, observe::HistogramSnapshot>> out;
        dispatcher.http_metrics().stages.each(
            [&](const std::vector<std::string>& labels, const observe::Histogram& histogram) {
                out.emplace_back("stage." + labels[0], histogram.snapshot());
            });
        out.emplace_back("database", store::database_times().times());
        return out;
    };
    sources.set_slow = [&dispatcher](const std::string& method, const std::string& route, std::uint64_t from_ns) {
        set_slow(dispatcher, method, route, from_ns);
    };
    return sources;
}

std::vector<performance::SlowStatement> take_slow_statements(const Clock& clock) {
    std::vector<performance::SlowStatement> out;
    for (store::SlowQuery& query : store::database_times().take_slow()) {
        const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - query.ended);
        out.push_back({.time = clock.unix_ms() - age.count(),
                       .ms = std::chrono::duration<double, std::milli>(query.took).count(),
                       .text = std::move(query.text)});
    }
    return out;
}

}  // namespace tidegate::app
