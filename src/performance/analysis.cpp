#include "performance/analysis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "drift/multiplicity.h"

namespace tidegate::performance {
namespace {

/// Whose trends and differences are tested: what somebody would act on. The rest can be seen in the points.
constexpr std::array<std::string_view, 13> kTested{
    "requests_per_second", "error_percent",      "latency_p50_ms", "latency_p95_ms",  "latency_p99_ms",
    "cpu_percent",         "cpu_ms_per_request", "resident_bytes", "heap_used_bytes", "open_descriptors",
    "loop_lag_ms",         "hit_percent",        "database_p95_ms"};

constexpr double kMsPerHour = 3'600'000;

std::vector<double> series_of(const Period& period, const std::function<double(const Sample&)>& of) {
    std::vector<double> out;
    for (const Sample& block : period.blocks) {
        if (const double value = of(block); !std::isnan(value)) out.push_back(value);
    }
    return out;
}

double percent_of(double change, double whole) {
    return whole != 0 ? 100 * change / std::abs(whole) : std::nan("");
}

/// Sen's slope over the time itself: blocks that nothing was measured in are no steps of it.
double slope_over(const std::vector<double>& hours, const std::vector<double>& values) {
    std::vector<double> slopes;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            if (hours[j] > hours[i]) slopes.push_back((values[j] - values[i]) / (hours[j] - hours[i]));
        }
    }
    return slopes.empty() ? 0 : median_of(slopes);
}

const RouteSample* find_route(const Sample& sample, const std::string& method, const std::string& route) {
    const auto found = std::ranges::find_if(
        sample.routes, [&](const RouteSample& one) { return one.route == route && one.method == method; });
    return found == sample.routes.end() ? nullptr : &*found;
}

Comparison compare_one(const Period& before, const Period& now, const std::function<double(const Sample&)>& of) {
    Comparison out;
    out.before = of(before.all);
    out.now = of(now.all);
    out.change_percent = percent_of(out.now - out.before, out.before);
    out.test = difference_test(series_of(before, of), series_of(now, of));
    return out;
}

std::string verdict_of(const Comparison& one, Worse worse) {
    if (!one.test.enough || std::isnan(one.before) || std::isnan(one.now)) return "unknown";
    // From nothing to something has no percentage, and is large.
    const bool large =
        std::isnan(one.change_percent) ? one.now != one.before : std::abs(one.change_percent) >= kEffectMin;
    const bool same_side = (one.now > one.before) == (one.test.z > 0);
    if (one.p_adjusted > kAlpha || !large || !same_side) return "same";
    if (worse == Worse::kNeither) return "other";
    return (one.now > one.before) == (worse == Worse::kHigher) ? "worse" : "better";
}

/// How many were taken that this one is the merge of: each number was there in all of them, or came later.
std::uint64_t taken_in(const Sample& sample) {
    std::uint64_t most = 1;
    for (const auto& [name, value] : sample.values) most = std::max(most, value.samples);
    return most;
}

template <class Item>
void adjust(std::vector<Item>& items) {
    std::vector<double> p;
    p.reserve(items.size());
    for (const Item& item : items) p.push_back(item.test.enough ? item.test.p : std::nan(""));
    const std::vector<double> adjusted = drift::adjusted_p(p);
    for (std::size_t i = 0; i < items.size(); ++i) items[i].p_adjusted = adjusted[i];
}

}  // namespace

Result<Period> read_period(SampleStore& store, UnixMillis from, UnixMillis to) {
    Period out{.from = from, .to = to, .block_ms = std::max<std::int64_t>(1, (to - from) / std::int64_t{kBlocks})};
    std::map<std::int64_t, Sample> blocks;
    TG_CHECK(store.scan(from, to, out.block_ms, [&](Sample&& sample) {
        out.samples += taken_in(sample);
        blocks[(sample.to - 1 - from) / out.block_ms].merge(sample);
        return true;
    }));
    for (auto& [number, block] : blocks) {
        out.all.merge(block);
        out.blocks.push_back(std::move(block));
    }
    return out;
}

std::vector<Trend> trends_of(const Period& period) {
    std::vector<Trend> out;
    for (const std::string_view name : kTested) {
        Trend trend;
        trend.measure = find_measure(name);
        std::vector<double> values;
        std::vector<double> hours;
        for (const Sample& block : period.blocks) {
            const double value = trend.measure->of(block);
            if (std::isnan(value)) continue;
            values.push_back(value);
            hours.push_back(static_cast<double>(block.to) / kMsPerHour);
        }
        trend.blocks = values.size();
        trend.test = trend_test(values);
        if (trend.test.enough) {
            trend.slope_per_hour = slope_over(hours, values);
            trend.change_percent = percent_of(trend.slope_per_hour * (hours.back() - hours.front()), median_of(values));
        }
        out.push_back(std::move(trend));
    }
    adjust(out);
    for (Trend& trend : out) {
        const bool says = trend.p_adjusted <= kAlpha && std::abs(trend.change_percent) >= kEffectMin;
        trend.direction = !trend.test.enough ? "unknown" : !says ? "none" : trend.test.s > 0 ? "rising" : "falling";
    }
    return out;
}

