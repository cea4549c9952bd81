#include "pipeline/limits/counters.h"
#include "pipeline/limits/limiter.h"

namespace tidegate::limits {
namespace {

using observe::MetricType;
using observe::Samples;

double as_double(const observe::Counter& counter) {
    return static_cast<double>(counter.value());
}

void declare_decisions(observe::Registry& registry, const LimitCounters& c) {
    registry.callback({.name = "tidegate_limits_decisions_total",
                       .help = "Requests that a limit rule applied to, by outcome.",
                       .labels = {"outcome"},
                       .when_it_rises = "denied: callers send more than they may."},
                      MetricType::kCounter, [&c](Samples& out) {
                          out.add({"allowed"}, as_double(c.allowed));
                          out.add({"denied"}, as_double(c.denied));
                      });
    registry.callback({.name = "tidegate_limits_shadow_denied_total",
                       .help = "Requests that a rule in shadow would have refused.",
                       .when_it_rises = "What the rule would do once it is no longer in shadow."},
                      MetricType::kCounter, [&c](Samples& out) { out.add({}, as_double(c.shadow_denied)); });
    registry.callback(
        {.name = "tidegate_limits_decided_total",
         .help = "Requests that a limit rule applied to, by where it was decided.",
         .labels = {"where"},
         .when_it_rises = "degraded: Redis cannot be asked, each process counts for itself. overflow: more "
                          "keys or requests than a loop may keep waiting for Redis."},
        MetricType::kCounter, [&c](Samples& out) {
            out.add({"local"}, as_double(c.decided_local));
            out.add({"lease"}, as_double(c.decided_lease));
            out.add({"redis"}, as_double(c.decided_redis));
            out.add({"degraded"}, as_double(c.decided_degraded));
            out.add({"overflow"}, as_double(c.overflows));
        });
}

void declare_redis(observe::Registry& registry, const LimitCounters& c) {
    const auto total = [&](std::string name, std::string help, std::string rises, const observe::Counter& counter) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter, [&counter](Samples& out) { out.add({}, as_double(counter)); });
    };
    total("tidegate_limits_redis_calls_total", "Script calls for limits.",
          "Against decisions: the leases' gain. Few busy keys should cost few calls.", c.redis_batches);
    total("tidegate_limits_redis_failures_total", "Script calls for limits that failed; decided in process.",
          "Redis is away, slow, full or refuses: look at /health.", c.redis_failures);
    total("tidegate_limits_permits_taken_total", "Permits taken from Redis.", "Requests come in.", c.permits_taken);
    total("tidegate_limits_permits_returned_total", "Permits taken ahead and given back unused.",
          "Close to those taken: lower limits.lease_max.", c.permits_returned);
}

}  // namespace

void declare_metrics(observe::Registry& registry, const RateLimiter& limiter) {
    const LimitCounters& counters = limiter.counters();
    declare_decisions(registry, counters);
    declare_redis(registry, counters);
    registry.callback({.name = "tidegate_limits_denied_total",
                       .help = "Requests that a rule denied, also in shadow, by rule; `key` is the caller's own rate.",
                       .labels = {"rule"},
                       .when_it_rises = "This rule is what callers meet."},
                      MetricType::kCounter, [&limiter, &counters](Samples& out) {
                          const RuleSet& rules = limiter.rules();
                          for (std::size_t i = 0; i < rules.rules().size(); ++i) {
                              out.add({rules.rules()[i].name}, as_double(*counters.denied_by_rule[i]));
                          }
                          out.add({rules.name_of(kOwnRule)}, as_double(*counters.denied_by_rule.back()));
                      });
    registry.callback({.name = "tidegate_limits_evicted_total",
                       .help = "Keys forgotten before they were at rest because the table was full.",
                       .when_it_rises = "Raise limits.keys_max, or somebody floods with invented keys."},
                      MetricType::kCounter,
                      [&limiter](Samples& out) { out.add({}, static_cast<double>(limiter.table().evicted())); });
    registry.callback({.name = "tidegate_limits_degraded",
                       .help = "1 while Redis is set up and cannot be asked.",
                       .when_it_rises = "Each process counts for itself: look at Redis."},
                      MetricType::kGauge,
                      [&limiter](Samples& out) { out.add({}, limiter.degraded().has_value() ? 1.0 : 0.0); });
}

}  // namespace tidegate::limits
