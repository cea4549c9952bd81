#include "pipeline/spend/metrics.h"

namespace tidegate::pipeline::spend {
namespace {

using observe::MetricType;
using observe::Samples;

double as_double(const observe::Counter& counter) {
    return static_cast<double>(counter.value());
}
double as_points(const observe::Counter& milli) {
    return as_double(milli) / 1000;
}

void declare_outcomes(observe::Registry& registry, const SpendCounters& c) {
    registry.callback(
        {.name = "tidegate_spend_reservations_total",
         .help = "Requests with a price, by what became of them.",
         .labels = {"outcome"},
         .when_it_rises = "key, address, tenant: that cap is reached. full: spend.accounts_max is too small."},
        MetricType::kCounter, [&c](Samples& out) {
            out.add({"admitted"}, as_double(c.admitted));
            out.add({"key"}, as_double(c.refused_key));
            out.add({"address"}, as_double(c.refused_address));
            out.add({"tenant"}, as_double(c.refused_tenant));
            out.add({"full"}, as_double(c.refused_full));
        });
    registry.callback({.name = "tidegate_spend_points_total",
                       .help = "Points charged, and points reserved but refunded.",
                       .labels = {"outcome"},
                       .when_it_rises = "refunded: operations fail, or come from the cache."},
                      MetricType::kCounter, [&c](Samples& out) {
                          out.add({"charged"}, as_points(c.charged_milli));
                          out.add({"refunded"}, as_points(c.refunded_milli));
                      });
}

void declare_sharing(observe::Registry& registry, const SpendCounters& c) {
    const auto total = [&](std::string name, std::string help, std::string rises, const observe::Counter& counter) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter, [&counter](Samples& out) { out.add({}, as_double(counter)); });
    };
    total("tidegate_spend_local_total", "Reservations judged by this process alone although totals are shared.",
          "Redis is away, slow, full or refuses: caps may be passed, see /health.", c.local);
    total("tidegate_spend_redis_failures_total", "Commands for spend that Redis did not answer.",
          "Redis is away, slow, full or refuses.", c.shared_failures);
    total("tidegate_spend_releases_dropped_total", "Reservations left to lapse in Redis.",
          "Redis was away under load; room comes back after spend.reservation_max_s.", c.releases_dropped);
    total("tidegate_spend_unmirrored_total", "Charges that Redis will not learn of.",
          "Redis is away and more callers come than spend.accounts_max.", c.unmirrored);
    registry.callback({.name = "tidegate_spend_degraded_loops",
                       .help = "Event loops whose totals are not shared though they should be.",
                       .when_it_rises = "Each process counts for itself: look at Redis."},
                      MetricType::kGauge, [&c](Samples& out) {
                          out.add({}, static_cast<double>(c.loops_degraded.load(std::memory_order_relaxed)));
                      });
}

}  // namespace

void declare_metrics(observe::Registry& registry, Book& book, const Clock& clock) {
    declare_outcomes(registry, book.counters());
    declare_sharing(registry, book.counters());
    registry.callback({.name = "tidegate_spend_forgotten_total",
                       .help = "Accounts that lost their place with something spent, because the table was full.",
                       .when_it_rises = "Raise spend.accounts_max: forgotten callers begin their day anew."},
                      MetricType::kCounter,
                      [&book](Samples& out) { out.add({}, static_cast<double>(book.accounts().forgotten())); });
    registry.callback({.name = "tidegate_spend_forgotten_points_total",
                       .help = "Points that were forgotten with those accounts.",
                       .when_it_rises = "As above: so much may be spent beyond the caps."},
                      MetricType::kCounter, [&book](Samples& out) {
                          out.add({}, static_cast<double>(book.accounts().forgotten_milli()) / 1000);
                      });
    registry.callback(
        {.name = "tidegate_spend_day_ahead_seconds",
         .help = "How long until the day begins that spend is counted for; 0 while it is the present one.",
         .when_it_rises = "The clock ran ahead past a midnight and was set right: caps stay used up until "
                          "that day's end. Restart the server."},
        MetricType::kGauge,
        [&book, &clock](Samples& out) { out.add({}, static_cast<double>(book.ahead_ms(clock.unix_ms())) / 1000); });
}

}  // namespace tidegate::pipeline::spend
