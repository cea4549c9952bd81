#include "services/proxy/upstream.h"

namespace tidegate::proxy {
namespace {

/// What an operator reads at night: which target changed sides, and why.
void tell(observe::Logger& log, const upstream::TargetEvent& event) {
    using Kind = upstream::TargetEvent::Kind;
    const bool worse = event.kind == Kind::kEjected || event.kind == Kind::kUnhealthy ||
                       (event.kind == Kind::kBreaker && event.breaker.to == upstream::BreakerState::kOpen);
    auto line = log.line(worse ? observe::Level::kWarn : observe::Level::kInfo, "upstream_changed");
    line.field("upstream", event.pool).field("target", event.name).field("why", event.why);
    switch (event.kind) {
        case Kind::kBreaker:
            line.field("breaker", upstream::to_string(event.breaker.to));
            break;
        case Kind::kEjected:
            line.field("ejected_s", std::chrono::duration<double>(event.ejected_for).count());
            break;
        case Kind::kReturned:
            line.field("ejected", false);
            break;
        case Kind::kHealthy:
        case Kind::kUnhealthy:
            line.field("healthy", event.kind == Kind::kHealthy);
            break;
    }
}

}  // namespace

Result<std::unique_ptr<Upstream>> Upstream::create(const upstream::UpstreamOptions& options, Random& random,
                                                   observe::Logger& log, SteadyTime now) {
    TG_CHECK(upstream::check(options));
    TG_TRY(auto targets, upstream::targets_of(options));
    return std::unique_ptr<Upstream>(new Upstream(options, std::move(targets), random, log, now));
}

Upstream::Upstream(const upstream::UpstreamOptions& all, std::vector<upstream::PoolTarget> targets, Random& random,
                   observe::Logger& log, SteadyTime now)
    : options(all),
      pool(all.name, std::move(targets), upstream::pool_options(all), random, now,
           [&log](const upstream::TargetEvent& event) { tell(log, event); }),
      admission(all.admission),
      budget(all.retry) {}

}  // namespace tidegate::proxy
