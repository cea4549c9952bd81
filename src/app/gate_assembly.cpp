#include "app/gate_assembly.h"

#include <malloc.h>

#include "pipeline/spend/local_ledger.h"
#include "pipeline/spend/redis_ledger.h"

namespace tidegate::app {
namespace {

/// The rules of the settings, and one for each proxied route that has a rate of its own.
Result<std::vector<limits::LimitRule>> rules_of(const AppSettings& settings) {
    TG_TRY(auto rules, limits::to_rules(settings.limits));
    for (const proxy::RouteOptions& route : settings.routes) {
        if (route.rate.empty()) continue;
        TG_TRY(const pipeline::Rate rate, pipeline::parse_rate(route.rate));
        // One for callers with a key and one for those without: a rule counts by what a request has.
        rules.push_back({route.name + "-key", limits::Per::kKey, {}, {route.name}, rate, false});
        rules.push_back({route.name + "-addr", limits::Per::kAddress, {}, {route.name}, rate, false});
    }
    return rules;
}

}  // namespace

Result<std::unique_ptr<GateAssembly>> GateAssembly::create(const GateNeeds& needs) {
    std::unique_ptr<GateAssembly> assembly(new GateAssembly(needs));
    TG_TRY(assembly->shadow_, pipeline::parse_shadow(needs.settings.pipeline.shadow));
    TG_CHECK(assembly->open_redis());
    TG_CHECK(assembly->open_identity());
    TG_CHECK(assembly->open_limits());
    TG_CHECK(assembly->open_spend());
    const upstream::AdmissionSettings& admission = needs.settings.admission;
    assembly->memory_ = std::make_unique<upstream::MemoryCeiling>(
        upstream::MemoryOptions{.bytes_max = admission.memory_bytes_max, .share_max = admission.memory_share_max},
        upstream::memory_allowed(), upstream::memory_resident, [&blocking = needs.blocking] {
            // What was freed and lies between what is in use goes back to the system: milliseconds, so not on a loop.
            // Refused when the pool is full: it is asked again in a second.
            static_cast<void>(blocking.submit([] { ::malloc_trim(0); }));
        });
    return assembly;
}

Result<void> GateAssembly::open_redis() {
    const RedisSettings& settings = needs_.settings.redis;
    if (!settings.enabled || !settings.url.is_set()) return {};
    TG_TRY(store::RedisOptions options, store::parse_redis_url(settings.url.reveal()));
    options.command_max = settings.command_max;
    options.connect_max = settings.connect_max;
    redis_ = std::move(options);
    return {};
}

Result<void> GateAssembly::open_identity() {
    TG_TRY(identity_, pipeline::Identity::open(needs_.settings.identity, needs_.database_path, needs_.loopback_only,
                                               needs_.clock, needs_.random, needs_.disk));
    if (!needs_.settings.identity.jwt.jwks_url.empty()) {
        TG_TRY(JwksPlace place, jwks_place(needs_.settings.identity.jwt));
        jwks_fetcher_ = std::make_unique<JwksFetcher>(std::move(place));
        identity_->set_fetch(jwks_fetcher_->function());
    }
    identity_->on_jwks([&log = needs_.log](const pipeline::JwksStatus& status) {
        log.line(status.failure.empty() ? observe::Level::kInfo : observe::Level::kWarn, "jwks")
            .field("keys", status.keys)
            .field("reason", status.failure);
    });
    streams_.emplace(identity_->counters().streams_cut);
    TG_TRY(cors_, pipeline::Cors::create(needs_.settings.identity.cors));
    return {};
}

Result<void> GateAssembly::open_limits() {
    TG_TRY(auto rules, rules_of(needs_.settings));
    TG_TRY(limiter_, limits::RateLimiter::create(std::move(rules), limits::limiter_options(needs_.settings.limits),
                                                 needs_.clock, needs_.random));
    limiter_->on_degraded([&log = needs_.log](bool degraded, const std::string& reason) {
        log.line(degraded ? observe::Level::kWarn : observe::Level::kInfo, "limits_shared")
            .field("shared", !degraded)
            .field("reason", reason);
    });
    return {};
}

Result<void> GateAssembly::open_spend() {
    const pipeline::spend::SpendSettings& settings = needs_.settings.spend;
    TG_TRY(auto zone, pipeline::spend::load_zone(settings.time_zone, needs_.disk));
    const UnixMillis now = needs_.clock.unix_ms();
    book_ = std::make_shared<pipeline::spend::Book>(std::move(zone), settings.accounts_max, now, needs_.random);
    TG_TRY(const audit::SpentSince spent, audit::scan_spent(needs_.decisions, book_->day(now).begin));
    book_->load(spent);
    ledger_ = pipeline::spend::make_local_ledger(book_);
    spend_policy_.emplace(settings);
    return {};
}

pipeline::Gate GateAssembly::gate() {
    pipeline::Gate gate;
    gate.shadow = shadow_;
    gate.counts = &counts_;
    gate.cors = &*cors_;
    gate.memory = memory_.get();
    gate.limiter = limiter_.get();
    gate.spend = &*spend_policy_;
    gate.zone = &book_->zone();
    gate.make_loop = [this](runtime::EventLoop& loop, unsigned index) { return make_loop(loop, index); };
    gate.streams = &*streams_;
    gate.listeners.push_back(&*streams_);
    if (jwks_fetcher_) gate.listeners.push_back(jwks_fetcher_.get());
    return gate;
}

std::unique_ptr<pipeline::LoopParts> GateAssembly::make_loop(runtime::EventLoop& loop, unsigned index) {
    auto parts = std::make_unique<pipeline::LoopParts>(loop, index);
    parts->authenticator.emplace(*identity_);
    if (redis_) parts->redis = store::connect_redis(loop, *redis_, redis_counters_, &needs_.blocking);
    parts->make_client = [this, &loop](const http::ClientOptions& options) {
        return http::make_client(loop, needs_.blocking, options, client_counters_);
    };
    parts->client = parts->make_client({});
    parts->limiter.emplace(*limiter_, loop, parts->redis.get(), limits::lease_options(needs_.settings.limits));
    if (parts->redis) parts->shared_ledger = shared_ledger(*parts);
    parts->ledger = ledger_;
    if (parts->shared_ledger) parts->ledger = parts->shared_ledger;
    return parts;
}

std::shared_ptr<pipeline::spend::RedisLedger> GateAssembly::shared_ledger(pipeline::LoopParts& parts) {
    const pipeline::spend::SpendSettings& settings = needs_.settings.spend;
    return pipeline::spend::make_redis_ledger(
        book_, *parts.redis, parts.loop, needs_.random,
        {.reservation_max = settings.reservation_max, .accounts_max = settings.accounts_max});
}

void GateAssembly::start() {
    identity_->start();
}

void GateAssembly::stop() {
    identity_->stop();
}

bool GateAssembly::is_degraded() const {
    return limiter_->degraded().has_value() || book_->counters().loops_degraded.load(std::memory_order_relaxed) > 0 ||
           identity_->is_degraded();
}

void GateAssembly::append_status(JsonWriter& writer) const {
    writer.key("identity");
    identity_->append_status(writer);
    writer.key("limits").begin_object();
    const auto degraded = limiter_->degraded();
    writer.field("shared", redis_.has_value() && !degraded);
    if (degraded) writer.field("reason", degraded->reason).field("since", format_rfc3339(degraded->since));
    writer.end_object();
    const bool spend_alone = book_->counters().loops_degraded.load(std::memory_order_relaxed) > 0;
    writer.key("spend").begin_object().field("shared", redis_.has_value() && !spend_alone);
    writer.end_object();
    if (redis_) {
        writer.key("redis").begin_object();
        writer.field("connections", redis_counters_.connected.load(std::memory_order_relaxed));
        writer.end_object();
    }
    const upstream::MemorySnapshot memory = memory_->snapshot();
    writer.key("memory").begin_object();
    writer.field("resident_bytes", memory.resident_bytes).field("ceiling_bytes", memory.ceiling_bytes);
    writer.field("over", memory.over).end_object();
}

}  // namespace tidegate::app
