#include "app/alert_views.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <string>

#include "app/compliance_assembly.h"
#include "performance/levels.h"
#include "performance/measures.h"
#include "services/proxy/proxy.h"

namespace tidegate::app {
namespace {

using alerts::Labels;

std::vector<alerts::Series> targets(const proxy::Proxy& proxy, SteadyTime now, bool usable) {
    std::vector<alerts::Series> all;
    for (const auto& upstream : proxy.upstreams()) {
        const upstream::PoolSnapshot pool = upstream->pool.snapshot(now);
        const auto count = std::ranges::count(pool.targets, usable, &upstream::TargetSnapshot::usable);
        all.push_back({Labels{{"upstream", upstream->name()}}, static_cast<double>(count)});
    }
    return all;
}

std::vector<alerts::Series> open_drift_alerts(const compliance::DriftWatch& drift) {
    std::map<Labels, double> counts;
    drift.read([&counts](const drift::Monitor&, const drift::Alerts& alerts) {
        for (const drift::Alert* const alert : alerts.list(std::numeric_limits<std::size_t>::max(), true)) {
            if (alert->state != drift::AlertState::kOpen) continue;
            counts[{{"service", alert->key.service}, {"model", alert->key.model}, {"tenant", alert->key.tenant}}] += 1;
        }
    });
    std::vector<alerts::Series> all;
    for (const auto& [labels, count] : counts) all.push_back({labels, count});
    return all;
}

/// Samples do not come any more, as a disk may hold who takes them: the last numbers are of then, not of now.
bool is_stale(const performance::Reading& reading, UnixMillis now) {
    constexpr Duration kLeast = std::chrono::seconds(60);
    return std::chrono::milliseconds(now - reading.time) > std::max<Duration>(kLeast, 3 * reading.covered);
}

}  // namespace

void add_views(alerts::Source& source, const ViewParts& parts) {
    source.add_view("upstream_targets_usable", {"upstream"},
                    [parts] { return targets(parts.proxy, parts.clock.now(), true); });
    source.add_view("upstream_targets_out", {"upstream"},
                    [parts] { return targets(parts.proxy, parts.clock.now(), false); });
    source.add_view("drift_alerts_open", {"service", "model", "tenant"}, [parts] {
        const compliance::DriftWatch* const drift = parts.compliance.drift();
        return drift == nullptr ? std::vector<alerts::Series>() : open_drift_alerts(*drift);
    });
    for (const performance::Measure& measure : performance::measures()) {
        source.add_view("performance." + std::string(measure.name), {}, [parts, name = measure.name] {
            const auto reading = parts.levels.read();
            if (!reading || is_stale(*reading, parts.clock.unix_ms())) return std::vector<alerts::Series>();
            const auto level = reading->values.find(name);
            return level == reading->values.end() ? std::vector<alerts::Series>()
                                                  : std::vector<alerts::Series>{{Labels(), level->second}};
        });
    }
}

}  // namespace tidegate::app
