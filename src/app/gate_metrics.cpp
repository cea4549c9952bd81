// What /metrics shows of the gate's parts: each counts for itself and is read at each scrape.
#include <array>

#include "app/gate_assembly.h"
#include "base/as_double.h"
#include "pipeline/cache/store.h"
#include "pipeline/spend/metrics.h"
#include "pipeline/upstream/metrics.h"
#include "services/proxy/proxy.h"

namespace tidegate::app {
namespace {

using cache::StoreStats;
using observe::MetricType;
using observe::Samples;

/// One line of a family with one label.
struct Part {
    std::string_view label;
    std::uint64_t StoreStats::* count;
};

void declare_cache_totals(observe::Registry& registry, const cache::ResponseStore& store) {
    const auto read = [&](MetricType type, std::string name, std::string help, std::string rises,
                          std::uint64_t StoreStats::* count) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
                          [&store, count](Samples& out) { out.add({}, as_double(store.stats().*count)); });
    };
    const auto gauge = MetricType::kGauge;
    const auto counter = MetricType::kCounter;
    read(gauge, "tidegate_cache_entries", "Answers kept now.", "More different questions.", &StoreStats::entries);
    read(gauge, "tidegate_cache_bytes", "Memory of the kept answers, with all that belongs to them.",
         "Compare with tidegate_cache_bytes_max.", &StoreStats::bytes);
    read(gauge, "tidegate_cache_bytes_max", "Memory that kept answers may take.", "It does not.",
         &StoreStats::bytes_max);
    read(counter, "tidegate_cache_hits_total", "Look-ups that found a fresh answer.", "The cache is of use.",
         &StoreStats::hits);
    read(counter, "tidegate_cache_stale_hits_total", "Look-ups that found an answer past its freshness.",
         "Answers are asked for less often than they go stale.", &StoreStats::stale_hits);
    read(counter, "tidegate_cache_misses_total", "Look-ups that found nothing.",
         "New questions, or answers left too early: see the evictions.", &StoreStats::misses);
    read(counter, "tidegate_cache_inserts_total", "Answers kept.", "New answers come in.", &StoreStats::inserts);
    read(counter, "tidegate_cache_replaced_total", "Of those: in the place of an older answer.", "Answers are renewed.",
         &StoreStats::replaced);
    read(counter, "tidegate_cache_expired_total", "Answers dropped past all their windows.", "Answers grow old unused.",
         &StoreStats::expired);
    read(counter, "tidegate_cache_mode_changes_total", "Changes of the way it is chosen which answers stay.",
         "What is asked for changes its pattern.", &StoreStats::mode_changes);
}

template <std::size_t N>
void declare_parts(observe::Registry& registry, const cache::ResponseStore& store, observe::FamilySpec spec,
                   const std::array<Part, N>& parts) {
    registry.callback(std::move(spec), MetricType::kCounter, [&store, parts](Samples& out) {
        const StoreStats stats = store.stats();
        for (const Part& part : parts) out.add({part.label}, as_double(stats.*part.count));
    });
}

void declare_cache(observe::Registry& registry, const cache::ResponseStore& store) {
    declare_cache_totals(registry, store);
    declare_parts(registry, store,
                  {.name = "tidegate_cache_rejected_total",
                   .help = "Answers that were not kept.",
                   .labels = {"reason"},
                   .when_it_rises = "too_large: answers over the largest that is kept. invalidated: what they are made "
                                    "of was taken back while they were fetched."},
                  std::array<Part, 2>{{{"too_large", &StoreStats::rejected_too_large},
                                       {"invalidated", &StoreStats::rejected_invalidated}}});
    declare_parts(
        registry, store,
        {.name = "tidegate_cache_evicted_total",
         .help = "Usable answers that left for others.",
         .labels = {"reason"},
         .when_it_rises = "room: the memory is full. variants: a key has too many answers by Vary."},
        std::array<Part, 2>{{{"room", &StoreStats::evicted_for_room}, {"variants", &StoreStats::evicted_variants}}});
    declare_parts(registry, store,
                  {.name = "tidegate_cache_invalidated_total",
                   .help = "Usable answers dropped because somebody said so, when they were met.",
                   .labels = {"by"},
                   .when_it_rises = "Writes, or somebody empties the cache."},
                  std::array<Part, 4>{{{"key", &StoreStats::invalidated_key},
                                       {"prefix", &StoreStats::invalidated_prefix},
                                       {"tag", &StoreStats::invalidated_tag},
                                       {"all", &StoreStats::invalidated_all}}});
}

