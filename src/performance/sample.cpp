#include "performance/sample.h"

#include <algorithm>

namespace tidegate::performance {
namespace {

void merge_route(RouteSample& into, const RouteSample& later) {
    into.requests += later.requests;
    into.errors += later.errors;
    into.slow += later.slow;
    into.latency.merge(later.latency);
    for (const StageShare& stage : later.stages) {
        const auto found = std::ranges::find(into.stages, stage.stage, &StageShare::stage);
        if (found == into.stages.end()) {
            into.stages.push_back(stage);
            continue;
        }
        found->requests += stage.requests;
        found->ns += stage.ns;
        found->slow_ns += stage.slow_ns;
    }
}

}  // namespace

void Value::merge(const Value& later) {
    samples += later.samples;
    sum += later.sum;
    least = std::min(least, later.least);
    most = std::max(most, later.most);
    last = later.last;
}

void Sample::merge(const Sample& later) {
    from = to == 0 ? later.from : std::min(from, later.from);
    to = std::max(to, later.to);
    covered += later.covered;
    for (const auto& [name, value] : later.values) {
        if (const auto [at, is_new] = values.emplace(name, value); !is_new) at->second.merge(value);
    }
    for (const auto& [name, distribution] : later.times) {
        if (const auto [at, is_new] = times.emplace(name, distribution); !is_new) at->second.merge(distribution);
    }
    for (const RouteSample& route : later.routes) {
        const auto found = std::ranges::find_if(
            routes, [&](const RouteSample& mine) { return mine.route == route.route && mine.method == route.method; });
        found == routes.end() ? routes.push_back(route) : merge_route(*found, route);
    }
}

std::uint64_t Sample::requests() const noexcept {
    std::uint64_t all = 0;
    for (const RouteSample& route : routes) all += route.requests;
    return all;
}

std::uint64_t Sample::errors() const noexcept {
    std::uint64_t all = 0;
    for (const RouteSample& route : routes) all += route.errors;
    return all;
}

Distribution Sample::latency() const {
    Distribution all;
    for (const RouteSample& route : routes) all.merge(route.latency);
    return all;
}

const Value* Sample::find(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second;
}

const Distribution* Sample::find_times(std::string_view name) const {
    const auto found = times.find(name);
    return found == times.end() ? nullptr : &found->second;
}

std::uint64_t Names::number(std::string_view name) {
    if (const auto found = numbers_.find(name); found != numbers_.end()) return found->second;
    names_.emplace_back(name);
    numbers_.emplace(name, names_.size() - 1);
    return names_.size() - 1;
}

const std::string* Names::name(std::uint64_t number) const {
    return number < names_.size() ? &names_[static_cast<std::size_t>(number)] : nullptr;
}

}  // namespace tidegate::performance
