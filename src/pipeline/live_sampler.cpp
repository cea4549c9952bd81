#include "pipeline/live_sampler.h"

#include <algorithm>
#include <cmath>

#include "base/json_writer.h"
#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
    return now - std::min(now, before);
}

double milliseconds_of(double nanoseconds) {
    return nanoseconds / 1e6;
}

void write_percentiles(JsonWriter& writer, const observe::HistogramSnapshot& latency) {
    writer.key("latency_ms");
    if (latency.count == 0) return static_cast<void>(writer.null());
    writer.begin_object();
    writer.field("p50", milliseconds_of(latency.quantile(0.5))).field("p90", milliseconds_of(latency.quantile(0.9)));
    writer.field("p99", milliseconds_of(latency.quantile(0.99)));
    writer.field("p999", milliseconds_of(latency.quantile(0.999))).end_object();
}

/// A number the kernel did not give is null.
void write_measured(JsonWriter& writer, std::string_view name, double value) {
    writer.key(name);
    std::isnan(value) ? writer.null() : writer.value(value);
}

}  // namespace

void LiveSampler::read_requests(std::map<Route, Known>& now) const {
    sources_.http.duration.each([&](const std::vector<std::string>& labels, const observe::Histogram& histogram) {
        now[labels].latency = histogram.snapshot();
    });
    sources_.http.requests.each([&](const std::vector<std::string>& labels, const observe::Counter& counter) {
        if (labels.size() < 3) return;
        Known& of = now[{labels[0], labels[1]}];
        const std::uint64_t count = counter.value();
        of.requests += count;
        if (labels[2].starts_with('5')) of.errors += count;
    });
}

void LiveSampler::add_routes(const std::map<Route, Known>& now, LiveSample& out) const {
    for (const auto& [route, counted] : now) {
        const auto found = known_.find(route);
        const Known before = found == known_.end() ? Known{} : found->second;
        const std::uint64_t requests = grown(counted.requests, before.requests);
        if (requests == 0) continue;
        LiveRoute line{.method = route.at(0),
                       .route = route.at(1),
                       .family = {},
                       .requests = requests,
                       .errors = grown(counted.errors, before.errors),
                       .latency = counted.latency.since(before.latency)};
        if (const auto family = sources_.families.find(line.route); family != sources_.families.end()) {
            line.family = family->second;
        }
        out.requests += line.requests;
        out.errors += line.errors;
        out.latency.merge(line.latency);
        out.routes.push_back(std::move(line));
    }
}

bool LiveSampler::take(std::int64_t unix_ms, SteadyTime now, LiveSample& out) {
    std::map<Route, Known> counted;
    read_requests(counted);
    const cache::StoreStats cache = sources_.cache();
    const std::uint64_t spend = sources_.spend_milli();
    const observe::ProcessSample process = observe::read_process();
    const bool gives = begun_;
    if (gives) {
        out = {};
        out.unix_ms = unix_ms;
        out.interval = now - at_;
        add_routes(counted, out);
        sources_.http.in_progress.each(
            [&](const std::vector<std::string>&, const observe::Gauge& gauge) { out.in_flight += gauge.value(); });
        const observe::HistogramSpec shape = observe::HistogramSpec::latency();
        out.bounds_s = shape.bounds;
        if (out.latency.buckets.empty()) out.latency.buckets.assign(out.bounds_s.size() + 1, 0);
        out.cache_hits = grown(cache.hits, cache_.hits);
        out.cache_misses = grown(cache.misses + cache.stale_hits, cache_.misses + cache_.stale_hits);
        out.spend_points = static_cast<double>(grown(spend, spend_milli_)) / 1000;
        const double seconds = std::chrono::duration<double>(out.interval).count();
        out.cpu_cores = seconds > 0 ? (process.cpu_seconds - cpu_seconds_) / seconds : 0;
        out.process = process;
        out.loop_lag = sources_.loop_lag();
    }
    begun_ = true;
    at_ = now;
    known_ = std::move(counted);
    cache_ = cache;
    spend_milli_ = spend;
    cpu_seconds_ = process.cpu_seconds;
    return gives;
}

std::string to_json(const LiveSample& sample) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("time", format_rfc3339(sample.unix_ms));
    writer.field("interval_s", std::chrono::duration<double>(sample.interval).count());
    writer.field("requests", sample.requests).field("errors", sample.errors).field("in_flight", sample.in_flight);
    write_percentiles(writer, sample.latency);
    writer.key("latency_histogram").begin_object().key("upper_ms").begin_array();
    for (const double bound : sample.bounds_s) writer.value(bound * 1000);
    writer.end_array().key("counts").begin_array();
    for (const std::uint64_t count : sample.latency.buckets) writer.value(count);
    writer.end_array().end_object().key("routes").begin_array();
    for (const LiveRoute& route : sample.routes) {
        writer.begin_object().field("method", route.method).field("route", route.route).field("family", route.family);
        writer.field("requests", route.requests).field("errors", route.errors);
        write_percentiles(writer, route.latency);
        writer.end_object();
    }
    writer.end_array().key("cache").begin_object();
    writer.field("hits", sample.cache_hits).field("misses", sample.cache_misses).end_object();
    writer.field("spend_points", sample.spend_points).key("process").begin_object();
    write_measured(writer, "cpu_cores", sample.cpu_cores);
    write_measured(writer, "resident_bytes", sample.process.resident_bytes);
    write_measured(writer, "open_descriptors", sample.process.open_descriptors);
    write_measured(writer, "threads", sample.process.threads);
    writer.field("loop_lag_ms", milliseconds_of(static_cast<double>(sample.loop_lag.count())));
    writer.end_object().end_object();
    return out;
}

}  // namespace tidegate::pipeline
