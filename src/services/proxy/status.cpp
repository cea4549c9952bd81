// What /health says of the upstreams: every state as it is now, nothing remembered.
#include <algorithm>

#include "services/proxy/proxy.h"

namespace tidegate::proxy {
namespace {

void write_target(JsonWriter& writer, const upstream::TargetSnapshot& target) {
    writer.begin_object().field("target", target.name).field("usable", target.usable);
    writer.field("healthy", target.healthy);
    writer.field("breaker", upstream::to_string(target.breaker.state));
    if (target.breaker.open_left > Duration{}) {
        writer.field("breaker_open_s", std::chrono::duration<double>(target.breaker.open_left).count());
    }
    if (target.ejected_left > Duration{}) {
        writer.field("ejected_s", std::chrono::duration<double>(target.ejected_left).count());
    }
    writer.field("outstanding", target.outstanding).field("picked", target.picked);
    if (target.first_byte_ms > 0) writer.field("first_byte_ms", target.first_byte_ms);
    writer.end_object();
}

void write_batching(JsonWriter& writer, const ProxyRoute& route) {
    const upstream::BatchSnapshot shot = route.batching->batcher().snapshot();
    writer.begin_object().field("route", route.options.name).field("waiting", shot.waiting);
    writer.field("calls_under_way", shot.under_way).field("requests", shot.items).field("calls", shot.batches);
    writer.field("mismatches", shot.mismatches).field("isolated", shot.isolated).end_object();
}

void write_upstream(JsonWriter& writer, const Upstream& upstream, const std::vector<ProxyRoutePtr>& routes,
                    SteadyTime now) {
    const upstream::PoolSnapshot pool = upstream.pool.snapshot(now);
    const upstream::AdmissionSnapshot admission = upstream.admission.snapshot(now);
    writer.begin_object().field("name", upstream.name()).field("panic", pool.panic);
    writer.field("in_flight", admission.in_flight).field("limit", admission.limit);
    writer.field("waiting", admission.waiting[0] + admission.waiting[1]);
    writer.key("targets").begin_array();
    for (const upstream::TargetSnapshot& target : pool.targets) write_target(writer, target);
    writer.end_array();
    const auto merges = [&upstream](const ProxyRoutePtr& route) {
        return route->upstream == &upstream && route->batching != nullptr;
    };
    if (std::ranges::any_of(routes, merges)) {
        writer.key("batching").begin_array();
        for (const ProxyRoutePtr& route : routes) {
            if (merges(route)) write_batching(writer, *route);
        }
        writer.end_array();
    }
    writer.end_object();
}

}  // namespace

void Proxy::append_status(JsonWriter& writer, SteadyTime now) const {
    writer.key("upstreams").begin_array();
    for (const auto& upstream : upstreams_) write_upstream(writer, *upstream, routes_, now);
    writer.end_array();
}

bool Proxy::is_degraded(SteadyTime now) const {
    return std::ranges::any_of(upstreams_, [now](const auto& upstream) {
        const auto targets = upstream->pool.snapshot(now).targets;
        return std::ranges::none_of(targets, &upstream::TargetSnapshot::usable);
    });
}

}  // namespace tidegate::proxy
