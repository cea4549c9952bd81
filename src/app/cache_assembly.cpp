#include "app/cache_assembly.h"

#include <atomic>

#include "pipeline/cache/metrics.h"

namespace tidegate::app {
namespace {

std::unique_ptr<cache::Coherence> make_coherence(const CacheNeeds& needs, cache::ResponseStore& store,
                                                 cache::L2Counters& counters) {
    const RedisSettings& redis = needs.settings.redis;
    if (!cache::wants_second_level(needs.settings.cache, redis.enabled && redis.url.is_set())) return {};
    return std::make_unique<cache::Coherence>(store, counters, needs.random,
                                              cache::second_level_options(needs.settings.cache).prefix);
}

}  // namespace

CacheAssembly::CacheAssembly(const CacheNeeds& needs)
    : needs_(needs),
      store_(cache::store_options(needs.settings.cache)),
      flights_(cache::flight_options(needs.settings.cache)),
      coherence_(make_coherence(needs, store_, counters_)),
      invalidator_(store_, coherence_.get()) {}

CacheAssembly::~CacheAssembly() = default;

void CacheAssembly::on_loop_start(pipeline::LoopParts& parts) {
    if (!coherence_ || !parts.redis) return;
    if (parts.index == 0) coherence_->start(parts.loop, *parts.redis);
    parts.second_level =
        std::make_unique<cache::SecondLevel>(parts.loop, *parts.redis, store_, *coherence_, needs_.cpu, needs_.clock,
                                             counters_, cache::second_level_options(needs_.settings.cache));
}

void CacheAssembly::on_loop_stop(pipeline::LoopParts& parts) {
    parts.second_level.reset();
    if (coherence_ && parts.index == 0) coherence_->stop();
}

void CacheAssembly::declare_metrics(observe::Registry& registry) const {
    cache::declare_metrics(registry, flights_);
    if (coherence_) cache::declare_metrics(registry, counters_);
}

bool CacheAssembly::is_degraded() const {
    return coherence_ && !coherence_->trouble().empty();
}

void CacheAssembly::append_state_fields(JsonWriter& writer) const {
    const std::string_view trouble = coherence_ ? coherence_->trouble() : std::string_view();
    writer.field("configured", coherence_ != nullptr).field("shared", coherence_ && coherence_->synced());
    if (!trouble.empty()) writer.field("reason", trouble);
}

void CacheAssembly::append_l2_state(JsonWriter& writer) const {
    writer.begin_object();
    append_state_fields(writer);
    writer.end_object();
}

void CacheAssembly::append_l2(JsonWriter& writer) const {
    using Count = cache::L2Counters::Count;
    const auto field = [&](std::string_view name, const Count& count) {
        writer.field(name, count.load(std::memory_order_relaxed));
    };
    const cache::L2Counters& c = counters_;
    writer.begin_object();
    append_state_fields(writer);
    field("hits", c.hits), field("misses", c.misses), field("failed", c.failed), field("skipped", c.skipped);
    field("corrupt", c.corrupt), field("invalidated", c.invalidated), field("expired", c.expired);
    field("writes", c.writes), field("write_bytes", c.write_bytes), field("writes_failed", c.writes_failed);
    field("writes_dropped", c.writes_dropped), field("writes_too_large", c.writes_too_large);
    field("announced", c.announced), field("heard", c.heard), field("lost", c.lost);
    field("leases", c.leases), field("leases_elsewhere", c.leases_elsewhere);
    field("lease_waits_served", c.lease_waits_served);
    writer.end_object();
}

void CacheAssembly::append_flights(JsonWriter& writer) const {
    const cache::FlightStats stats = flights_.stats();
    writer.begin_object();
    writer.field("led", stats.leaders).field("waited", stats.waiters);
    writer.field("alone_uncacheable", stats.alone_marked).field("alone_full", stats.alone_full);
    writer.field("failed", stats.failed).field("overdue", stats.overdue);
    writer.field("under_way", stats.under_way).field("waiting", stats.waiting);
    writer.end_object();
}

}  // namespace tidegate::app
