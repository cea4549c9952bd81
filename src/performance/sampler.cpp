#include "performance/sampler.h"

#include <algorithm>
#include <cmath>

namespace tidegate::performance {
namespace {

std::uint64_t growth(std::uint64_t now, std::uint64_t before) {
    return now - std::min(now, before);
}

}  // namespace

Sampler::Sampler(Sources sources, UnixMillis unix_ms, SteadyTime now)
    : sources_(std::move(sources)), unix_ms_(unix_ms), at_(now) {}

Sample Sampler::take(UnixMillis unix_ms, SteadyTime now) {
    Sample out;
    // The civil clock may have been set back: a sample never ends before it begins.
    out.from = std::min(unix_ms_, unix_ms);
    out.to = unix_ms;
    out.covered = now - at_;
    if (sources_.refresh) sources_.refresh();
    take_values(out);
    if (sources_.routes) take_routes(out);
    if (sources_.times) take_times(out);
    unix_ms_ = unix_ms;
    at_ = now;
    return out;
}

void Sampler::take_values(Sample& out) {
    for (const Series& series : sources_.series) {
        const double now = series.read();
        if (std::isnan(now)) continue;
        double value = now;
        if (series.is_total) {
            double& before = totals_[series.name];
            value = std::max(0.0, now - before);
            before = now;
        }
        out.values.emplace(series.name, Value::of(value));
    }
}

RouteSample Sampler::grown(const RouteReading& now, const RouteReading& before) const {
    RouteSample out{.method = now.method,
                    .route = now.route,
                    .requests = growth(now.requests, before.requests),
                    .errors = growth(now.errors, before.errors),
                    .slow = growth(now.slow, before.slow),
                    .latency = Distribution(now.latency.since(before.latency)),
                    .stages = {}};
    for (const StageReading& stage : now.stages) {
        const auto found = std::ranges::find(before.stages, stage.stage, &StageReading::stage);
        const StageReading earlier = found == before.stages.end() ? StageReading{} : *found;
        const std::uint64_t requests = growth(stage.requests, earlier.requests);
        if (requests == 0) continue;
        out.stages.push_back({.stage = stage.stage,
                              .requests = requests,
                              .ns = growth(stage.ns, earlier.ns),
                              .slow_ns = growth(stage.slow_ns, earlier.slow_ns)});
    }
    return out;
}

void Sampler::take_routes(Sample& out) {
    for (RouteReading& now : sources_.routes()) {
        RouteReading& before = routes_[{now.method, now.route}];
        RouteSample route = grown(now, before);
        before = std::move(now);
        if (route.requests == 0 && route.latency.count() == 0) continue;
        if (sources_.set_slow && route.latency.count() > 0) {
            sources_.set_slow(route.method, route.route, static_cast<std::uint64_t>(route.latency.quantile(0.95)));
        }
        out.routes.push_back(std::move(route));
    }
}

void Sampler::take_times(Sample& out) {
    for (auto& [name, now] : sources_.times()) {
        observe::HistogramSnapshot& before = times_[name];
        Distribution grown(now.since(before));
        before = std::move(now);
        if (grown.count() > 0) out.times.emplace(name, std::move(grown));
    }
}

}  // namespace tidegate::performance
