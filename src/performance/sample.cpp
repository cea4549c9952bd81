#include "performance/sample.h"

#include <algorithm>

namespace tidegate::performance {
namespace {

constexpr std::uint64_t kForm = 1;

void write_route(Writer& out, const RouteSample& route, Names& names) {
    out.whole(names.number(route.method));
    out.whole(names.number(route.route));
    out.whole(route.requests);
    out.whole(route.errors);
    out.whole(route.slow);
    route.latency.write(out);
    out.whole(route.stages.size());
    for (const StageShare& stage : route.stages) {
        out.whole(names.number(stage.stage));
        out.whole(stage.requests);
        out.whole(stage.ns);
        out.whole(stage.slow_ns);
    }
}

class Unpacker {
  public:
    Unpacker(std::span<const std::uint8_t> bytes, const Names& names) : in_(bytes), names_(names) {}

    Result<Sample> run() {
        if (in_.whole() != kForm) return broken();
        Sample out;
        out.from = static_cast<UnixMillis>(in_.whole());
        out.to = out.from + static_cast<UnixMillis>(in_.whole());
        out.covered = std::chrono::microseconds(in_.whole());
        for (std::size_t left = in_.count(); left > 0; --left) {
            const std::string name = word();
            out.values.emplace(name, value());
        }
        for (std::size_t left = in_.count(); left > 0; --left) {
            const std::string name = word();
            out.times.emplace(name, Distribution::read(in_));
        }
        for (std::size_t left = in_.count(); left > 0; --left) out.routes.push_back(route());
        if (in_.failed() || unknown_ || !in_.at_end()) return broken();
        return out;
    }

  private:
    static std::unexpected<Error> broken() {
        return fail(ErrorCode::kDataLoss, "a stored performance sample cannot be read");
    }
    std::string word() {
        const std::string* const name = names_.name(in_.whole());
        unknown_ = unknown_ || name == nullptr;
        return name == nullptr ? std::string() : *name;
    }
    Value value() {
        Value out;
        out.samples = in_.whole();
        out.sum = in_.real();
        if (out.samples == 1) return Value::of(out.sum);
        out.least = in_.real();
        out.most = in_.real();
        out.last = in_.real();
        return out;
    }
    RouteSample route() {
        RouteSample out;
        out.method = word();
        out.route = word();
        out.requests = in_.whole();
        out.errors = in_.whole();
        out.slow = in_.whole();
        out.latency = Distribution::read(in_);
        for (std::size_t left = in_.count(); left > 0; --left) {
            StageShare stage;
            stage.stage = word();
            stage.requests = in_.whole();
            stage.ns = in_.whole();
            stage.slow_ns = in_.whole();
            out.stages.push_back(std::move(stage));
        }
        return out;
    }

    Reader in_;
    const Names& names_;
    bool unknown_ = false;
};

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

std::vector<std::uint8_t> pack(const Sample& sample, Names& names) {
    Writer out;
    out.whole(kForm);
    out.whole(static_cast<std::uint64_t>(sample.from));
    out.whole(static_cast<std::uint64_t>(std::max<std::int64_t>(0, sample.to - sample.from)));
    out.whole(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::max(sample.covered, Duration{})).count()));
    out.whole(sample.values.size());
    for (const auto& [name, value] : sample.values) {
        out.whole(names.number(name));
        out.whole(value.samples);
        out.real(value.sum);
        if (value.samples == 1) continue;
        out.real(value.least);
        out.real(value.most);
        out.real(value.last);
    }
    out.whole(sample.times.size());
    for (const auto& [name, distribution] : sample.times) {
        out.whole(names.number(name));
        distribution.write(out);
    }
    out.whole(sample.routes.size());
    for (const RouteSample& route : sample.routes) write_route(out, route, names);
    return out.bytes();
}

Result<Sample> unpack(std::span<const std::uint8_t> bytes, const Names& names) {
    return Unpacker(bytes, names).run();
}

}  // namespace tidegate::performance
