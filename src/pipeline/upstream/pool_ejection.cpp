// Passive ejection: leaving out a target that does worse than the others, and letting it back.
#include <algorithm>
#include <cmath>

#include "pipeline/upstream/pool_target.h"

namespace tidegate::upstream {
namespace {

struct Rate {
    std::size_t target = 0;
    double good = 0;
};

// Targets whose share of good calls lies `deviations` below the mean of all that had enough calls.
std::vector<std::size_t> outliers(const std::vector<Rate>& rates, const OutlierOptions& options) {
    if (rates.size() < options.hosts_min) return {};
    const auto n = static_cast<double>(rates.size());
    double mean = 0;
    for (const Rate& rate : rates) mean += rate.good / n;
    double variance = 0;
    for (const Rate& rate : rates) variance += (rate.good - mean) * (rate.good - mean) / n;
    const double least = mean - options.deviations * std::sqrt(variance);
    std::vector<std::size_t> found;
    for (const Rate& rate : rates) {
        if (rate.good < least) found.push_back(rate.target);
    }
    return found;
}

}  // namespace

void Pool::eject(std::size_t index, std::string_view why, SteadyTime now) {
    const OutlierOptions& options = options_.outlier;
    if (!options.enabled) return;
    Duration out_for{};
    {
        const Lock lock(mutex_);
        Target& target = *targets_[index];
        const auto out = static_cast<std::size_t>(
            std::ranges::count_if(targets_, [&](const auto& other) { return is_ejected(*other, now); }));
        const auto share = static_cast<std::size_t>(options.ejected_share_max * static_cast<double>(targets_.size()));
        const std::size_t allowed = std::min(std::max<std::size_t>(share, 1), targets_.size() - 1);
        if (is_ejected(target, now) || out >= allowed) return;
        ++target.ejections_in_row;
        out_for = std::min(options.eject_for * target.ejections_in_row, options.eject_max);
        const std::int64_t until = (now + out_for).time_since_epoch().count();
        target.is_out = true;
        target.fresh_since.store(until, kRelaxed);
        target.ejected_until.store(until, kRelaxed);
        target.ejections.fetch_add(1, kRelaxed);
    }
    tell({.kind = TargetEvent::Kind::kEjected, .target = index, .why = why, .ejected_for = out_for});
}

void Pool::sweep_if_due(SteadyTime now) {
    std::int64_t due = sweep_at_.load(kRelaxed);
    const std::int64_t next = (now + options_.outlier.interval).time_since_epoch().count();
    if (now.time_since_epoch().count() < due || !sweep_at_.compare_exchange_strong(due, next, kRelaxed)) return;
    std::vector<Rate> rates;
    std::vector<std::size_t> returned;
    {
        const Lock lock(mutex_);
        for (std::size_t i = 0; i < targets_.size(); ++i) {
            Target& target = *targets_[i];
            const std::uint32_t calls = target.interval_calls.exchange(0, kRelaxed);
            const std::uint32_t good = target.interval_good.exchange(0, kRelaxed);
            if (is_ejected(target, now)) continue;
            if (std::exchange(target.is_out, false)) {
                returned.push_back(i);
            } else if (target.ejections_in_row > 0) {
                --target.ejections_in_row;  // A whole interval in: forgiven by one.
            }
            if (calls >= options_.outlier.calls_min) {
                rates.push_back({i, std::min(1.0, static_cast<double>(good) / calls)});
            }
        }
    }
    for (const std::size_t i : returned) {
        tell({.kind = TargetEvent::Kind::kReturned, .target = i, .why = "ejection over"});
    }
    for (const std::size_t i : outliers(rates, options_.outlier)) eject(i, "success rate below the others", now);
}

}  // namespace tidegate::upstream