std::vector<Comparison> compare(const Period& before, const Period& now) {
    std::vector<Comparison> out;
    std::vector<Worse> worse;
    for (const std::string_view name : kTested) {
        const Measure& measure = *find_measure(name);
        out.push_back(compare_one(before, now, measure.of));
        out.back().name = name;
        out.back().unit = measure.unit;
        worse.push_back(measure.worse);
    }
    // The routes that were asked most: of the others a block knows too little.
    std::vector<const RouteSample*> routes;
    for (const RouteSample& route : now.all.routes) routes.push_back(&route);
    std::ranges::sort(routes, std::ranges::greater{}, &RouteSample::requests);
    routes.resize(std::min<std::size_t>(routes.size(), 10));
    for (const RouteSample* route : routes) {
        out.push_back(compare_one(before, now, [route](const Sample& sample) {
            const RouteSample* const found = find_route(sample, route->method, route->route);
            return found == nullptr ? std::nan("") : found->latency.quantile(0.95) / 1e6;
        }));
        out.back().name = "latency_p95_ms " + route->method + " " + route->route;
        out.back().unit = "ms";
        worse.push_back(Worse::kHigher);
    }
    adjust(out);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].verdict = verdict_of(out[i], worse[i]);
    return out;
}

std::vector<SlowRoute> slowest_routes(const Sample& sample, std::size_t limit) {
    std::vector<SlowRoute> out;
    for (const RouteSample& route : sample.routes) {
        if (route.latency.count() < kRouteRequestsMin) continue;
        SlowRoute line{.route = &route, .stage = {}, .basis = {}};
        // A handful of slow requests says more of what makes requests slow than all of them; fewer say nothing.
        const bool by_slow = route.slow >= 5;
        std::uint64_t whole = 0;
        std::uint64_t most = 0;
        for (const StageShare& stage : route.stages) {
            const std::uint64_t ns = by_slow ? stage.slow_ns : stage.ns;
            whole += ns;
            if (ns <= most) continue;
            most = ns;
            line.stage = stage.stage;
        }
        if (whole > 0) {
            const auto requests = static_cast<double>(by_slow ? route.slow : route.latency.count());
            line.stage_percent = 100 * static_cast<double>(most) / static_cast<double>(whole);
            line.stage_mean_ms = static_cast<double>(most) / requests / 1e6;
            line.basis = by_slow ? "slow requests" : "all requests";
        }
        out.push_back(std::move(line));
    }
    std::ranges::sort(out, [](const SlowRoute& a, const SlowRoute& b) {
        return a.route->latency.quantile(0.95) > b.route->latency.quantile(0.95);
    });
    out.resize(std::min(out.size(), limit));
    return out;
}

Capacity capacity_of(const Period& period, double cpu_percent_max) {
    // Less than these and the line is through noise.
    constexpr std::size_t kBlocksMin = 12;
    constexpr std::uint64_t kRequestsMin = 1000;
    Capacity out;
    out.cpu_percent = cpu_percent_max;
    std::vector<double> rates;
    std::vector<double> busy;
    for (const Sample& block : period.blocks) {
        const Value* const cpu = block.find("cpu_seconds");
        const Value* const cores = block.find("cores");
        if (cpu == nullptr || cores == nullptr || block.seconds() <= 0) continue;
        rates.push_back(static_cast<double>(block.requests()) / block.seconds());
        busy.push_back(cpu->sum / block.seconds());
        out.cores = cores->last;
        out.observed_peak = std::max(out.observed_peak, rates.back());
    }
    out.blocks = rates.size();
    const auto refuse = [&](std::string why) {
        out.reason = std::move(why);
        return out;
    };
    if (rates.size() < kBlocksMin) return refuse("fewer than 12 blocks of the period have samples");
    if (period.all.requests() < kRequestsMin) return refuse("fewer than 1,000 requests in the period");
    const Line line = fit_line(rates, busy);
    out.r_squared = line.r_squared;
    if (!line.enough) return refuse("the rate of requests does not vary, so base load and demand cannot be told apart");
    if (line.slope <= 0 || line.slope < 3 * line.slope_error) {
        return refuse("CPU time does not rise with the requests clearly enough to reckon with");
    }
    out.idle_cores = std::max(0.0, line.base);
    out.cpu_ms_per_request = line.slope * 1000;
    const double free = out.cores * cpu_percent_max / 100 - out.idle_cores;
    if (free <= 0) return refuse("the CPU is past its threshold without any request");
    out.requests_per_second = free / line.slope;
    out.low = free / (line.slope + 1.96 * line.slope_error);
    out.high = free / (line.slope - 1.96 * line.slope_error);
    return out;
}

}  // namespace tidegate::performance