void declare_client(observe::Registry& registry, const http::ClientCounters& counters) {
    const auto total = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::uint64_t>& counter) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, MetricType::kCounter,
            [&counter](Samples& out) { out.add({}, as_double(counter.load(std::memory_order_relaxed))); });
    };
    const auto level = [&](std::string name, std::string help, std::string rises,
                           const std::atomic<std::int64_t>& counter) {
        registry.callback(
            {.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, MetricType::kGauge,
            [&counter](Samples& out) { out.add({}, static_cast<double>(counter.load(std::memory_order_relaxed))); });
    };
    total("tidegate_client_calls_total", "Calls to upstreams, retries and health checks included.", "Requests come in.",
          counters.calls);
    total("tidegate_client_connections_opened_total", "Connections to upstreams that were made.",
          "Upstreams close kept connections, or more calls run at once.", counters.connections_opened);
    total("tidegate_client_connections_reused_total", "Calls that went out on a kept connection.",
          "Close to the calls: connections are kept well.", counters.connections_reused);
    total("tidegate_client_connections_closed_idle_total", "Kept connections that ended unused.",
          "Upstreams close them early, or there are more than are needed.", counters.connections_closed_idle);
    total("tidegate_client_name_lookups_total", "Look-ups of upstreams' names begun.", "Names are looked up anew.",
          counters.name_lookups);
    total("tidegate_client_received_bytes_total", "Bytes read from upstreams.", "Larger answers, or more.",
          counters.bytes_in);
    total("tidegate_client_sent_bytes_total", "Bytes written to upstreams.", "Larger requests, or more.",
          counters.bytes_out);
    level("tidegate_client_calls_waiting", "Calls without a connection now.",
          "Compare with connections.max of the upstreams.", counters.calls_waiting);
    level("tidegate_client_connections_open", "Connections to upstreams, open or being opened.", "More runs at once.",
          counters.connections_open);
    level("tidegate_client_connections_idle", "Of those: kept, and without a call.", "Less runs than did.",
          counters.connections_idle);
    registry.callback({.name = "tidegate_client_failures_total",
                       .help = "Calls to upstreams that failed, by how.",
                       .labels = {"kind"},
                       .when_it_rises = "cancelled: clients leave. The others: look at the upstream."},
                      MetricType::kCounter, [&counters](Samples& out) {
                          for (std::size_t i = 0; i < http::CallFailure::kKinds; ++i) {
                              out.add({http::to_string(static_cast<http::CallFailure::Kind>(i))},
                                      as_double(counters.failures[i].load(std::memory_order_relaxed)));
                          }
                      });
}

}  // namespace

void GateAssembly::declare_metrics(observe::Registry& registry, const cache::ResponseStore& store,
                                   const proxy::Proxy& proxy) {
    pipeline::declare_metrics(registry, counts_);
    pipeline::declare_metrics(registry, identity_->counters());
    limits::declare_metrics(registry, *limiter_);
    pipeline::spend::declare_metrics(registry, *book_, needs_.clock);
    store::declare_metrics(registry, redis_counters_);
    declare_cache(registry, store);
    declare_client(registry, client_counters_);
    std::vector<upstream::UpstreamParts> upstreams;
    for (const auto& upstream : proxy.upstreams()) {
        upstreams.push_back({.name = upstream->name(),
                             .pool = &upstream->pool,
                             .retries = &upstream->budget,
                             .health = nullptr,
                             .admission = &upstream->admission});
    }
    std::vector<upstream::BatcherPart> batchers;
    for (const auto& route : proxy.routes()) {
        if (route->batching) batchers.push_back({route->options.name, &route->batching->batcher()});
    }
    upstream::declare_metrics(registry, needs_.clock, std::move(upstreams), std::move(batchers), memory_.get());
}

}  // namespace tidegate::app
